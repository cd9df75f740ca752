package udp

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestReceiveTimeIsTheKernels(t *testing.T) {
	eachFamily(t, func(t *testing.T, loopback netip.Addr) {
		a, b := listen(t, Config{Local: at(loopback)}), listen(t, Config{Local: at(loopback)})
		if !b.Features().RxTimestamps {
			t.Fatal("the kernel refused receive timestamps")
		}
		before := time.Now().UnixNano()
		write(t, a, message(b.LocalAddr(), "x"))
		sent := time.Now().UnixNano()
		time.Sleep(2 * time.Millisecond) // a stamp taken by the reader would be later than sent by this much
		got := readMessages(t, b, 1)[0]
		if !got.Kernel || got.Time < before || got.Time > sent+int64(time.Millisecond) {
			t.Errorf("Time %d, Kernel %t; sent between %d and %d", got.Time, got.Kernel, before, sent)
		}
	})
}

func TestWhatADatagramCarries(t *testing.T) {
	eachFamily(t, func(t *testing.T, loopback netip.Addr) {
		unspecified := netip.IPv4Unspecified()
		if loopback.Is6() {
			unspecified = netip.IPv6Unspecified()
		}
		a, one, all := listen(t, Config{Local: at(loopback)}), listen(t, Config{Local: at(loopback)}), listen(t, Config{Local: at(unspecified)})
		for i, tos := range []int{0xb8, 0x2a, 1, 255, 0, -1, 0xb8, 0} {
			b := one // knows its address, but not the interface
			if i%2 == 1 {
				b = all
			}
			m := message(netip.AddrPortFrom(loopback, b.LocalAddr().Port()), "payload")
			m.TOS = tos
			write(t, a, m)
			got := readMessages(t, b, 1)[0]
			if string(got.Buf[:got.N]) != "payload" || got.Peer != a.LocalAddr() || got.Truncated {
				t.Errorf("got %q from %v, truncated %t", got.Buf[:got.N], got.Peer, got.Truncated)
			}
			if got.TTL != 255 || got.TOS != max(tos, 0) || got.Local != loopback || (got.IfIndex == 0) != (b == one) {
				t.Errorf("TTL %d TOS %#x for %#x, Local %v, IfIndex %d", got.TTL, got.TOS, tos, got.Local, got.IfIndex)
			}
		}
	})
}

// Peers and own addresses of an IPv4 socket may be given as IPv4-mapped ones.
func TestMappedAddresses(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:127.0.0.1")
	a, b := listen(t, Config{Local: at(mapped)}), listen(t, Config{Local: at(loopback4)})
	m := message(netip.AddrPortFrom(mapped, b.LocalAddr().Port()), "x")
	m.Local = mapped
	write(t, a, m)
	if got := readMessages(t, b, 1)[0]; got.Peer != a.LocalAddr() || !got.Peer.Addr().Is4() {
		t.Errorf("from %v, want %v", got.Peer, a.LocalAddr())
	}
}

func TestReplyLeavesFromTheAddressThatWasAsked(t *testing.T) {
	asked := netip.MustParseAddr("127.0.0.2")
	server := listen(t, Config{Local: at(netip.IPv4Unspecified())})
	client := listen(t, Config{Local: at(netip.IPv4Unspecified())})
	to := netip.AddrPortFrom(asked, server.LocalAddr().Port())
	write(t, client, message(to, "request"))
	request := readMessages(t, server, 1)[0]
	if request.Local != asked {
		t.Fatalf("Local %v, want %v", request.Local, asked)
	}
	write(t, server, request) // as it is, back
	if reply := readMessages(t, client, 1)[0]; reply.Peer != to {
		t.Errorf("reply from %v, want %v", reply.Peer, to)
	}
}

func TestLinkLocal(t *testing.T) {
	ifis, _ := net.Interfaces()
	for _, ifi := range ifis {
		addrs, _ := ifi.Addrs()
		for _, a := range addrs {
			ipnet, ok := a.(*net.IPNet)
			if !ok || !ipnet.IP.IsLinkLocalUnicast() || ipnet.IP.To4() != nil {
				continue
			}
			addr := netip.AddrFrom16([16]byte(ipnet.IP.To16()))
			server := listen(t, Config{Local: at(netip.IPv6Unspecified())})
			client := listen(t, Config{Local: at(addr.WithZone(ifi.Name))})
			m := message(netip.AddrPortFrom(addr, server.LocalAddr().Port()), "request")
			m.IfIndex = ifi.Index
			write(t, client, m)
			request := readMessages(t, server, 1)[0]
			if request.Peer.Addr() != addr || request.Local != addr {
				t.Fatalf("from %v to %v, want %v both", request.Peer, request.Local, addr)
			}
			write(t, server, request)
			if reply := readMessages(t, client, 1)[0]; reply.Peer.Addr() != addr {
				t.Errorf("reply from %v, want %v", reply.Peer, addr)
			}
			return
		}
	}
	t.Skip("NOT RUN: this host has no IPv6 link-local address")
}

// More peers than a batch holds, and each gets its own.
func TestBatchOfManyPeers(t *testing.T) {
	eachFamily(t, func(t *testing.T, loopback netip.Addr) {
		const peers, each = 5, 40
		hub := listen(t, Config{Local: at(loopback)})
		var ms []Message
		var conns []*Conn
		for range peers {
			conns = append(conns, listen(t, Config{Local: at(loopback)}))
		}
		for i := range peers * each {
			ms = append(ms, message(conns[i%peers].LocalAddr(), strconv.Itoa(i)))
		}
		write(t, hub, ms...)
		for p, c := range conns {
			for i, got := range readMessages(t, c, each) {
				if want := strconv.Itoa(i*peers + p); string(got.Buf[:got.N]) != want {
					t.Fatalf("peer %d got %q, want %q", p, got.Buf[:got.N], want)
				}
			}
		}
		for _, c := range conns {
			write(t, c, message(hub.LocalAddr(), c.LocalAddr().String()))
		}
		for _, got := range readMessages(t, hub, peers) {
			if string(got.Buf[:got.N]) != got.Peer.String() {
				t.Errorf("%q came from %v", got.Buf[:got.N], got.Peer)
			}
		}
	})
}

func TestTruncation(t *testing.T) {
	a, b := listen(t, Config{Local: at(loopback4)}), listen(t, Config{Local: at(loopback4)})
	write(t, a, message(b.LocalAddr(), "123456"), message(b.LocalAddr(), "1234"), message(b.LocalAddr(), ""))
	for _, want := range []struct {
		n         int
		truncated bool
	}{{4, true}, {4, false}, {0, false}} {
		ms := []Message{{Buf: make([]byte, 4)}}
		if _, _, err := b.Read(ms, nil); err != nil {
			t.Fatal(err)
		}
		if ms[0].N != want.n || ms[0].Truncated != want.truncated {
			t.Errorf("N %d, Truncated %t; want %v", ms[0].N, ms[0].Truncated, want)
		}
	}
}

func TestDropsAreCounted(t *testing.T) {
	a, b := listen(t, Config{Local: at(loopback4)}), listen(t, Config{Local: at(loopback4), ReadBuffer: 1})
	const sent = 100
	for range sent {
		write(t, a, message(b.LocalAddr(), strings.Repeat("x", 500)))
	}
	drops := b.Drops()
	if drops == 0 || drops >= sent {
		t.Fatalf("%d dropped of %d with a tiny buffer", drops, sent)
	}
	readMessages(t, b, sent-int(drops)) // all others are there
	b.Close()
	if got := b.Drops(); got != drops {
		t.Errorf("%d drops after Close, %d before", got, drops)
	}
}

func TestCounterWraps(t *testing.T) {
	total := uint64(0)
	for _, step := range []struct {
		counter uint32
		want    uint64
	}{{5, 5}, {5, 5}, {1<<32 - 2, 1<<32 - 2}, {3, 1<<32 + 3}, {0, 1<<32 + 3}, {2, 2<<32 + 2}} {
		if total = extend(total, step.counter); total != step.want {
			t.Fatalf("counter %d: total %d, want %d", step.counter, total, step.want)
		}
	}
}

func TestReadAndWriteDoNotAllocate(t *testing.T) {
	eachFamily(t, func(t *testing.T, loopback netip.Addr) {
		cfg := Config{Local: at(loopback), TxTimestamps: true, Errors: true}
		a, b := listen(t, cfg), listen(t, cfg)
		ms, evs := make([]Message, 8), make([]Event, 8)
		for i := range ms {
			ms[i].Buf = make([]byte, 64)
		}
		allocs := testing.AllocsPerRun(200, func() {
			for i := range ms {
				ms[i].N, ms[i].Peer, ms[i].Local, ms[i].TOS = 44, b.LocalAddr(), loopback, 0xb8
			}
			if _, err := a.Write(ms); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < len(ms); {
				n, _, err := b.Read(ms[got:], evs)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
			for got := 0; got < len(ms); {
				_, e, err := a.Read(nil, evs)
				if err != nil {
					t.Fatal(err)
				}
				got += e
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations for a batch of %d there", allocs, len(ms))
		}
	})
}
