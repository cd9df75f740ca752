package udp

import (
	"net/netip"
	"syscall"
	"testing"
)

func TestPortUnreachableIsAnEvent(t *testing.T) {
	eachFamily(t, func(t *testing.T, loopback netip.Addr) {
		a := listen(t, Config{Local: at(loopback), Errors: true, TxTimestamps: true})
		b := listen(t, Config{Local: at(loopback)})
		nobody := closedPort(t, loopback)
		const payload = "the first octets are quoted, and no more"
		ms := []Message{message(nobody, payload)}
		write(t, a, ms...)
		// The error that it left on the socket is not the next datagram's.
		write(t, a, message(b.LocalAddr(), "still works"))
		readMessages(t, b, 1)

		wantStamps := 2
		if !a.ids.explicit {
			wantStamps = 1 // the second send failed once, so its stamp is not sure to be its own
		}
		var icmp, stamps []Event
		for _, e := range readEvents(t, a, 1+wantStamps) {
			switch e.Kind {
			case ICMPError:
				icmp = append(icmp, e)
			case TxStamp:
				stamps = append(stamps, e)
			}
		}
		if len(icmp) != 1 || len(stamps) != wantStamps {
			t.Fatalf("ICMP %v, stamps %v", icmp, stamps)
		}
		e := icmp[0]
		if e.Peer != nobody || e.From != loopback || e.Errno != syscall.ECONNREFUSED || e.Text() != "port unreachable" || e.Time == 0 {
			t.Errorf("%+v: %s", e, e.Text())
		}
		if q := string(e.Quoted[:e.QuotedLen]); q != payload[:QuoteSize] {
			t.Errorf("quotes %q", q)
		}
	})
}

// A pending error neither ends a Read that waits nor hides a datagram.
func TestReadSwallowsPendingErrors(t *testing.T) {
	a := listen(t, Config{Local: at(loopback4), Errors: true})
	b := listen(t, Config{Local: at(loopback4)})
	nobody := closedPort(t, loopback4)
	for range 20 {
		write(t, b, message(a.LocalAddr(), "x"))
		write(t, a, message(nobody, "x"))
		if n := len(readMessages(t, a, 1)); n != 1 {
			t.Fatalf("%d datagrams", n)
		}
	}
}

func TestOversizedDatagramIsALocalError(t *testing.T) {
	eachFamily(t, func(t *testing.T, loopback netip.Addr) {
		a := listen(t, Config{Local: at(loopback), Errors: true})
		ms := badMessages(loopback, a.LocalAddr())[1:2]
		if n, err := a.Write(ms); n != 0 || err != syscall.EMSGSIZE {
			t.Fatalf("Write: %d, %v; want EMSGSIZE", n, err)
		}
		evs := make([]Event, 10)
		_, count, err := a.Read(nil, evs)
		if err != nil || count != 1 {
			t.Fatalf("%d events, want 1: %v", count, err)
		}
		e := evs[0]
		if e.Kind != LocalError || e.Peer.Addr() != loopback || e.Errno != syscall.EMSGSIZE || e.MTU == 0 || e.From.IsValid() {
			t.Errorf("%+v", e)
		}
	})
}
