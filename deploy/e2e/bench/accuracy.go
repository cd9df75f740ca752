package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp"
)

const (
	accuracyPackets = 1000
	accuracyEvery   = 10 * time.Millisecond
	// loopLife bounds the CPU seconds of an endless loop, should nobody be left
	// to end it.
	loopLife = "120"
)

// accuracy measures over loopback, where the network takes next to nothing,
// while each of two CPUs has two endless loops to run: what is found in the
// delays is the tool's and the host's.
func (b *bench) accuracy(ctx context.Context) error {
	one, two, err := b.pair()
	if err != nil {
		return err
	}
	on := []int{one, two}
	for n := range 4 {
		loop, err := start(ctx, on[n%2:n%2+1], "sh", "-c", "ulimit -t "+loopLife+"; while :; do :; done")
		if err != nil {
			return err
		}
		defer loop.stop()
	}
	var rows []row
	for _, c := range []struct {
		name             string
		realtime         bool
		reflector, probe []string
	}{
		{name: "plain"},
		{name: "follow-up", probe: []string{"-tlv", "follow-up"}},
		{name: "realtime", realtime: true, reflector: []string{"-realtime"}, probe: []string{"-realtime"}},
		{name: "follow-up, realtime", realtime: true, reflector: []string{"-realtime"}, probe: []string{"-tlv", "follow-up", "-realtime"}},
	} {
		r := row{name: c.name}
		if c.realtime {
			r.missing = mayRealtime()
		}
		if r.missing == "" {
			p, _, err := b.probe(ctx, on, c.reflector, accuracyPackets, accuracyEvery, c.probe...)
			if err != nil {
				return err
			}
			r.values = accuracyValues(p)
		}
		rows = append(rows, r)
	}
	other, err := b.irtt(ctx, on)
	if err != nil {
		return err
	}
	rows = append(rows, other)
	b.rep.table("accuracy", fmt.Sprintf("loopback, one packet each %v, four endless loops on two CPUs", accuracyEvery), []figure{
		{"rtt_p50_ns", "rtt p50", showNs},
		{"rtt_p99_ns", "p99", showNs},
		{"rtt_max_ns", "max", showNs},
		{"lateness_p50_ns", "lateness p50", showNs},
		{"lateness_p99_ns", "p99", showNs},
		{"lateness_max_ns", "max", showNs},
		{"sent", "sent", showCount},
		{"received", "received", showCount},
	}, rows)
	return nil
}

func accuracyValues(p *events.RTT) []float64 {
	return []float64{
		float64(p.RTT.P50Ns), float64(p.RTT.P99Ns), float64(p.RTT.MaxNs),
		float64(p.Lateness.P50Ns), float64(p.Lateness.P99Ns), float64(p.Lateness.MaxNs),
		float64(p.Sent), float64(p.Received),
	}
}

// mayRealtime says why this user may not have real-time priority, if so.
func mayRealtime() (reason notRun) {
	refused := make(chan error)
	go func() { refused <- udp.OwnThread(true) }() // the thread ends with the goroutine
	if err := <-refused; err != nil {
		return notRun(err.Error())
	}
	return ""
}

// probe tests a reflector of its own, both on some CPUs, and returns the
// prober's report and the CPU time that it used.
func (b *bench) probe(ctx context.Context, on []int, reflectorFlags []string, packets int, every time.Duration, flags ...string) (*events.RTT, time.Duration, error) {
	r, port, err := reflector(ctx, on, reflectorFlags...)
	if err != nil {
		return nil, 0, err
	}
	defer r.stop()
	args := append([]string{
		"-json", "-count", strconv.Itoa(b.scaled(packets, 1)), "-interval", every.String(), "127.0.0.1:" + port,
	}, flags...)
	out, p, err := output(ctx, on, binaries+"prober", args...)
	if err != nil {
		return nil, 0, err
	}
	result := new(events.RTT)
	if err := json.Unmarshal(out, result); err != nil {
		return nil, 0, fmt.Errorf("the prober's report: %w", err)
	}
	if result.RTT == nil || result.Lateness == nil {
		return nil, 0, fmt.Errorf("no reply to %d packets", result.Sent)
	}
	return result, p.ProcessState.UserTime() + p.ProcessState.SystemTime(), nil
}

// latenesses are the times by which packets were sent late, against the one that
// was earliest by schedule: irtt does not tell when it meant to begin.
func latenesses(sentNs []float64, every time.Duration) []float64 {
	earliest := math.Inf(1)
	late := make([]float64, len(sentNs))
	for n, at := range sentNs {
		late[n] = at - float64(n)*float64(every)
		earliest = min(earliest, late[n])
	}
	for n := range late {
		late[n] -= earliest
	}
	return late
}
