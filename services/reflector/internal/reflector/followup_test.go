package reflector

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/stamp"
)

// asking is a Follow-Up Telemetry TLV as a sender sends it.
const asking = "80070010 00000000 0000000000000000 00 000000"

func TestFollowUpOctets(t *testing.T) {
	t.Parallel()
	known := stamp.FollowUp{Sequence: 6, Timestamp: 0x2122232425262728, Mode: stamp.TimestampSWLocal}
	for name, c := range map[string]struct {
		followUp stamp.FollowUp
		request  string
		want     string
	}{
		// RFC 8972 4.7-12, 4.7-15
		"known":         {known, asking, "00070010 00000006 2122232425262728 02 000000"},
		"nothing known": {stamp.FollowUp{}, asking, "00070010 00000000 0000000000000000 00 000000"},
		// RFC 8972 4.7-5, 4.7-6, 4.7-7
		"too short":     {known, "80070004 ffffffff", "40070004 00000000"},
		"behind others": {known, "80010001aa" + asking, "00010001aa 00070010 00000006 2122232425262728 02 000000"},
		// RFC 8972 4.7-4, 4.7-17, 4.7-18
		"sender's rubbish": {known, "80070010 ffffffff ffffffffffffffff ff ffffff", "00070010 00000006 2122232425262728 02 000000"},
	} {
		got, why := reflected(octets(t, sentBase+c.request), 64, reply{clock: testClock, followUp: c.followUp})
		if want := octets(t, c.want); why != answered || !bytes.Equal(got[stamp.BaseSize:], want) {
			t.Errorf("%s: %v\n got %x\nwant %x", name, why, got[stamp.BaseSize:], want)
		}
	}
}

// Each reply tells when the one before it left, to those who ask; nobody else's
// replies are stamped.
//
// RFC 8972 4.7-12, 4.7-14
func TestFollowUpTellsOfTheReplyBefore(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*Config)
		trailing string
		format   stamp.Format
		told     bool
	}{
		"asked": {nil, asking, stamp.NTP, true},
		// RFC 8972 4.7-13
		"asked in PTP": {nil, asking, stamp.PTP, true},
		// RFC 8972 4.7-8
		"stateless": {func(cfg *Config) { cfg.Stateless = true }, asking, stamp.NTP, false},
		"not asked": {nil, "80010000", stamp.NTP, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, "[2001:db8::1]:862", c.change).start()
				s := g.sender("[2001:db8::2]:40000")
				var left time.Time // the reply before
				for seq := range uint32(4) {
					asks := request(seq, 7, octets(t, c.trailing)...)
					if c.format == stamp.PTP {
						asks[12] |= 0x40 // Z of the Error Estimate
					}
					s.send("[2001:db8::1]:862", asks)
					m, _ := s.one()
					if !c.told {
						if n := bytes.Count(m.Buf[stamp.BaseSize+stamp.TLVHeaderSize:], []byte{0}); n != m.N-stamp.BaseSize-stamp.TLVHeaderSize {
							t.Errorf("reply %d tells %x", seq, m.Buf[stamp.BaseSize:])
						}
						continue
					}
					var f stamp.FollowUp
					if err := f.UnmarshalBinary(m.Buf[stamp.BaseSize+stamp.TLVHeaderSize:]); err != nil {
						t.Fatal(err)
					}
					at, known := f.Timestamp.UnixNano(c.format)
					if known != (seq > 0) || known && (f.Sequence != seq-1 || at != left.UnixNano()) {
						t.Errorf("reply %d tells of %d at %d, want %d", seq, f.Sequence, at, left.UnixNano())
					}
					left = time.Now()
					time.Sleep(time.Second)
				}
			})
		})
	}
}
