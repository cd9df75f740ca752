package reflector

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

// agreed are the terms of a captured control connection.
func agreed(c *twamptest.Capture, mode twamp.Mode) control.Terms {
	tm := terms()
	tm.Mode, tm.Keys, tm.SID = mode, c.Keys, c.Accept.SID
	tm.Padding = len(c.Tests[0]) - mode.SenderBase()
	return tm
}

// The test packets of captured clients are answered, by the keys and the SID of
// the capture.
func TestCapturedRequests(t *testing.T) {
	for _, tt := range twamptest.Captures {
		name, mode, c := tt.File, tt.Mode, twamptest.Read(t, tt.File)
		requests := [][]byte{c.Tests[0], c.Tests[2]}
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, server, nil).start()
			tm := agreed(&c, mode)
			from, s := g.sender(client), g.open(tm)
			s.Start(time.Time{})
			from.send(netip.AddrPortFrom(tm.Receiver.Addr(), s.Port()).String(), requests...)
			got := from.replies()
			if len(got) != len(requests) {
				t.Fatalf("%s: %d replies, drops %v", name, len(got), g.drops())
			}
			for i, m := range got {
				var req stamp.SenderPacket
				var p stamp.ReflectorPacket
				request, pad := bytes.Clone(requests[i]), mode.ReflectorBase()
				if mode.ProtectsTest() {
					cipher := twamp.NewTestCipher(mode, tm.Keys, tm.SID)
					if !cipher.OpenSender(request) || !cipher.OpenReflector(m.Buf) {
						t.Fatalf("%s: packet %d does not verify", name, i)
					}
					_, _ = twamp.UnmarshalSender(request, &req), p.UnmarshalAuthenticated(m.Buf)
				} else {
					_, _ = req.UnmarshalBinary(request), p.UnmarshalBinary(m.Buf)
				}
				if p.Sequence != uint32(i) || p.SenderSequence != req.Sequence || p.SenderTimestamp != req.Timestamp || p.SenderErrorEstimate != req.ErrorEstimate {
					t.Errorf("%s: %+v is answered by %+v", name, req, p)
				}
				if len(m.Buf) != max(len(request), pad) || !bytes.Equal(m.Buf[pad:], request[mode.SenderBase():][:len(m.Buf)-pad]) {
					t.Errorf("%s: %d octets are answered by %d, or with another padding", name, len(request), len(m.Buf))
				}
			}
		})
	}
}
