package udp

import (
	"net/netip"
	"time"
)

// kernel is what only a trial shows.
type kernel struct {
	rx, tx      bool // stamps of arrival and of transmission come
	explicitIDs bool // a packet's transmit id can be given with it (SCM_TS_OPT_ID, Linux 6.13)
}

// These bound how long to wait for the kernel's first stamps, and for a
// datagram to come over loopback.
const (
	probeTries = 20
	probeWait  = 20 * time.Millisecond
)

// probe sends datagrams to itself over loopback, until one comes with all of
// the kernel's times: after they are switched on the first may have none.
// Where loopback is not to be used, the answer is that the kernel can nothing
// special, and the wait is short.
func probe(is4 bool) (k kernel) {
	self := netip.IPv6Loopback()
	if is4 {
		self = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	c, err := open(Config{Local: netip.AddrPortFrom(self, 0), TxTimestamps: true})
	if err != nil {
		return k
	}
	defer c.Close()
	c.ids.explicit = true
	c.ids.next = 1 << 31 // not where a kernel begins that counts by itself
	k.explicitIDs = true

	ms, evs := []Message{{Buf: make([]byte, 1)}}, make([]Event, 1)
	for range probeTries {
		ms[0].N, ms[0].Peer = 1, c.local
		if _, err := c.Write(ms); err != nil {
			if !c.ids.explicit {
				return k
			}
			k.explicitIDs, c.ids.explicit = false, false // EINVAL: an unknown control message
			continue
		}
		id := ms[0].TxID
		n, e, err := c.ReadUntil(ms, evs, time.Now().Add(probeWait))
		if e > 0 && evs[0].TxID != id {
			k.explicitIDs = false
		}
		k.tx = k.tx || e > 0
		k.rx = k.rx || n > 0 && ms[0].Kernel
		if err != nil || n+e == 0 || k.rx && k.tx {
			return k
		}
		time.Sleep(time.Millisecond)
	}
	return k
}
