package prober

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/prober/internal/control/controltest"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// twampBench is a bench with a TWAMP server, whose reflectors are at the address
// of the bench's, on the ports that it grants.
type twampBench struct {
	*bench
	*testing.T
	server *controltest.Server
	log    *syncBuffer

	mu         sync.Mutex
	refuse     error                 // dialling fails
	silent     bool                  // the server takes connections, and says nothing
	dialled    []time.Time           // attempts
	from       []netip.Addr          // own addresses asked for
	grant      func(i int) uint16    // port of the i-th session; nil: the one that is asked for
	spoil      func(i int, b []byte) // changes the i-th reply; may be nil
	octets     uint16                // the server's, RFC 6038
	reflectors map[uint16]*udptest.Conn
	reflected  []time.Time // when requests came
	requests   [][]byte
}

// twampBubble runs f in a synctest bubble, with a server that offers all modes.
func twampBubble(t *testing.T, f func(b *twampBench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &twampBench{bench: newBench(t), T: t, log: new(syncBuffer), reflectors: make(map[uint16]*udptest.Conn)}
		b.server = &controltest.Server{
			Modes: 0xf | twamp.ReflectOctets | twamp.SymmetricalSize, Passphrases: map[string]string{"joe": "open sesame"}, Answer: b.answer,
		}
		b.test.Mode, b.test.SSID = ModeTWAMP, 0
		b.cfg.Log = slog.New(slog.NewTextHandler(b.log, nil))
		b.cfg.Dial, b.cfg.Rand = b.dial, rand.Reader
		b.forward(udptest.Delay(5 * ms).Then(udptest.Hops(3)))
		b.back(udptest.Delay(5 * ms))
		f(b)
		for _, c := range b.reflectors {
			c.Close()
		}
	})
}

// withKey gives the test the passphrase of key id joe.
func (b *twampBench) withKey(least Auth) {
	b.Helper()
	p, err := twamp.ParsePassphrases([]byte("joe open sesame\n"))
	if err != nil {
		b.Fatal(err)
	}
	b.test.passphrases, b.test.Auth = p, least
}

func (b *twampBench) dial(ctx context.Context, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dialled, b.from = append(b.dialled, time.Now()), append(b.from, local)
	if b.refuse != nil {
		return nil, b.refuse
	}
	if to.Addr() != reflectorAddr.Addr() {
		return nil, errors.New("nobody is there")
	}
	here, there := net.Pipe()
	if b.silent {
		return here, nil
	}
	go b.server.Serve(there)
	return here, nil
}

// answer grants a session, and sets a reflector up for it.
func (b *twampBench) answer(i int, x *controltest.Session) twamp.AcceptSession {
	b.mu.Lock()
	defer b.mu.Unlock()
	x.Accept = controltest.Grant(x)
	if x.PaddingToReflect > 0 {
		x.Accept.ServerOctets = b.octets
	}
	if b.grant != nil {
		if x.Accept.Port = b.grant(i); x.Accept.Port == 0 {
			return twamp.AcceptSession{Accept: twamp.TemporarilyExhausted}
		}
	}
	if old := b.reflectors[x.Accept.Port]; old != nil {
		old.Close()
	}
	c, err := b.network.Listen(udp.Config{Local: netip.AddrPortFrom(reflectorAddr.Addr(), x.Accept.Port)})
	if err != nil {
		b.Error(err)
		return twamp.AcceptSession{Accept: twamp.InternalError}
	}
	b.reflectors[x.Accept.Port] = c
	go b.reflect(c, controltest.NewReflector(*x))
	return x.Accept
}

// reflect is a reflector, until its socket is closed.
func (b *twampBench) reflect(c *udptest.Conn, r *controltest.Reflector) {
	in := []udp.Message{{Buf: make([]byte, 2048)}}
	for {
		n, _, err := c.Read(in, nil)
		if err != nil {
			return
		}
		if n == 0 {
			continue
		}
		m := &in[0]
		b.mu.Lock()
		b.requests = append(b.requests, append([]byte(nil), m.Buf[:m.N]...))
		now := stamp.NewTimestamp(m.Time, stamp.NTP)
		reply := r.Reply(b, m.Buf[:m.N], now, now, uint8(m.TTL))
		if reply != nil && b.spoil != nil {
			b.spoil(len(b.reflected), reply)
		}
		b.reflected = append(b.reflected, time.Now())
		b.mu.Unlock()
		if reply == nil {
			b.Error("a request is not one of the session")
			continue
		}
		dscp, _ := r.TypeP.DSCP()
		_, _ = c.Write([]udp.Message{{Buf: reply, N: len(reply), Peer: m.Peer, TOS: int(dscp) << 2}})
	}
}

// set changes the bench while it runs.
func (b *twampBench) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// dials is the number of attempts at a control connection.
func (b *twampBench) dials() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.dialled)
}

// run runs the test, for at most so long if that is not 0, and checks what must
// hold of any: each session that was begun is stopped, and no connection stays.
func (b *twampBench) run(limit time.Duration) {
	b.Helper()
	b.bench.run(b.T, limit)
	synctest.Wait()
	if n := b.server.Open(); n != 0 {
		b.Errorf("%d control connections stay open", n)
	}
}

// logged counts the lines of the log with a text.
func (b *twampBench) logged(text string) int { return strings.Count(b.log.String(), text) }
