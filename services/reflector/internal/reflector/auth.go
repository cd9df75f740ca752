package reflector

import (
	"net/netip"
	"sync/atomic"

	"tinytwamp/shared/stamp"
)

// authenticator tells authentic requests from others (RFC 8762 section 4.4).
// Each worker has its own.
type authenticator struct {
	// set once
	current *atomic.Pointer[stamp.Keys] // nil in it: nothing has to authenticate
	open    []netip.Prefix              // who may do without

	// owned by the worker
	keys *stamp.Keys // that macs is of
	macs *stamp.MACs
}

// check gives the MAC that the reply to a packet is to have, and whether its
// base packet is authentic; or it says why there is none. From who may do
// without, what does not verify is a packet of unauthenticated mode. It may
// still have an HMAC TLV, for which the MAC is (RFC 8972 section 4.8).
func (a *authenticator) check(pkt []byte, peer netip.Addr) (mac *stamp.MAC, authentic bool, why reason) {
	keys := a.current.Load()
	if keys == nil {
		return nil, false, answered
	}
	if keys != a.keys { // at the start and after a reload: this allocates
		a.keys, a.macs = keys, keys.MACs()
	}
	why = unauthenticated
	var req stamp.SenderPacket
	if req.UnmarshalAuthenticated(pkt) == nil {
		mac = a.macs.Lookup(req.SSID, peer)
		switch {
		case mac == nil:
			why = noKey
		case mac.Verify(pkt):
			return mac, true, answered
		default:
			why = hmacFailed
		}
	}
	if within(a.open, peer) {
		return a.macs.Lookup(identity(pkt, false), peer), false, answered
	}
	return nil, false, why
}

// SetKeys changes the keys of a reflector that has some already. It may run.
func (r *Reflector) SetKeys(keys stamp.Keys) { r.keys.Store(&keys) }
