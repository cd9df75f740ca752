package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	ratePackets = 100_000
	rateEvery   = 100 * time.Microsecond
)

// rate is one session at a rate where sleeping between two packets is hard.
func (b *bench) rate(ctx context.Context) error {
	var rows []row
	for _, how := range [][]string{{"-spin"}, {"-spin=false"}, {"-spin", "-mode", "twamp"}} {
		p, cpu, err := b.probe(ctx, nil, nil, ratePackets, rateEvery, how...)
		if err != nil {
			return err
		}
		rows = append(rows, row{name: strings.Join(how, " "), values: []float64{
			float64(p.Sent), float64(p.Received), float64(p.Late), float64(p.Lost),
			float64(p.RTT.P50Ns), float64(p.RTT.P99Ns),
			float64(p.Lateness.P50Ns), float64(p.Lateness.P99Ns), cpu.Seconds(),
		}})
	}
	seconds := (time.Duration(b.scaled(ratePackets, 1)) * rateEvery).Seconds()
	b.rep.table("rate", fmt.Sprintf("one session, %d packets/s for %g s, over loopback", time.Second/rateEvery, seconds), []figure{
		{"sent", "sent", showCount},
		{"received", "received", showCount},
		{"late", "late", showCount},
		{"lost", "lost", showCount},
		{"rtt_p50_ns", "rtt p50", showNs},
		{"rtt_p99_ns", "p99", showNs},
		{"lateness_p50_ns", "lateness p50", showNs},
		{"lateness_p99_ns", "p99", showNs},
		{"prober_cpu_s", "prober's CPU", showSeconds},
	}, rows)
	return nil
}
