package reflector

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// recorder keeps what a reflector tells.
type recorder struct {
	mu    sync.Mutex
	lines []string
	logs  []published
	ready map[string]error
}

type published struct {
	at time.Time
	events.Log
}

// config is one that a test can change, with everything told to the recorder.
func (r *recorder) config() Config {
	r.ready = map[string]error{}
	return Config{
		SessionTable: 1000, Workers: 1, Logging: LogSampled, Log: slog.New(slog.DiscardHandler),
		TestPorts: PortRange{18760, 18762}, RefWait: 900 * time.Second, StopGrace: 5 * time.Second,
		Line: func(_ time.Time, _, text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.lines = append(r.lines, text)
		},
		Publish: func(at time.Time, l *events.Log) {
			r.mu.Lock()
			defer r.mu.Unlock()
			kept := published{at, *l}
			kept.Records = slices.Clone(l.Records)
			r.logs = append(r.logs, kept)
		},
		Ready: func(name string, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ready[name] = err
		},
	}
}

// told are the lines so far.
func (r *recorder) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// sent are the events so far, their records in one list.
func (r *recorder) sent() (records []events.Record, omitted uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.logs {
		records = append(records, l.Records...)
		omitted += l.Omitted
	}
	return records, omitted
}

// rig is a reflector on a network in memory, in a synctest bubble.
type rig struct {
	*recorder
	t      *testing.T
	net    *udptest.Network
	server *udptest.Conn
	r      *Reflector
	stop   func() // ends the reflector and waits for it
}

// newRig makes a reflector that is not started yet.
func newRig(t *testing.T, listen string, change func(*Config)) *rig {
	t.Helper()
	g := &rig{recorder: &recorder{}, t: t, net: udptest.New()}
	server, err := g.net.Listen(udp.Config{Local: netip.MustParseAddrPort(listen), TxTimestamps: true, TxOnDemand: true})
	if err != nil {
		t.Fatal(err)
	}
	cfg := g.config()
	if change != nil {
		change(&cfg)
	}
	g.server, g.r = server, assemble(cfg, []conn{server})
	g.r.listen = func(cfg udp.Config) (conn, error) {
		c, err := g.net.Listen(cfg)
		if err != nil {
			return nil, err // and no conn that is not nil
		}
		return c, nil
	}
	g.r.sessions.isOwn = func(a netip.Addr) bool { return a == netip.MustParseAddr("2001:db8::2") || a == testLocal.Addr() }
	t.Cleanup(func() { g.r.sessions.close("") })
	return g
}

// start runs the worker and the test log, as [Reflector.Run] does; what it runs
// besides needs real sockets.
func (g *rig) start() *rig {
	ctx, cancel := context.WithCancel(context.Background())
	logCtx, endLog := context.WithCancel(context.Background())
	var worker, log sync.WaitGroup
	worker.Go(func() {
		if err := g.r.workers[0].run(ctx); err != nil {
			g.t.Errorf("the worker ended: %v", err)
		}
	})
	log.Go(func() { g.r.runLog(logCtx) })
	g.stop = sync.OnceFunc(func() {
		cancel()
		worker.Wait()
		g.r.sessions.close("reflector stopped")
		endLog()
		log.Wait()
	})
	g.t.Cleanup(g.stop)
	return g
}

// drops counts what was dropped, by reason.
func (g *rig) drops() map[reason]uint64 {
	m := map[reason]uint64{}
	for why := range reasons {
		if n := g.r.dropped(why); n > 0 {
			m[why] = n
		}
	}
	return m
}

// sender is a host that sends requests and keeps what comes back.
type sender struct {
	t    *testing.T
	conn *udptest.Conn

	mu  sync.Mutex
	got []udp.Message
}

func (g *rig) sender(local string) *sender {
	g.t.Helper()
	c, err := g.net.Listen(udp.Config{Local: netip.MustParseAddrPort(local)})
	if err != nil {
		g.t.Fatal(err)
	}
	s := &sender{t: g.t, conn: c}
	g.t.Cleanup(func() { c.Close() })
	go s.receive()
	return s
}

func (s *sender) receive() {
	ms := []udp.Message{{Buf: make([]byte, 1<<16)}}
	for {
		if _, _, err := s.conn.Read(ms, nil); err != nil {
			return
		}
		m := ms[0]
		m.Buf = bytes.Clone(m.Buf[:m.N])
		s.mu.Lock()
		s.got = append(s.got, m)
		s.mu.Unlock()
	}
}

// send sends datagrams to an address.
func (s *sender) send(to string, payloads ...[]byte) {
	s.t.Helper()
	for _, p := range payloads {
		m := udp.Message{Buf: p, N: len(p), Peer: netip.MustParseAddrPort(to)}
		if _, err := s.conn.Write([]udp.Message{m}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// replies are those since the last time, once nothing is under way any more.
func (s *sender) replies() []udp.Message {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// one is the only reply, decoded.
func (s *sender) one() (udp.Message, stamp.ReflectorPacket) {
	s.t.Helper()
	got := s.replies()
	if len(got) != 1 {
		s.t.Fatalf("%d replies, want 1", len(got))
	}
	return got[0], decoded(s.t, got[0].Buf)
}

func decoded(t testing.TB, b []byte) (p stamp.ReflectorPacket) {
	t.Helper()
	if err := p.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return p
}

// request is a STAMP test packet, followed by trailing octets.
func request(sequence uint32, ssid uint16, trailing ...byte) []byte {
	p := stamp.SenderPacket{
		Sequence: sequence, SSID: ssid,
		Timestamp:     stamp.NewTimestamp(time.Now().UnixNano(), stamp.NTP),
		ErrorEstimate: stamp.NewErrorEstimate(time.Millisecond, true, stamp.NTP),
	}
	b, _ := p.AppendBinary(nil) // its error is always nil
	return append(b, trailing...)
}

func count(records []events.Record, kind events.RecordKind) (n int) {
	for _, r := range records {
		if r.Kind == kind {
			n++
		}
	}
	return n
}
