package reflector

import (
	"bytes"
	"encoding/binary"
	"testing"

	"tinytwamp/shared/stamp"
)

// FuzzRespond holds replies to what no request may change.
func FuzzRespond(f *testing.F) {
	for _, trailing := range []string{"", "55aa", "80010004cafebabe", "80c8000101 80010005cafe", "80"} {
		f.Add(append(octets(f, sentBase), octets(f, trailing)...), false)
	}
	f.Add(octets(f, sentSequence+sentT1+sentEE), true)
	f.Fuzz(func(t *testing.T, request []byte, strict bool) {
		message(request)
		identity(request)
		got, why := reflected(request, 64, reply{sequence: 9, stateful: true, strict: strict, clock: testClock})
		switch {
		case len(request) < stamp.LightSize && why != tooShort:
			t.Fatalf("%d octets: %v", len(request), why)
		case len(request) >= stamp.LightSize && request[13] == 0 && why != invalidErrorEstimate:
			t.Fatalf("multiplier 0: %v", why)
		}
		if why != answered {
			return
		}
		if len(got) != max(len(request), stamp.BaseSize) {
			t.Fatalf("%d octets are answered with %d", len(request), len(got))
		}
		copied := bytes.Equal(got[24:28], request[:4]) && bytes.Equal(got[28:38], request[4:14]) && binary.BigEndian.Uint32(got) == 9
		if t2, ok := stamp.Timestamp(binary.BigEndian.Uint64(got[16:])).UnixNano(stamp.ErrorEstimate(binary.BigEndian.Uint16(got[12:])).Format()); !copied || !ok || t2 != testT2 {
			t.Fatalf("the reply is %x", got)
		}
		if len(request) > stamp.BaseSize {
			checkTrailing(t, request[stamp.BaseSize:], got[stamp.BaseSize:], strict)
		}
	})
}

// checkTrailing holds what came back behind the base packet to what was sent:
// only flags may differ, and only those of TLVs before a malformed one.
func checkTrailing(t *testing.T, sent, back []byte, strict bool) {
	if !strict && sent[0] != stamp.FlagU {
		if !bytes.Equal(sent, back) {
			t.Fatalf("padding %x came back as %x", sent, back)
		}
		return
	}
	for len(back) > 0 {
		tlv, rest, err := stamp.NextTLV(back)
		want := byte(stamp.FlagU)
		switch {
		case err != nil:
			want = stamp.FlagM
		case tlv.Type == stamp.TLVExtraPadding:
			want = 0
		}
		end := len(back) - len(rest)
		if err != nil {
			end = len(back)
		}
		if back[0] != want || !bytes.Equal(sent[1:end], back[1:end]) {
			t.Fatalf("%x came back as %x, want flags %#x", sent[:end], back[:end], want)
		}
		sent, back = sent[end:], back[end:]
	}
}
