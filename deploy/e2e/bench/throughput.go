package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

//go:embed floor/*.c
var sources embed.FS

const (
	pairs     = 5    // of rounds
	roundTime = 1000 // ms
)

// server is a reflector under load.
type server struct {
	*process
	port string
}

// throughput compares the reflector with the floor. The distance between two
// CPUs of a virtual machine can change from one moment to the next, and both
// with it: so they take turns in short rounds, and only the ratio within a pair
// of rounds tells.
func (b *bench) throughput(ctx context.Context) error {
	on, loadOn, err := b.pair()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tinytwamp-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := compile(ctx, dir, "floor", "load"); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	floor, err := start(ctx, []int{on}, filepath.Join(dir, "floor"), port)
	if err != nil {
		return err
	}
	if err := floor.answers(ctx, port); err != nil {
		return err
	}
	defer floor.stop()
	ours, oursPort, err := reflector(ctx, []int{on})
	if err != nil {
		return err
	}
	defer ours.stop()

	load := func(s server) (round, error) {
		return b.round(ctx, s, loadOn, filepath.Join(dir, "load"))
	}
	rows, err := b.takeTurns(load, server{floor, port}, server{ours, oursPort})
	if err != nil {
		return err
	}
	b.rep.table("throughput", "replies per second of one CPU, floor and reflector in turn; busy: how much of its CPU it used (well below 100 %: the load was the limit, or others had the CPU)",
		[]figure{
			{"floor_per_s", "floor/s", showCount},
			{"reflector_per_s", "reflector/s", showCount},
			{"ratio", "ratio", showRatio},
			{"floor_busy", "floor busy", showPercent},
			{"reflector_busy", "reflector busy", showPercent},
			{"lost", "lost", showCount},
		}, rows)
	return nil
}

func compile(ctx context.Context, dir string, programs ...string) error {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return notRun("no C compiler (cc) in PATH for the floor")
	}
	for _, name := range programs {
		source, err := sources.ReadFile("floor/" + name + ".c")
		if err != nil {
			return err
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file+".c", source, 0o600); err != nil {
			return err
		}
		if _, _, err := output(ctx, nil, cc, "-O2", "-o", file, file+".c"); err != nil {
			return err
		}
	}
	return nil
}

// takeTurns gives a row for each pair of rounds, and two that sum them up.
func (b *bench) takeTurns(load func(server) (round, error), floor, ours server) ([]row, error) {
	var rows []row
	for n := range b.scaled(pairs, 2) {
		first, second := floor, ours
		if n%2 == 1 { // so that neither is always the second
			first, second = ours, floor
		}
		a, errA := load(first)
		z, errZ := load(second)
		if err := errors.Join(errA, errZ); err != nil {
			return nil, err
		}
		if n%2 == 1 {
			a, z = z, a
		}
		rows = append(rows, row{
			name:   "pair " + strconv.Itoa(n+1),
			values: []float64{a.rate, z.rate, z.rate / a.rate, a.busy, z.busy, a.lost + z.lost},
		})
	}
	return append(rows, summaries(rows)...), nil
}

// summaries are the median and the limits of each column.
func summaries(rows []row) []row {
	sums := []row{{name: "median"}, {name: "least"}, {name: "most"}}
	for column := range rows[0].values {
		var values []float64
		for _, r := range rows {
			values = append(values, r.values[column])
		}
		for i, v := range []float64{median(values), slices.Min(values), slices.Max(values)} {
			sums[i].values = append(sums[i].values, v)
		}
	}
	return sums
}

// round is what one round of load told.
type round struct {
	rate float64 // replies per second
	busy float64 // share of its CPU that the server used
	lost float64 // requests
}

func (b *bench) round(ctx context.Context, s server, cpu int, load string) (round, error) {
	before, err := s.cpuTime()
	if err != nil {
		return round{}, err
	}
	begun := time.Now()
	out, _, err := output(ctx, []int{cpu}, load, s.port, strconv.Itoa(b.scaled(roundTime, 0)))
	if err != nil {
		return round{}, err
	}
	wall := time.Since(begun)
	after, err := s.cpuTime()
	if err != nil {
		return round{}, err
	}
	var replies, lost, wrong, ns float64
	if _, err := fmt.Sscan(string(out), &replies, &lost, &wrong, &ns); err != nil {
		return round{}, fmt.Errorf("load printed %q: %w", out, err)
	}
	if replies == 0 || wrong > 0 {
		return round{}, fmt.Errorf("%s: %.0f replies, of which %.0f are wrong", s.Path, replies+wrong, wrong)
	}
	return round{rate: replies / ns * 1e9, busy: min(1, float64(after-before)/float64(wall)), lost: lost}, nil
}
