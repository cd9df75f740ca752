package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp"
)

// resolver is a name server of a test.
type resolver struct {
	mu       sync.Mutex
	hosts    map[string][]netip.Addr
	fault    error
	takes    time.Duration
	asked    int
	atOnce   int // look-ups under way
	mostOnce int
}

func (r *resolver) set(host string, addresses ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts == nil {
		r.hosts = make(map[string][]netip.Addr)
	}
	r.hosts[host] = nil
	for _, a := range addresses {
		r.hosts[host] = append(r.hosts[host], netip.MustParseAddr(a))
	}
}

func (r *resolver) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = err
}

func (r *resolver) lookUp(ctx context.Context, network, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	r.asked++
	r.atOnce++
	r.mostOnce = max(r.mostOnce, r.atOnce)
	takes := r.takes
	r.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.atOnce--
	if r.fault != nil {
		return nil, r.fault
	}
	found, ok := r.hosts[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return slices.Clone(found), nil
}

// tested are the addresses that are tested between two instants.
func (f *fleet) tested(from, to time.Time) string {
	seen := make(map[string]bool)
	for _, e := range f.reports {
		if e.Sent > 0 && e.Report.Start.Before(to) && e.Report.End.After(from) {
			seen[e.Target.Name+" "+e.Target.Address.Addr().String()] = true
		}
	}
	var all []string
	for a := range seen {
		all = append(all, a)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// The addresses of a name come and go, without disturbing the others; and stay
// while the name server is of no use.
func TestAddressesOfANameComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var dns resolver
		f := newFleet(t, b)
		b.test.Timeout, b.test.SSID = 500*ms, 0
		b.cfg.Resolve = dns.lookUp
		b.cfg.Targets = []Target{f.target("n", "n.example")}
		dns.set("n.example", "2001:db8::1", "2001:db8::2", "2001:db8::1") // one twice
		stop := f.begin()
		start := time.Now()
		at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
		until := func(s int) { time.Sleep(time.Until(at(s)) - 100*ms) }

		until(30)
		dns.set("n.example", "2001:db8::3", "2001:db8::1")
		until(60)
		dns.fail(errors.New("timed out"))
		until(120)
		dns.fail(nil)
		dns.set("n.example") // no address at all
		until(150)
		dns.set("n.example", "2001:db8::1")
		until(180)
		stop()

		for _, c := range []struct {
			from, to int
			want     string
		}{
			{0, 29, "n 2001:db8::1, n 2001:db8::2"},
			{31, 149, "n 2001:db8::1, n 2001:db8::3"},
			{152, 179, "n 2001:db8::1"},
		} {
			if got := f.tested(at(c.from), at(c.to)); got != c.want {
				t.Errorf("from %d s to %d s: %s, want %s", c.from, c.to, got, c.want)
			}
		}
		for i, r := range b.reflector.reflected {
			if r.sender != uint32(i) {
				t.Fatalf("packet %d of the address that stays has number %d", i, r.sender)
			}
		}
		log := f.log.String()
		if strings.Count(log, "its last known addresses are tested on") != 1 || strings.Count(log, "name is resolved again") != 1 {
			t.Errorf("the log does not say it once:\n%s", log)
		}
		if f.ended["n 2001:db8::2"][0] != whyAddress || f.ended["n 2001:db8::3"][0] != whyAddress {
			t.Errorf("ended %v", f.ended)
		}
		if dns.asked != 6 {
			t.Errorf("%d look-ups", dns.asked)
		}
	})
}

// A name that is not known at first is tested once it is; others do not wait
// for it.
func TestNameThatComesLater(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var dns resolver
		f := newFleet(t, b)
		dns.takes = 5 * time.Second
		b.cfg.Resolve = dns.lookUp
		b.cfg.Targets = []Target{f.target("n", "n.example"), f.target("a", reflectorAddr.Addr().String())}
		stop := f.begin()
		start := time.Now()
		time.Sleep(10 * time.Second)
		dns.set("n.example", "2001:db8::2")
		time.Sleep(40 * time.Second)
		stop()
		if first := b.reflector.reflected[0].at; first.Sub(start) > time.Second {
			t.Error("the other target waited")
		}
		if all := f.of("n"); len(all) == 0 || all[0].Sent == 0 {
			t.Error("the name is not tested")
		}
		if !strings.Contains(f.log.String(), "n.example is not a known host name") {
			t.Errorf("log %s", f.log)
		}
	})
}

// With an own address only those of its family are tested, also after a reload:
// that a name has others is not the user's mistake.
func TestSourceAndNameOfBothFamilies(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var dns resolver
		f := newFleet(t, b)
		b.test.SSID, b.test.Timeout = 0, 100*ms
		b.test.Source = Source{netip.AddrPortFrom(proberAddr, 0)}
		b.cfg.Resolve = dns.lookUp
		dns.set("n.example", "192.0.2.1", "2001:db8::1")
		b.cfg.Targets = []Target{f.target("a", "n.example")}
		stop := f.begin()
		time.Sleep(time.Second)
		f.prober.Reload([]Target{b.cfg.Targets[0], f.target("b", "n.example")})
		time.Sleep(2 * time.Second)
		now := time.Now()
		stop()
		if got := f.tested(now.Add(-time.Second), now); got != "a 2001:db8::1, b 2001:db8::1" {
			t.Errorf("tested: %s", got)
		}
		if log := f.log.String(); strings.Contains(log, "level=ERROR") {
			t.Errorf("log %s", log)
		}
	})
}

// A reload ends its wait for names also where they are so many, and their server
// so slow, that the first answers are old when the last come.
func TestManySlowNamesAtReload(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var dns resolver
		f := newFleet(t, b)
		b.test.SSID = 0
		b.cfg.ResolveInterval = time.Second
		b.cfg.Resolve = dns.lookUp
		dns.takes = 2 * time.Second
		b.cfg.Targets = []Target{f.target("a", reflectorAddr.Addr().String())}
		stop := f.begin()
		list := slices.Clone(b.cfg.Targets)
		for i := range lookupsAtOnce + 4 {
			list = append(list, f.target(fmt.Sprint("t", i), fmt.Sprintf("n%d.example", i)))
			dns.set(fmt.Sprintf("n%d.example", i), "2001:db8::1")
		}
		f.prober.Reload(list)
		time.Sleep(10 * time.Second)
		stop()
		if n := f.prober.counters.reloaded.Load(); n != 1 || b.outcome.Sessions != len(list) {
			t.Errorf("%d reloads, %d sessions", n, b.outcome.Sessions)
		}
	})
}

func TestFamilies(t *testing.T) {
	for family, want := range map[Family]string{AnyFamily: "n 192.0.2.1, n 2001:db8::2", IPv4: "n 192.0.2.1", IPv6: "n 2001:db8::2"} {
		bubble(t, func(t *testing.T, b *bench) {
			var dns resolver
			f := newFleet(t, b)
			b.cfg.Continuous = false
			b.test.Family, b.test.Timeout, b.test.Count = family, 100*ms, 1
			b.cfg.Resolve = dns.lookUp
			b.cfg.Targets = []Target{f.target("n", "n.example")}
			dns.set("n.example", "192.0.2.1", "2001:db8::2")
			stop := f.begin()
			<-f.done
			stop()
			if got := f.tested(time.Time{}, time.Now().Add(time.Hour)); got != want {
				t.Errorf("%v: tested %s, want %s", family, got, want)
			}
		})
	}
}

// Many names are looked up some at a time, in each round and at the start.
func TestLookUpsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var dns resolver
		f := newFleet(t, b)
		dns.takes = 100 * ms
		b.test.Interval, b.test.SSID = time.Second, 0
		b.cfg.Resolve, b.cfg.Targets = dns.lookUp, nil
		const hosts = 200
		for i := range hosts {
			host := fmt.Sprintf("h%d.example", i)
			b.cfg.Targets = append(b.cfg.Targets, f.target(host, host))
			dns.set(host, fmt.Sprintf("2001:db8::1:%x", i))
		}
		stop := f.begin()
		time.Sleep(75 * time.Second)
		stop()
		if dns.mostOnce != lookupsAtOnce || dns.asked != 3*hosts {
			t.Errorf("%d look-ups, %d at once", dns.asked, dns.mostOnce)
		}
		if f.outcome.Sessions != hosts {
			t.Errorf("%d sessions", f.outcome.Sessions)
		}
	})
}

// A reload waits for the names that are new in it, and is then done at once.
func TestReloadLooksUpFirst(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var dns resolver
		f := newFleet(t, b)
		b.test.SSID = 0
		dns.takes = 3 * time.Second
		dns.set("n.example", "2001:db8::2")
		b.cfg.Resolve = dns.lookUp
		b.cfg.Targets = []Target{f.target("old", reflectorAddr.Addr().String())}
		stop := f.begin()
		time.Sleep(time.Second)
		f.prober.Reload([]Target{f.target("new", "n.example"), f.target("lost", "no.example")})
		known := time.Now().Add(dns.takes)
		time.Sleep(12 * time.Second)
		stop()
		if f.when["old 2001:db8::1"].Before(known) {
			t.Error("the old target ended before the new one could begin")
		}
		if !slices.Equal(f.ended["old 2001:db8::1"], []string{whyRemoved}) || len(f.of("new")) == 0 {
			t.Errorf("ended %v, %d reports of the new target", f.ended, len(f.of("new")))
		}
	})
}

// nameServer answers for names of a test on a loopback address.
type nameServer struct {
	resolver
	conn *net.UDPConn
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{conn: c}
	served := make(chan struct{})
	go func() {
		defer close(served)
		b := make([]byte, 1500)
		for {
			size, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if answer, err := n.answer(b[:size]); err == nil {
				_, _ = c.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-served
	})
	return n
}

// answer is the reply to a query for an address: of type A, or none.
func (n *nameServer) answer(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil, errors.New("not a query")
	}
	q := m.Questions[0]
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionAvailable: true}
	m.Additionals = nil
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	found, ok := n.hosts[strings.TrimSuffix(q.Name.String(), ".")]
	switch {
	case n.fault != nil:
		m.RCode = dnsmessage.RCodeServerFailure
	case !ok:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		for _, a := range found {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: a.As4()},
			})
		}
	}
	return m.Pack()
}

// lookUp asks the server in the way of the Go resolver.
func (n *nameServer) lookUp(ctx context.Context, network, host string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
	return r.LookupNetIP(ctx, network, host+".")
}

// Three names whose addresses a real name server changes, tested on real
// sockets: followed.
func TestNamesOfARealServer(t *testing.T) {
	t.Parallel()
	server := newNameServer(t)
	happened := make(chan string, 1000)
	say := func(format string, args ...any) {
		select {
		case happened <- fmt.Sprintf(format, args...):
		default:
		}
	}
	var reflectors []*udp.Conn
	port := uint16(0)
	for i := 1; i <= 4; i++ { // 127.0.0.1 to 4, on the same port
		c, err := udp.Listen(udp.Config{Local: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(i)}), port)})
		if err != nil {
			t.Skip("NOT RUN: this system has one loopback address only: ", err)
		}
		port = c.LocalAddr().Port()
		reflectors = append(reflectors, c)
	}
	for _, c := range reflectors {
		done := make(chan struct{})
		go func() {
			defer close(done)
			ms := []udp.Message{{Buf: make([]byte, 2048)}}
			for {
				if n, _, err := c.Read(ms, nil); err != nil {
					return
				} else if n == 1 {
					replyTo(ms[0].Buf, ms[0].Buf)
					_, _ = c.Write(ms)
				}
			}
		}()
		t.Cleanup(func() { c.Close(); <-done })
	}
	test := Test{Count: 1, Interval: 20 * ms, Timeout: 200 * ms, Padding: PadZero, Family: IPv4}
	cfg := Config{
		Name: "test", Continuous: true, ReportInterval: 300 * ms, ResolveInterval: 200 * ms, Resolve: server.lookUp, Listen: Listen,
		Begun: func(*events.RTT) {},
		Report: func(e *events.RTT, ended string) {
			if e.Received > 0 {
				say("%s answers from %v", e.Target.Name, e.Target.Address.Addr())
			}
			if ended != "" {
				say("%s ended at %v: %s", e.Target.Name, e.Target.Address.Addr(), ended)
			}
		},
		Log: slog.New(slog.DiscardHandler),
	}
	for _, n := range []string{"a", "b", "c"} {
		cfg.Targets = append(cfg.Targets, Target{Name: n, Host: n + ".example", Port: port, Test: test})
	}
	server.set("a.example", "127.0.0.1")
	server.set("b.example", "127.0.0.2", "127.0.0.3")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := New(cfg).Run(ctx)
		ended <- err
	}()
	expect := func(want ...string) {
		t.Helper()
		timeout := time.After(20 * time.Second)
		for len(want) > 0 {
			select {
			case got := <-happened:
				want = slices.DeleteFunc(want, func(w string) bool { return w == got })
			case <-timeout:
				t.Fatalf("waited in vain for %q", want)
			}
		}
	}
	expect("a answers from 127.0.0.1", "b answers from 127.0.0.2", "b answers from 127.0.0.3")
	server.set("a.example", "127.0.0.4")
	server.set("b.example", "127.0.0.3")
	server.set("c.example", "127.0.0.2")
	expect("a ended at 127.0.0.1: "+whyAddress, "a answers from 127.0.0.4", "b ended at 127.0.0.2: "+whyAddress, "c answers from 127.0.0.2")
	server.fail(errors.New("broken"))
	expect("a answers from 127.0.0.4", "b answers from 127.0.0.3", "c answers from 127.0.0.2")
	server.fail(nil)
	server.set("b.example", "127.0.0.1")
	expect("b answers from 127.0.0.1")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
