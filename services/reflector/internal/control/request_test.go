package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

// What a request leaves open are the ends of the control connection (RFC 5357
// section 3.5), and the rest reaches the reflector as it was asked for.
func TestTerms(t *testing.T) {
	client6, elsewhere := netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddr("198.51.100.7")
	for _, tt := range []struct {
		name   string
		mode   twamp.Mode
		from   netip.AddrPort
		change func(*twamp.RequestSession)
		want   Terms
	}{
		{"zero addresses", twamp.Unauthenticated, clientAddr, nil, Terms{}},
		{"IPv6", twamp.Unauthenticated, client6, func(r *twamp.RequestSession) { r.IPVersion = 6 }, Terms{
			Sender: netip.MustParseAddrPort("[2001:db8::1]:40001"), Receiver: netip.MustParseAddrPort("[2001:db8::2]:40002"),
		}},
		{"own addresses", twamp.Mixed, clientAddr, func(r *twamp.RequestSession) {
			r.Sender, r.Receiver = clientAddr.Addr(), serverAddr.Addr()
		}, Terms{}},
		{"behind NAT", twamp.Unauthenticated, clientAddr, func(r *twamp.RequestSession) { r.Receiver = elsewhere }, Terms{}},
		{"another address", twamp.Unauthenticated, clientAddr, func(r *twamp.RequestSession) { r.Receiver = netip.MustParseAddr("192.0.2.3") }, Terms{
			Receiver: netip.MustParseAddrPort("192.0.2.3:40002"),
		}},
		{"third party with the keys", twamp.Authenticated, clientAddr, func(r *twamp.RequestSession) { r.Sender = netip.MustParseAddr("192.0.2.77") }, Terms{
			Sender: netip.MustParseAddrPort("192.0.2.77:40001"),
		}},
		{"the rest", twamp.Encrypted, clientAddr, func(r *twamp.RequestSession) {
			r.Padding, r.TypeP, r.Timeout, r.ReceiverPort = 1400, twamp.NewTypeP(46), 10*time.Minute, 0
		}, Terms{Padding: 1400, DSCP: 46, Timeout: 10 * time.Minute, Receiver: netip.AddrPortFrom(serverAddr.Addr(), 0)}},
		{"longest", twamp.Unauthenticated, clientAddr, func(r *twamp.RequestSession) { r.Padding = 65507 - 14 }, Terms{Padding: 65493}},
		{"longest IPv6", twamp.Encrypted, client6, func(r *twamp.RequestSession) { r.IPVersion, r.Padding = 6, 65527-48 }, Terms{
			Sender: netip.MustParseAddrPort("[2001:db8::1]:40001"), Receiver: netip.MustParseAddrPort("[2001:db8::2]:40002"), Padding: 65479,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, func(cfg *Config) { cfg.Advertise = []netip.Addr{elsewhere} })
				r := wanted()
				if tt.change != nil {
					tt.change(&r)
				}
				c := g.clientFrom(tt.from, tt.mode)
				a := c.request(r)
				if a.Accept != twamp.OK {
					t.Fatalf("the answer is %+v: %q", a, g.told(events.SessionRefused))
				}
				got, want := g.reflector.all()[0].terms, tt.want
				want.Mode, want.SID = tt.mode, a.SID
				if !want.Sender.IsValid() {
					want.Sender = netip.AddrPortFrom(clientAddr.Addr(), 40001)
				}
				if !want.Receiver.IsValid() {
					want.Receiver = netip.AddrPortFrom(serverAddr.Addr(), 40002)
				}
				if want.Timeout == 0 {
					want.Timeout = 2 * time.Second
				}
				if tt.mode.ProtectsControl() {
					if want.KeyID = "joe"; got.Keys == nil || *got.Keys != *c.keys {
						t.Error("the session has other keys than the connection")
					}
				}
				if got.Keys = nil; got != want {
					t.Errorf("the terms are %+v, want %+v", got, want)
				}
				if a.SID == (twamp.SID{}) || a.Port != want.Receiver.Port() {
					t.Errorf("the answer is %+v", a)
				}
			})
		})
	}
}

// Each request that cannot be granted is refused with the RFC's number and no
// port, and the connection goes on (RFC 4656 section 3.5).
func TestRefusedRequests(t *testing.T) {
	both := twamp.ReflectOctets | twamp.SymmetricalSize
	for _, tt := range []struct {
		name   string
		mode   twamp.Mode
		change func(*twamp.RequestSession)
		want   reason
	}{
		{"Conf-Sender", 1, func(r *twamp.RequestSession) { r.ConfSender = 1 }, badFormat},
		{"Conf-Receiver", 1, func(r *twamp.RequestSession) { r.ConfReceiver = 255 }, badFormat},
		{"slots", 1, func(r *twamp.RequestSession) { r.Slots = 1 }, badFormat},
		{"packets", 1, func(r *twamp.RequestSession) { r.Packets = 1 }, badFormat},
		{"IPVN 0", 1, func(r *twamp.RequestSession) { r.IPVersion = 0 }, badFormat},
		{"IPVN 5", 1, func(r *twamp.RequestSession) { r.IPVersion = 5 }, badFormat},
		{"IPVN of another family", 1, func(r *twamp.RequestSession) { r.IPVersion = 6 }, badSender},
		{"sender port 0", 1, func(r *twamp.RequestSession) { r.SenderPort = 0 }, badSender},
		{"third party, open", 1, func(r *twamp.RequestSession) { r.Sender = netip.MustParseAddr("192.0.2.77") }, badSender},
		{"third party, mixed", 8, func(r *twamp.RequestSession) { r.Sender = netip.MustParseAddr("192.0.2.77") }, badSender},
		{"third party that is not allowed", 4, func(r *twamp.RequestSession) { r.Sender = netip.MustParseAddr("198.51.100.7") }, badSender},
		{"multicast sender", 4, func(r *twamp.RequestSession) { r.Sender = netip.MustParseAddr("224.0.0.1") }, badSender},
		{"broadcast sender", 4, func(r *twamp.RequestSession) { r.Sender = netip.MustParseAddr("255.255.255.255") }, badSender},
		{"mapped sender", 4, func(r *twamp.RequestSession) { r.IPVersion, r.Sender = 6, netip.MustParseAddr("::ffff:192.0.2.1") }, badSender},
		{"receiver of another family", 4, func(r *twamp.RequestSession) { r.IPVersion, r.Sender = 6, netip.MustParseAddr("2001:db8::1") }, badReceiver},
		{"multicast receiver", 1, func(r *twamp.RequestSession) { r.Receiver = netip.MustParseAddr("224.0.0.1") }, badReceiver},
		{"padding", 1, func(r *twamp.RequestSession) { r.Padding = 65507 - 14 + 1 }, badPadding},
		{"padding of 4 GiB", 4, func(r *twamp.RequestSession) { r.Padding = 1<<32 - 1 }, badPadding},
		{"padding, symmetrical", 1 | twamp.SymmetricalSize, func(r *twamp.RequestSession) { r.Padding = 65507 - 41 + 1 }, badPadding},
		{"timeout", 1, func(r *twamp.RequestSession) { r.Timeout = 10*time.Minute + time.Nanosecond }, badTimeout},
		{"start time", 1, func(r *twamp.RequestSession) { r.StartTime = ntp(time.Now().Add(24*time.Hour + time.Second)) }, badStartTime},
		{"PHB ID", 1, func(r *twamp.RequestSession) { r.TypeP = 1 << 30 }, badTypeP},
		{"Type-P of no meaning", 1, func(r *twamp.RequestSession) { r.TypeP = 3 << 30 }, badTypeP},
		{"all padding to be reflected", 1 | both, func(r *twamp.RequestSession) { r.Padding, r.PaddingToReflect = 10, 10 }, badReflection},
		{"room for 26", 1 | twamp.ReflectOctets, func(r *twamp.RequestSession) { r.Padding, r.PaddingToReflect = 10+26, 10 }, badReflection},
		{"room for 63", 4 | twamp.ReflectOctets, func(r *twamp.RequestSession) { r.Padding, r.PaddingToReflect = 10+63, 10 }, badReflection},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, func(cfg *Config) {
					cfg.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
				})
				c := g.client(tt.mode)
				r := wanted()
				tt.change(&r)
				if got := c.request(r); got != (twamp.AcceptSession{Accept: twamp.NotSupported}) {
					t.Errorf("the answer is %+v", got)
				}
				if told := g.told(events.SessionRefused); len(told) != 1 || told[0] != tt.want.String() || g.counters.by[tt.want].Load() != 1 {
					t.Errorf("the reasons are %q, want %v", told, tt.want)
				}
				r = wanted()
				r.Padding = 100
				c.opened(r)
			})
		})
	}
}

// Octets to reflect come back in the answer, and none of the server's (RFC 6038
// section 4.3); the least padding is that which leaves room for those of each
// packet.
func TestOctetsToReflect(t *testing.T) {
	for mode, padding := range map[twamp.Mode]uint32{
		twamp.Unauthenticated: 10 + 27, twamp.Mixed: 10 + 27, twamp.Authenticated: 10 + 64, twamp.Encrypted: 10 + 64,
		twamp.Unauthenticated | twamp.SymmetricalSize: 11, twamp.Encrypted | twamp.SymmetricalSize: 11,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := wanted()
			r.Padding, r.PaddingToReflect, r.OctetsToReflect = padding, 10, 0xabcd
			g := newRig(t, nil)
			if a := g.client(mode | twamp.ReflectOctets).request(r); a.Accept != twamp.OK || a.ReflectedOctets != 0xabcd || a.ServerOctets != 0 {
				t.Errorf("%v: the answer is %+v", mode, a)
			}
			r.PaddingToReflect = 1000 // where the mode was not chosen the fields mean nothing
			if a := g.client(mode).request(r); a.Accept != twamp.OK || a.ReflectedOctets != 0 {
				t.Errorf("%v: without the extension the answer is %+v", mode, a)
			}
		})
	}
}

// A Start Time is handed on; one that is past has passed.
func TestStartTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		c := g.client(twamp.Unauthenticated)
		for _, ahead := range []time.Duration{-1000 * time.Hour, time.Minute, 24 * time.Hour} {
			r := wanted()
			at := time.Now().Add(ahead)
			r.StartTime = ntp(at)
			s := c.opened(r)
			c.begin()
			if off := s.notBefore.Sub(at); off > time.Nanosecond || off < -time.Nanosecond {
				t.Errorf("a session of %v starts %v off", ahead, off)
			}
			c.stopAll(1)
		}
	})
}

// What the reflector cannot do is answered as what it is.
func TestReflectorRefuses(t *testing.T) {
	for err, want := range map[error]struct {
		why    reason
		accept twamp.Accept
	}{
		ErrAddress: {badReceiver, twamp.NotSupported}, ErrLoop: {badSender, twamp.NotSupported},
		ErrNoPort: {noPort, twamp.TemporarilyExhausted}, ErrEnding: {stopping, twamp.TemporarilyExhausted},
		errors.New("no memory"): {failed, twamp.InternalError},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, nil)
			c := g.client(twamp.Encrypted)
			g.reflector.refuse = fmt.Errorf("reflector: %w", err)
			if a := c.request(wanted()); a != (twamp.AcceptSession{Accept: want.accept}) || g.counters.by[want.why].Load() != 1 {
				t.Errorf("%v: the answer is %+v", err, a)
			}
			if n := g.sessions.len() + g.ofKey.len(); n != 0 {
				t.Errorf("%d places are taken", n)
			}
			if unknown := want.accept == twamp.InternalError; strings.Contains(g.log.String(), "no memory") != unknown {
				t.Errorf("the log is %q", &g.log)
			}
		})
	}
}
