package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"tinytwamp/shared/events"
)

// sessionSeconds is how long sessions run at one packet a second.
const sessionSeconds = 30

// sessions is many sessions of one prober to one reflector. What a packet costs
// tells whether the cost grows with packets, or with sessions squared.
func (b *bench) sessions(ctx context.Context) error {
	var rows []row
	for _, n := range []int{100, 1000, 5000} {
		r, err := b.manySessions(ctx, n)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	b.rep.table("sessions", fmt.Sprintf("sessions of one prober to one reflector, 1 packet/s each for %d s, over loopback", b.scaled(sessionSeconds, 3)), []figure{
		{"planned", "planned", showCount},
		{"sent", "sent", showCount},
		{"received", "received", showCount},
		{"lateness_p50_ns", "lateness p50 <=", showNs},
		{"lateness_p99_ns", "p99 <=", showNs},
		{"cpu_per_packet_ns", "CPU/packet", showNs},
		{"memory_mib", "peak MiB", showCount},
	}, rows)
	return nil
}

func (b *bench) manySessions(ctx context.Context, n int) (row, error) {
	r, port, err := reflector(ctx, nil, "-log-packets", "off", "-log-file", os.DevNull)
	if err != nil {
		return row{}, err
	}
	defer r.stop()
	var file bytes.Buffer
	fmt.Fprintln(&file, "targets:")
	for i := range n {
		fmt.Fprintf(&file, "  - {name: t%d, address: \"127.0.0.1:%s\"}\n", i, port)
	}
	path, err := temporary(file.Bytes())
	if err != nil {
		return row{}, err
	}
	defer os.Remove(path)
	count := b.scaled(sessionSeconds, 3)
	out, p, err := output(ctx, nil, binaries+"prober", "-json", "-interval", "1s", "-count", strconv.Itoa(count), "-targets-file", path)
	if err != nil {
		return row{}, err
	}
	var sum events.RTT
	var late lateness
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var e events.RTT
		if err := d.Decode(&e); err != nil {
			return row{}, fmt.Errorf("the prober's report: %w", err)
		}
		sum.Planned, sum.Sent, sum.Received = sum.Planned+e.Planned, sum.Sent+e.Sent, sum.Received+e.Received
		late.add(e.Lateness)
	}
	state := p.ProcessState
	cpu := (state.UserTime() + state.SystemTime()) / time.Duration(max(1, sum.Sent))
	memory := float64(state.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	return row{name: strconv.Itoa(n), values: []float64{
		float64(sum.Planned), float64(sum.Sent), float64(sum.Received),
		late.atMost(0.5), late.atMost(0.99), float64(cpu), memory,
	}}, nil
}

// lateness is what all packets were late by, as far as the quantiles of each
// session tell.
type lateness struct{ values, weights []float64 }

// add takes a session's: what lies between two of its quantiles counts as the
// upper one.
func (l *lateness) add(d *events.Distribution) {
	if d == nil {
		return
	}
	for _, q := range []struct {
		ns    int64
		share float64
	}{{d.P50Ns, 0.5}, {d.P90Ns, 0.4}, {d.P95Ns, 0.05}, {d.P99Ns, 0.04}, {d.P999Ns, 0.009}, {d.MaxNs, 0.001}} {
		l.values, l.weights = append(l.values, float64(q.ns)), append(l.weights, q.share*float64(d.N))
	}
}

// atMost is a bound that a quantile of all does not exceed.
func (l *lateness) atMost(q float64) float64 {
	order := make([]int, len(l.values))
	total := 0.0
	for i := range order {
		order[i] = i
		total += l.weights[i]
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(l.values[a], l.values[b]) })
	below := 0.0
	for _, i := range order {
		if below += l.weights[i]; below >= q*total {
			return l.values[i]
		}
	}
	return 0
}

// temporary writes a file that the caller removes.
func temporary(text []byte) (path string, err error) {
	f, err := os.CreateTemp("", "tinytwamp-bench-")
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = f.Write(text)
	return f.Name(), err
}
