package udp

import (
	"net/netip"
	"time"
)

// kernel is what only a trial shows.
type kernel struct {
	explicitIDs bool // a packet's transmit id can be given with it (SCM_TS_OPT_ID, Linux 6.13)
}

// probeTries bounds how long to wait for the kernel's first receive stamp.
const probeTries = 20

// probe sends datagrams to itself over loopback, until one comes with the
// kernel's receive time. Where loopback is not to be used, the answer is that
// the kernel can nothing special, and the wait is short.
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
		if c.sock.SetReadDeadline(time.Now().Add(time.Second/50)) != nil {
			return k
		}
		n, e, err := c.Read(ms, evs)
		if err != nil || e == 0 || evs[0].TxID != id {
			k.explicitIDs = false
		}
		if err != nil || n > 0 && ms[0].Kernel {
			return k
		}
		time.Sleep(time.Millisecond)
	}
	return k
}
