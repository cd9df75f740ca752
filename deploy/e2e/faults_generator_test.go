package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// The test binary is a generator when these are set: a process that publishes
// events at a rate, like a reflector with much to tell. It says the id of each
// on its stdout once Publish has returned: from then on the event is accepted.
const (
	generatorURL    = "E2E_GENERATOR_URL"
	generatorOutbox = "E2E_GENERATOR_OUTBOX"
	generatorRate   = "E2E_GENERATOR_RATE" // events a second
)

// generator adds a generator to the rig.
func (r *rig) generator(name string, rate int) *program {
	r.Helper()
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	p := r.program(name, self)
	p.outbox = filepath.Join(r.dir, name)
	p.env = []string{generatorURL + "=" + r.url(), generatorOutbox + "=" + p.outbox, generatorRate + "=" + strconv.Itoa(rate)}
	p.line = func(line string) {
		if id, ok := strings.CutPrefix(line, "accepted "); ok {
			r.accept(id)
		}
	}
	r.generators = append(r.generators, p)
	return p
}

// generate is the generator's main.
func generate() error {
	rate, err := strconv.Atoi(os.Getenv(generatorRate))
	if err != nil {
		return err
	}
	outbox := os.Getenv(generatorOutbox)
	name := filepath.Base(outbox)
	client, err := bus.Open(bus.Settings{URL: service.URL(os.Getenv(generatorURL)), Outbox: outbox, OutboxSize: 64 << 20},
		"reflector", name, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	source := events.NewSource("reflector", name) // beside the client's, to know the ids
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for made := 0; ctx.Err() == nil; {
		for due := int(time.Since(begun).Seconds() * float64(rate)); made < due; made++ {
			e, err := source.Encode(time.Now(), &events.Log{Service: "reflector", Records: []events.Record{{
				Time: time.Now(), Kind: events.PacketReceived, Peer: netip.MustParseAddrPort("[2001:db8::1]:862"),
				Message: fmt.Sprintf("number %d of %s", made, name),
			}}})
			if err != nil {
				return err
			}
			client.Publisher.Publish(e)
			if _, err := fmt.Println("accepted", e.ID); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if kept, lost := client.Close(20 * time.Second); kept > 0 || lost > 0 {
		return errors.New("not all was delivered")
	}
	return nil
}
