package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"time"
)

const irttTries = 10

// irttResult is the part of irtt's JSON that is looked at. Times are in ns.
type irttResult struct {
	RoundTrips []struct {
		Lost       string
		Timestamps struct {
			Client struct{ Send struct{ Monotonic float64 } }
		}
		Delay struct{ RTT float64 }
	} `json:"round_trips"`
}

// irtt makes the same measurement with another tool (github.com/heistp/irtt).
func (b *bench) irtt(ctx context.Context, on []int) (row, error) {
	r := row{name: "irtt"}
	if _, err := exec.LookPath("irtt"); err != nil {
		r.missing = "no irtt in PATH (Debian: apt-get install irtt)"
		return r, nil
	}
	port, err := freePort()
	if err != nil {
		return r, err
	}
	server, err := start(ctx, on, "irtt", "server", "-b", "127.0.0.1:"+port)
	if err != nil {
		return r, err
	}
	defer server.stop()
	duration := time.Duration(b.scaled(accuracyPackets, 1)) * accuracyEvery
	var out []byte
	for try := 1; ; try++ { // on a busy host its server takes a while to listen
		out, _, err = output(ctx, on, "irtt", "client", "-Q", "-i", accuracyEvery.String(), "-d", duration.String(), "-o", "-", "127.0.0.1:"+port)
		if err == nil {
			break
		}
		if try == irttTries {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	r.values, err = irttValues(out)
	return r, err
}

// irttValues are the figures of accuracy. The delay of irtt leaves out the
// server's time, as ours does.
func irttValues(out []byte) ([]float64, error) {
	var result irttResult
	if err := json.Unmarshal(out, &result); err != nil {
		return nil, fmt.Errorf("irtt's JSON: %w", err)
	}
	var rtts, sent []float64
	for _, t := range result.RoundTrips {
		sent = append(sent, t.Timestamps.Client.Send.Monotonic)
		if t.Lost == "false" {
			rtts = append(rtts, t.Delay.RTT)
		}
	}
	if len(rtts) == 0 {
		return nil, fmt.Errorf("irtt: no reply to %d packets", len(sent))
	}
	late := latenesses(sent, accuracyEvery)
	return []float64{
		quantile(rtts, 0.5), quantile(rtts, 0.99), quantile(rtts, 1),
		quantile(late, 0.5), quantile(late, 0.99), quantile(late, 1),
		float64(len(sent)), float64(len(rtts)),
	}, nil
}
