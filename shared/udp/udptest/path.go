package udptest

import (
	"net/netip"
	"slices"
	"time"
)

// Packet is a datagram as it enters a path.
type Packet struct {
	From, To netip.AddrPort
	Payload  []byte // not to be changed or kept
	Index    int    // counts the packets from this address to that one, from 0
	TTL, TOS int
}

// Delivery is a datagram as it leaves a path.
type Delivery struct {
	Delay    time.Duration // from its sending to its arrival
	TTL, TOS int           // on arrival
}

// Path says how often, when and in what condition a packet arrives: not at all
// (nil), once, or several times. It is called with the network locked, in the
// order of sending.
type Path func(p Packet) []Delivery

// Then is the path that leads through p and then through next, which sees TTL
// and TOS as p left them.
func (p Path) Then(next Path) Path {
	return func(pkt Packet) (all []Delivery) {
		for _, first := range p(pkt) {
			pkt.TTL, pkt.TOS = first.TTL, first.TOS
			for _, d := range next(pkt) {
				d.Delay += first.Delay
				all = append(all, d)
			}
		}
		return all
	}
}

// Instant delivers every packet at once and as it is.
func Instant(p Packet) []Delivery { return []Delivery{{TTL: p.TTL, TOS: p.TOS}} }

// Delay delivers every packet after a time.
func Delay(d time.Duration) Path {
	return func(p Packet) []Delivery { return []Delivery{{Delay: d, TTL: p.TTL, TOS: p.TOS}} }
}

// Blackhole loses every packet.
func Blackhole(Packet) []Delivery { return nil }

// On leads the packets with these indexes through p, all others are instant.
func On(p Path, indexes ...int) Path {
	return func(pkt Packet) []Delivery {
		if slices.Contains(indexes, pkt.Index) {
			return p(pkt)
		}
		return Instant(pkt)
	}
}

// Every leads every n-th packet through p, beginning with the n-th (index
// n-1); all others are instant.
func Every(n int, p Path) Path {
	return func(pkt Packet) []Delivery {
		if pkt.Index%n == n-1 {
			return p(pkt)
		}
		return Instant(pkt)
	}
}

// Lose loses the packets with these indexes.
func Lose(indexes ...int) Path { return On(Blackhole, indexes...) }

// LoseEvery loses every n-th packet, beginning with the n-th.
func LoseEvery(n int) Path { return Every(n, Blackhole) }

// Duplicate delivers every packet at once, and again after a time.
func Duplicate(after time.Duration) Path {
	return func(p Packet) []Delivery { return append(Instant(p), Delay(after)(p)...) }
}

// Hops takes n from the TTL, and loses what has none left.
func Hops(n int) Path {
	return func(p Packet) []Delivery {
		if p.TTL <= n {
			return nil
		}
		return []Delivery{{TTL: p.TTL - n, TOS: p.TOS}}
	}
}

// Remark sets DSCP and ECN, DSCP<<2|ECN.
func Remark(tos int) Path {
	return func(p Packet) []Delivery { return []Delivery{{TTL: p.TTL, TOS: tos}} }
}
