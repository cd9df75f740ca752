package reflector

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp"
)

// sink is a socket that takes everything.
type sink struct{ refuse error }

func (sink) Read([]udp.Message, []udp.Event) (int, int, error) { return 0, 0, net.ErrClosed }

func (s sink) Write(ms []udp.Message) (int, error) {
	if s.refuse != nil {
		return 0, s.refuse
	}
	return len(ms), nil
}

func (sink) LocalAddr() netip.AddrPort { return netip.MustParseAddrPort("[::]:862") }
func (sink) Drops() uint64             { return 0 }
func (sink) Wake()                     {}
func (sink) Close() error              { return nil }

// The steady state of the loop costs no allocation, whatever comes in and
// however much of it is logged: garbage collection would show in what others
// measure with this reflector.
func TestLoopDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		name   string
		sink   sink
		change func(*Config)
	}{
		{name: "log sampled"},
		{name: "log off", change: func(c *Config) { c.Logging = LogOff }},
		{name: "log all", change: func(c *Config) { c.Logging = LogAll }},
		{name: "stateless", change: func(c *Config) { c.Stateless = true }},
		{name: "table full", change: func(c *Config) { c.SessionTable = 1 }},
		{name: "guards", change: func(c *Config) {
			c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
			c.AllowSymmetric = c.Allow[:1]
		}},
		{name: "keys", change: func(c *Config) { c.Keys = parsedKeys(t, "* "+goodKey) }},
		{name: "keys, logged, replayed", change: func(c *Config) {
			c.Keys, c.ReplayWindow, c.Logging = parsedKeys(t, "192.0.2.0/24 "+otherKey+"\n* "+goodKey), 1000*time.Hour, LogAll
		}},
		{name: "keys, open", change: func(c *Config) {
			c.Keys, c.AllowUnauthenticated = parsedKeys(t, "* "+goodKey), []netip.Prefix{netip.MustParsePrefix("::/0")}
		}},
		{name: "limits", change: func(c *Config) { c.RateLimit, c.RateLimitTotal = 1000, 1e6 }},
		{name: "over the limits", change: func(c *Config) { c.RateLimit, c.RateLimitTotal = 1, 5 }},
		{name: "provisioned", change: func(c *Config) {
			c.Sessions = []Provisioned{{SSID: 1}, {SSID: 2, From: netip.MustParsePrefix("2001:db8::/32")}}
		}},
		{name: "not allowed", change: func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }},
		{name: "sends fail", sink: sink{refuse: net.ErrWriteToConnected}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &recorder{}
			cfg := rec.config()
			if c.change != nil {
				c.change(&cfg)
			}
			cfg.Publish = func(time.Time, *events.Log) {}
			w := assemble(cfg, []conn{c.sink}).workers[0]
			requests := batch(t)
			w.ms = make([]udp.Message, len(requests))
			for i := range w.ms {
				w.ms[i].Buf = make([]byte, 2048)
			}
			now := time.Now().UnixNano()
			round := func() {
				now += int64(300 * time.Millisecond) // so that sampling takes some and leaves some
				for i, m := range requests {
					buf := w.ms[i].Buf
					m.Buf, m.N, m.Time = buf, copy(buf, m.Buf), now
					w.ms[i] = m
				}
				w.send(w.answer(len(requests)))
				for len(w.log.notes) > 0 { // what the log's goroutine takes
					w.log.free <- <-w.log.notes
				}
			}
			round() // opens the sessions
			if n := testing.AllocsPerRun(100, round); n != 0 {
				t.Errorf("%v allocations for %d packets", n, len(requests))
			}
		})
	}
}

// batch is a batch of requests of all kinds, from several senders.
func batch(t testing.TB) []udp.Message {
	everything := octets(t, allTLVs+hmacTLV)
	payloads := [][]byte{
		request(1, 1), request(2, 2), request(3, 0)[:14],
		{},
		request(4, 1)[:13],
		request(5, 1, append([]byte("\x80\x01\x00\x13"), "TWAMP test message\x00"...)...),
		request(6, 1, []byte("TWAMP test message\x00")...),
		request(7, 1, 0x80, 200, 0, 1, 9, 0x80, 1, 0xff),
		request(8, 1, make([]byte, 1000)...),
		request(9, 1, everything...),
		authRequest(t, goodKey, 10, 1),
		authRequest(t, goodKey, 11, 1, everything...),
		authRequest(t, otherKey, 12, 1, everything...),
	}
	var ms []udp.Message
	for i, p := range payloads {
		for _, from := range []string{"2001:db8::%x", "192.0.2.%d"} {
			ms = append(ms, udp.Message{
				Buf: p, Peer: netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf(from, i+1)), 40000),
				Local: netip.MustParseAddr("2001:db8::ff"), TTL: 64, TOS: 46 << 2, Kernel: true,
			})
		}
		ms = append(ms, udp.Message{Buf: p, Peer: netip.MustParseAddrPort("[2001:db8::1]:862"), TTL: -1, TOS: -1})
	}
	return ms
}
