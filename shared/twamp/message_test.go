package twamp_test

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/twamp"
)

func fill[T ~[16]byte](first byte) (b T) {
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// messages are all messages with a value of its own in each field, as RFC 4656
// section 3, RFC 5357 section 3 and RFC 6038 section 4 draw them.
var messages = []struct {
	name string
	m    encoding.BinaryAppender
	hex  string // spaces between fields
}{
	{
		"greeting",
		twamp.Greeting{Modes: 0x6f, Challenge: fill[[16]byte](0x10), Salt: fill[[16]byte](0x30), Count: 0x2000},
		"000000000000000000000000 0000006f 101112131415161718191a1b1c1d1e1f 303132333435363738393a3b3c3d3e3f 00002000 000000000000000000000000",
	},
	{
		"set-up response",
		twamp.SetUpResponse{Mode: 0x44, KeyID: "joe", Token: [64]byte{0: 0xa1, 63: 0xa2}, ClientIV: fill[[16]byte](0xb0)},
		"00000044 6a6f65" + strings.Repeat("00", 77) + "a1" + strings.Repeat("00", 62) + "a2 b0b1b2b3b4b5b6b7b8b9babbbcbdbebf",
	},
	{
		"server start",
		twamp.ServerStart{Accept: twamp.NotSupported, ServerIV: fill[[16]byte](0xc0), StartTime: 0x0102030405060708},
		"000000000000000000000000000000 03 c0c1c2c3c4c5c6c7c8c9cacbcccdcecf 0102030405060708 0000000000000000",
	},
	{
		"request of IPv4",
		twamp.RequestSession{
			IPVersion: 4, ConfSender: 0x11, ConfReceiver: 0x12, Slots: 0x13141516, Packets: 0x17181920, SenderPort: 0x2122, ReceiverPort: 0x2324,
			Sender: netip.MustParseAddr("192.0.2.1"), Receiver: netip.MustParseAddr("192.0.2.2"), SID: fill[twamp.SID](0x40), Padding: 0x51525354,
			StartTime: 0x6162636465666768, Timeout: 2500 * time.Millisecond, TypeP: twamp.NewTypeP(46), OctetsToReflect: 0x7172, PaddingToReflect: 0x7374,
		},
		"05 04 11 12 13141516 17181920 2122 2324 c0000201 000000000000000000000000 c0000202 000000000000000000000000" +
			"404142434445464748494a4b4c4d4e4f 51525354 6162636465666768 00000002 80000000 2e000000 7172 7374 00000000" + strings.Repeat("00", 16),
	},
	{
		"request of IPv6, addresses left to the connection",
		twamp.RequestSession{IPVersion: 6, Receiver: netip.MustParseAddr("2001:db8::7"), SenderPort: 1, ReceiverPort: 2},
		"05 06 00 00 00000000 00000000 0001 0002" + strings.Repeat("00", 16) + "20010db8000000000000000000000007" + strings.Repeat("00", 16+4+8+8+4+8+16),
	},
	{
		"accept session",
		twamp.AcceptSession{Accept: twamp.TemporarilyExhausted, Port: 0x4951, SID: fill[twamp.SID](0x40), ReflectedOctets: 0x7172, ServerOctets: 0x7576},
		"05 00 4951 404142434445464748494a4b4c4d4e4f 7172 7576 0000000000000000" + strings.Repeat("00", 16),
	},
	{"start sessions", twamp.StartSessions{}, "02" + strings.Repeat("00", 31)},
	{"start acknowledgement", twamp.StartAck{Accept: twamp.InternalError}, "02" + strings.Repeat("00", 31)},
	{"stop sessions", twamp.StopSessions{Accept: twamp.Failure, Number: 0x01020304}, "03 01 0000 01020304" + strings.Repeat("00", 24)},
}

func TestMessages(t *testing.T) {
	for _, tt := range messages {
		t.Run(tt.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(tt.hex, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			got, err := tt.m.AppendBinary([]byte("before"))
			if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Fatalf("encodes to\n%x, %v, want\n%x", got[6:], err, want)
			}
			if _, decodes := reflect.New(reflect.TypeOf(tt.m)).Interface().(encoding.BinaryUnmarshaler); !decodes {
				return // it has no content
			}
			for n := range len(want) + 1 {
				m := reflect.New(reflect.TypeOf(tt.m))
				err := m.Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(want[:n])
				switch {
				case n < len(want) && (err != twamp.ErrShort || !m.Elem().IsZero()):
					t.Fatalf("%d octets decode to %+v, %v", n, m.Elem(), err)
				case n == len(want) && (err != nil || !reflect.DeepEqual(m.Elem().Interface(), tt.m)):
					t.Fatalf("decodes to %+v, %v, want %+v", m.Elem(), err, tt.m)
				}
			}
		})
	}
}

// What must be zero is ignored where it is not (RFC 4656 section 3.1).
func TestZerosAreIgnored(t *testing.T) {
	zeros := map[string][][2]int{ // from, to
		"greeting":              {{0, 12}, {52, 64}},
		"server start":          {{0, 15}, {40, 48}},
		"request of IPv4":       {{20, 32}, {36, 48}, {92, 112}},
		"accept session":        {{1, 2}, {24, 48}},
		"start acknowledgement": {{1, 32}},
		"stop sessions":         {{2, 4}, {8, 32}},
	}
	for _, tt := range messages {
		b, _ := tt.m.AppendBinary(nil)
		for _, z := range zeros[tt.name] {
			for i := z[0]; i < z[1]; i++ {
				b[i] = 0xff
			}
		}
		m := reflect.New(reflect.TypeOf(tt.m))
		if d, ok := m.Interface().(encoding.BinaryUnmarshaler); ok && (d.UnmarshalBinary(b) != nil || !reflect.DeepEqual(m.Elem().Interface(), tt.m)) {
			t.Errorf("%s decodes to %+v", tt.name, m.Elem())
		}
	}
}

func TestRequestOfUnknownIPVersion(t *testing.T) {
	b, _ := twamp.RequestSession{IPVersion: 5, Sender: netip.MustParseAddr("192.0.2.1")}.AppendBinary(nil)
	var r twamp.RequestSession
	if err := r.UnmarshalBinary(b); err != nil || r.IPVersion != 5 || r.Sender.IsValid() {
		t.Errorf("decodes to %+v, %v", r, err)
	}
}

// A Timeout is as exact as its format, and longer than any there is if it is.
func TestTimeouts(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 999_999_999, time.Second, 2*time.Second + 1, time.Hour, 1<<32*time.Second - 2*time.Second} {
		var r twamp.RequestSession
		b, _ := twamp.RequestSession{Timeout: d}.AppendBinary(nil)
		if err := r.UnmarshalBinary(b); err != nil || (r.Timeout-d).Abs() > 1 {
			t.Errorf("%v comes back as %v, %v", d, r.Timeout, err)
		}
	}
	for _, d := range []time.Duration{-1, -time.Hour} {
		var r twamp.RequestSession
		b, _ := twamp.RequestSession{Timeout: d}.AppendBinary(nil)
		if _ = r.UnmarshalBinary(b); r.Timeout != 0 {
			t.Errorf("%v comes back as %v", d, r.Timeout)
		}
	}
	b, _ := twamp.RequestSession{Timeout: 1<<63 - 1}.AppendBinary(nil)
	copy(b[76:84], "\xff\xff\xff\xff\xff\xff\xff\xff")
	var r twamp.RequestSession
	if _ = r.UnmarshalBinary(b); r.Timeout != 1<<32*time.Second {
		t.Errorf("the longest is %v", r.Timeout)
	}
}

func TestKeyIDs(t *testing.T) {
	long := strings.Repeat("k", 80)
	b, err := twamp.SetUpResponse{KeyID: long}.AppendBinary(nil)
	var r twamp.SetUpResponse
	if err != nil || r.UnmarshalBinary(b) != nil || r.KeyID != long {
		t.Errorf("%q, %v", r.KeyID, err)
	}
	if b, err := (twamp.SetUpResponse{KeyID: long + "k"}).AppendBinary([]byte("x")); err == nil || string(b) != "x" {
		t.Errorf("a key id of 81 octets gives %d octets, %v", len(b), err)
	}
}

func TestTypeP(t *testing.T) {
	for in, want := range map[twamp.TypeP]string{
		0: "0 true", 0x2e000000: "46 true", 0x3f000000: "63 true", 0x2effffff: "46 true",
		0x40000000: "false", 0x7fff0000: "false", 0x80000000: "false", 0xff000000: "false",
	} {
		got := "false"
		if dscp, ok := in.DSCP(); ok {
			got = fmt.Sprint(dscp, ok)
		}
		if got != want {
			t.Errorf("%#x is %s, want %s", uint32(in), got, want)
		}
	}
	if dscp, ok := twamp.NewTypeP(46).DSCP(); dscp != 46 || !ok {
		t.Errorf("46 comes back as %d, %v", dscp, ok)
	}
}

func TestCounts(t *testing.T) {
	for count, ok := range map[uint32]bool{0: false, 1023: false, 1024: true, 2048: true, 3000: true, 1 << 20: true, 1<<20 + 1: false, 1<<32 - 1: false} {
		g := twamp.Greeting{Count: count}
		if err := g.CheckCount(); (err == nil) != ok {
			t.Errorf("%d: %v", count, err)
		}
	}
}
