package stamp_test

import (
	"bytes"
	"encoding"
	"errors"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

// value is a TLV's value of a fixed length.
type value interface {
	Put(b []byte)
}

// checkValue holds a value to its octets, both ways, and to its length.
func checkValue[V value](t *testing.T, want V, golden string, decode func([]byte) (V, error), equal func(a, b V) bool, atLeast bool) {
	t.Helper()
	octets := unhex(t, golden)
	b := bytes.Repeat([]byte{0xff}, len(octets))
	want.Put(b)
	if !bytes.Equal(b, octets) {
		t.Errorf("encoded %x, want %x", b, octets)
	}
	if got, err := decode(b); err != nil || !equal(got, want) {
		t.Errorf("decoded %+v, %v", got, err)
	}
	for n := range len(b) + 2 {
		_, err := decode(slices.Grow(slices.Clip(b), 1)[:n])
		if n == len(b) || atLeast && n > len(b) {
			continue
		}
		if !errors.Is(err, stamp.ErrMalformed) {
			t.Errorf("%d octets: %v, want ErrMalformed", n, err)
		}
	}
	expectNoAllocations(t, func() { want.Put(b) })
}

func decodeAs[V any, P interface {
	*V
	encoding.BinaryUnmarshaler
}](b []byte) (v V, err error) {
	err = P(&v).UnmarshalBinary(b)
	return v, err
}

func same[V comparable](a, b V) bool { return a == b }

// RFC 8972 4.3-6
func TestTimestampInfo(t *testing.T) {
	want := stamp.TimestampInfo{SyncIn: stamp.SyncNTP, MethodIn: stamp.TimestampSWLocal, SyncOut: stamp.SyncLocal, MethodOut: stamp.TimestampControlPlane}
	checkValue(t, want, "01020503", decodeAs[stamp.TimestampInfo], same, true)
}

// RFC 8972 4.6-10, 5.4-1, 5.5-1, 5.6-1
func TestRegistries(t *testing.T) {
	for i, got := range []int{stamp.SyncNTP, stamp.SyncPTP, stamp.SyncSSU, stamp.SyncGNSS, stamp.SyncLocal} {
		if got != i+1 {
			t.Errorf("synchronization source %d, table 7 has %d", got, i+1)
		}
	}
	for i, got := range []int{stamp.TimestampHWAssist, stamp.TimestampSWLocal, stamp.TimestampControlPlane} {
		if got != i+1 {
			t.Errorf("timestamping method %d, table 9 has %d", got, i+1)
		}
	}
	if stamp.NetworkAvailable != 1 || stamp.NetworkUnavailable != 2 {
		t.Error("return codes are not those of table 11")
	}
}

// RFC 8972 4-2, 4.3-5, 4.3-13
func TestTimestampInfoAnswer(t *testing.T) {
	info := stamp.TimestampInfo{SyncIn: 1, MethodIn: 2, SyncOut: 3, MethodOut: 4}
	for _, c := range []struct {
		ask, want string
		malformed bool
	}{
		{"00000000", "01020304", false},
		{"ffffffff", "01020304", false},
		{"00000000 00c80001aa", "01020304 80c80001aa", false},
		{"00000000 80c80002aa", "01020304 40c80002aa", true},
		{"00000000 80fc0004aabbccdd 80fc0003aabbcc 80fc0000", "01020304 80fc0004aabbccdd 40fc0003aabbcc 80fc0000", true},
		{"000000", "000000", true},
		{"", "", true},
	} {
		b := unhex(t, c.ask)
		if err := info.Answer(b); !bytes.Equal(b, unhex(t, c.want)) || errors.Is(err, stamp.ErrMalformed) != c.malformed {
			t.Errorf("%s is answered with %x, %v", c.ask, b, err)
		}
	}
}

// RFC 8972 4.5-1, 4.5-3
func TestDirectMeasurement(t *testing.T) {
	want := stamp.DirectMeasurement{SenderTx: 0x01020304, ReflectorRx: 0x05060708, ReflectorTx: 0x090a0b0c}
	checkValue(t, want, "01020304 05060708 090a0b0c", decodeAs[stamp.DirectMeasurement], same, false)
}

// RFC 8972 4.6-2, 4.6-4, 4.6-5, 4.6-7, 4.6-8, 4.6-9, 4.6-11, 4.6-12, 4.6-13
func TestAccessReport(t *testing.T) {
	want := stamp.AccessReport{Access: stamp.AccessNon3GPP, ReturnCode: stamp.NetworkUnavailable}
	checkValue(t, want, "20020000", decodeAs[stamp.AccessReport], same, false)
	checkValue(t, stamp.AccessReport{Access: 15, ReturnCode: 255}, "f0ff0000", decodeAs[stamp.AccessReport], same, false)
	got, err := decodeAs[stamp.AccessReport](unhex(t, "1f01ffff"))
	if err != nil || got != (stamp.AccessReport{Access: stamp.Access3GPP, ReturnCode: stamp.NetworkAvailable}) {
		t.Errorf("what is to be ignored is not: %+v, %v", got, err)
	}
	for access := range uint8(16) {
		if got := (stamp.AccessReport{Access: access}).Valid(); got != (access == 1 || access == 2) {
			t.Errorf("access network %d is valid: %v", access, got)
		}
	}
}

// RFC 8972 4-5, 4-14, 4.2-3, 4.3-4, 4.4-4, 4.5-3, 4.6-4, 4.7-5, 4.7-11, 4.8-15, 6-4
func TestValidLength(t *testing.T) {
	valid := map[stamp.TLVType]func(n int) bool{
		stamp.TLVLocation:          func(n int) bool { return n >= 4 },
		stamp.TLVTimestampInfo:     func(n int) bool { return n >= 4 },
		stamp.TLVClassOfService:    func(n int) bool { return n == 4 },
		stamp.TLVDirectMeasurement: func(n int) bool { return n == 12 },
		stamp.TLVAccessReport:      func(n int) bool { return n == 4 },
		stamp.TLVFollowUpTelemetry: func(n int) bool { return n == 16 },
		stamp.TLVHMAC:              func(n int) bool { return n == 16 },
	}
	for typ := stamp.TLVType(252); typ <= 254; typ++ { // private use: an enterprise code
		valid[typ] = func(n int) bool { return n >= 4 }
	}
	for typ := range stamp.TLVType(255) {
		for n := range 20 {
			want := valid[typ] == nil || valid[typ](n)
			if got := (stamp.TLV{Type: typ, Value: make([]byte, n)}).ValidLength(); got != want {
				t.Errorf("type %d with %d octets is valid: %v", typ, n, got)
			}
		}
		if got := typ.Known(); got != (typ >= 1 && typ <= 8) {
			t.Errorf("type %d is known: %v", typ, got)
		}
	}
}

// Every value that decodes is encoded as it was, but for what must be zero.
func FuzzValues(f *testing.F) {
	for _, golden := range []string{"b9440000", "01020503", "20020000", "010203040506070809 0a0b0c", "01020304 1112131415161718 02 000000"} {
		f.Add(unhex(f, golden))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again := make([]byte, len(b))
		if v, err := decodeAs[stamp.DirectMeasurement](b); err == nil {
			if v.Put(again); !bytes.Equal(again, b) {
				t.Fatalf("%x became %x", b, again)
			}
		}
		if v, err := decodeAs[stamp.TimestampInfo](b); err == nil {
			if v.Put(again); !bytes.Equal(again[:4], b[:4]) {
				t.Fatalf("%x became %x", b, again)
			}
			if info := bytes.Clone(b); v.Answer(info) == nil && !bytes.Equal(info[:4], b[:4]) {
				t.Fatalf("%x is answered with %x", b, info)
			}
		}
		if v, err := decodeAs[stamp.AccessReport](b); err == nil {
			if v.Put(again); again[0] != b[0]&0xf0 || again[1] != b[1] {
				t.Fatalf("%x became %x", b, again)
			}
		}
		if v, err := decodeAs[stamp.ClassOfService](b); err == nil {
			if v.Put(again); !bytes.Equal(again[:2], b[:2]) {
				t.Fatalf("%x became %x", b, again)
			}
		}
		if v, err := decodeAs[stamp.FollowUp](b); err == nil {
			if v.Put(again); !bytes.Equal(again[:13], b[:13]) {
				t.Fatalf("%x became %x", b, again)
			}
		}
	})
}
