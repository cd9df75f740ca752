package udp

import (
	"fmt"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// unreachable4 names the codes of ICMP type 3 (RFC 792, RFC 1122 section
// 3.2.2.1, RFC 1812 section 5.2.7.1).
var unreachable4 = [...]string{
	0:  "network unreachable",
	1:  "host unreachable",
	2:  "protocol unreachable",
	3:  "port unreachable",
	4:  "packet too big",
	5:  "source route failed",
	6:  "network unknown",
	7:  "host unknown",
	8:  "source host isolated",
	9:  "network prohibited",
	10: "host prohibited",
	11: "network unreachable for this service",
	12: "host unreachable for this service",
	13: "communication prohibited",
	14: "host precedence violation",
	15: "precedence cutoff",
}

// unreachable6 names the codes of ICMPv6 type 1 (RFC 4443 section 3.1).
var unreachable6 = [...]string{
	0: "no route",
	1: "communication prohibited",
	2: "beyond scope of source address",
	3: "address unreachable",
	4: "port unreachable",
	5: "source address policy",
	6: "route rejected",
}

// Text says in words what an error is, for instance "port unreachable".
func (e Event) Text() string {
	switch e.Kind {
	case TxStamp:
		return "transmitted"
	case LocalError:
		return "refused by this host: " + e.Errno.Error()
	}
	if e.Peer.Addr().Is4() {
		t := ipv4.ICMPType(e.Type)
		return icmpText(t, t == ipv4.ICMPTypeDestinationUnreachable, unreachable4[:], e.Code)
	}
	t := ipv6.ICMPType(e.Type)
	return icmpText(t, t == ipv6.ICMPTypeDestinationUnreachable, unreachable6[:], e.Code)
}

func icmpText(t fmt.Stringer, unreachable bool, codes []string, code uint8) string {
	if unreachable && int(code) < len(codes) {
		return codes[code]
	}
	if code == 0 {
		return t.String()
	}
	return fmt.Sprintf("%s, code %d", t, code)
}
