package reflector

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// policy decides who is answered.
type policy struct {
	allow     []netip.Prefix            // empty: all
	sessions  map[uint16][]netip.Prefix // the only sessions (RFC 8972 section 3): their sources by SSID; nil: any
	symmetric []netip.Prefix            // who may send from a reflector's own port
	ports     []uint16                  // our own listening ports
	strict    bool

	hideLocation bool   // from Location TLVs
	denied       uint64 // DSCPs that no sender may ask for, bit by bit
}

// guard says whether a packet may be answered, and whether as an authentic one.
// A token is not taken yet: what is forged, or no request at all, must cost its
// alleged source nothing.
func (w *worker) guard(m *udp.Message, out *reply) (why reason) {
	pkt := m.Buf[:m.N]
	if len(w.policy.allow) > 0 && !within(w.policy.allow, m.Peer.Addr()) {
		return notAllowed
	}
	if out.mac, out.authenticated, why = w.auth.check(pkt, m.Peer.Addr()); why != answered {
		return why
	}
	switch {
	case w.policy.sessions != nil && !within(w.policy.sessions[identity(pkt, out.authenticated)], m.Peer.Addr()):
		return notProvisioned
	case isReply(pkt, out.authenticated) || !out.authenticated && w.policy.symmetricPort(m.Peer):
		return loop
	}
	return answered
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// symmetricPort says whether a sender has the port of a reflector, and may not:
// a forged request from one reflector's port to another would go back and forth
// for ever.
func (p *policy) symmetricPort(peer netip.AddrPort) bool {
	return (peer.Port() == stamp.Port || slices.Contains(p.ports, peer.Port())) && !within(p.symmetric, peer.Addr())
}

// promptly is more than any reflector takes to answer.
const promptly = time.Second

// isReply says whether a packet is itself a Session-Reflector's: two reflectors
// on ports that neither knows would answer each other's replies for ever. Where
// a reply has its Receive Timestamp and the zeros behind the sender's fields
// (RFC 8762 section 4.3.1), a STAMP sender's packet has zeros (section 4.2.1),
// and TWAMP Light's padding does not happen to hold an instant near that of its
// sending. T3 may be before T2: some take them from two clocks. In authenticated
// mode it is the same, but for the places (sections 4.2.2 and 4.3.2).
func isReply(pkt []byte, authenticated bool) bool {
	var p stamp.ReflectorPacket
	if authenticated {
		_ = p.UnmarshalAuthenticated(pkt) // too short: no Receive Timestamp
	} else {
		if len(pkt) >= 24 && binary.BigEndian.Uint64(pkt[16:]) == 0 {
			return false // as nearly all are: spare them the rest
		}
		if p.UnmarshalBinary(pkt) != nil || len(pkt) >= 40 && (pkt[38] != 0 || pkt[39] != 0) {
			return false
		}
	}
	t2, ok2 := p.ReceiveTimestamp.UnixNano(p.ErrorEstimate.Format())
	t3, ok3 := p.Timestamp.UnixNano(p.ErrorEstimate.Format())
	return ok2 && ok3 && max(t3-t2, t2-t3) < int64(promptly)
}

// Provisioned is a session, or several, that a reflector is to answer.
type Provisioned struct {
	SSID uint16       // Session-Sender identifier; 0: senders that have none
	From netip.Prefix // their addresses; zero: any
}

// UnmarshalText reads SSID or SSID@PREFIX.
func (p *Provisioned) UnmarshalText(text []byte) error {
	ssid, from, named := strings.Cut(string(text), "@")
	digits, base := ssid, 10
	if hex, ok := strings.CutPrefix(ssid, "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 16)
	if err != nil {
		return errProvisioned
	}
	*p = Provisioned{SSID: uint16(n)}
	if !named {
		return nil
	}
	if p.From, err = netip.ParsePrefix(from); err != nil {
		return errProvisioned
	}
	return nil
}

var errProvisioned = errors.New("must be SSIDs (0 to 65535, or hexadecimal with 0x), each with or without the senders' prefix, for instance 4660 or 0x1234@192.0.2.0/24")

// bySSID sorts provisioned sessions for [policy]; none: nil.
func bySSID(sessions []Provisioned) map[uint16][]netip.Prefix {
	if len(sessions) == 0 {
		return nil
	}
	m := make(map[uint16][]netip.Prefix)
	for _, s := range sessions {
		if s.From.IsValid() {
			m[s.SSID] = append(m[s.SSID], s.From)
			continue
		}
		m[s.SSID] = append(m[s.SSID], netip.PrefixFrom(netip.IPv6Unspecified(), 0), netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	}
	return m
}
