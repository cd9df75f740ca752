package stamp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

var (
	location4 = stamp.Location{
		Destination: netip.MustParseAddrPort("192.0.2.1:862"), Source: netip.MustParseAddrPort("198.51.100.2:40000"),
	}
	location6 = stamp.Location{
		Destination: netip.MustParseAddrPort("[2001:db8::1]:862"), Source: netip.MustParseAddrPort("[2001:db8::2]:40000"),
	}
)

const (
	zeros12      = "000000000000000000000000"
	zeros16      = zeros12 + "00000000"
	locationAsk  = "0000 0000" + "80040010" + zeros16 + "80070010" + zeros16
	locationHex4 = "035e 9c40" + "00050010 c0000201" + zeros12 + "00080010 c6336402" + zeros12
	locationHex6 = "035e 9c40" + "00060010 20010db8000000000000000000000001" + "00090010 20010db8000000000000000000000002"
)

// RFC 8972 4.2-5, 4.2-10, 4.2-12, 4.2.1-1, 4.2.1-4, 4.2.1-17, 4.2.1-20, 4.2.1-21, 4.2.1-23, 4.2.1-25
// RFC 8972 4.2.1-28, 4.2.1-29, 4.2.1-31, 5.3-1
func TestLocation(t *testing.T) {
	for _, c := range []struct {
		value  stamp.Location
		golden string
	}{{stamp.Location{}, locationAsk}, {location4, locationHex4}, {location6, locationHex6}} {
		b := bytes.Repeat([]byte{0xff}, stamp.LocationSize)
		c.value.Put(b)
		if !bytes.Equal(b, unhex(t, c.golden)) {
			t.Errorf("%+v is encoded\n     %x\nwant %s", c.value, b, c.golden)
		}
		var got stamp.Location
		want := c.value
		if !want.Source.IsValid() { // the ports are 0, the addresses not there
			want = stamp.Location{Destination: netip.AddrPortFrom(netip.Addr{}, 0), Source: netip.AddrPortFrom(netip.Addr{}, 0)}
		}
		if err := got.UnmarshalBinary(b); err != nil || got != want {
			t.Errorf("%s is decoded %+v, %v", c.golden, got, err)
		}
		for n := range len(b) {
			before := got
			err := got.UnmarshalBinary(slices.Clip(b[:n]))
			if whole := n == 4 || n == 24; whole != (err == nil) || !whole && !errors.Is(err, stamp.ErrMalformed) {
				t.Errorf("%d octets: %v", n, err)
			}
			if err != nil && got != before {
				t.Errorf("%d octets changed the value to %+v", n, got)
			}
		}
	}
}

// What a reflector answers: sub-TLVs of the kind of its addresses, in the places
// of those that ask.
//
// RFC 8972 4-2, 4.2-8, 4.2-9, 4.2-11, 4.2.1-1, 4.2.2-2
func TestLocationAnswer(t *testing.T) {
	for _, c := range []struct {
		name      string
		from      stamp.Location
		ask, want string
		malformed bool
	}{
		// RFC 8972 4.2.2-12, 4.2.2-13, 4.2.2-17, 4.2.2-18
		{"IPv4", location4, locationAsk, locationHex4, false},
		// RFC 8972 4.2.2-14, 4.2.2-15, 4.2.2-19, 4.2.2-20
		{"IPv6", location6, locationAsk, locationHex6, false},
		{"ports alone", location4, "00000000", "035e9c40", false},
		// RFC 8972 4.2.1-18, 4.2.1-21, 4.2.1-26, 4.2.1-29
		{"rubbish where there must be zeros", location4, "11112222 80070010" + tlvsHMAC + "80040010" + tlvsHMAC, "035e9c40 00080010 c6336402" + zeros12 + "00050010 c0000201" + zeros12, false},
		{"the other way around", location4, "00000000 80070010" + zeros16 + "80040010" + zeros16, "035e9c40 00080010 c6336402" + zeros12 + "00050010 c0000201" + zeros12, false},
		// RFC 8972 4.2.1-10, 4.2.2-8, 4.2.2-10
		{"MAC address", location4, "00000000 80010008 1111111111111111", "035e9c40 00030008 0000000000000000", false},
		{"a kind that reflectors send", location4, "00000000 80050010" + zeros16, "035e9c40 80050010" + zeros16, false},
		// RFC 8972 4.2.1-2
		{"unknown, then known", location4, "00000000 00c80002abcd 80070010" + zeros16, "035e9c40 80c80002abcd 00080010 c6336402" + zeros12, false},
		// RFC 8972 5.3-2
		{"reserved types", location4, "00000000 80000000 80ff0000", "035e9c40 80000000 80ff0000", false},
		{"too short", location4, "000000", "000000", true},
		{"empty", location4, "", "", true},
		// RFC 8972 4.2.1-2
		{"sub-TLV of a wrong length", location4, "00000000 80040004 00000000 80070010" + zeros16, "035e9c40 40040004 00000000 80070010" + zeros16, true},
		{"sub-TLV beyond the end", location4, "00000000 80070010" + zeros16 + "80040011" + zeros16, "035e9c40 00080010 c6336402" + zeros12 + "40040011" + zeros16, true},
		{"a header's first octet", location4, "00000000 80", "035e9c40 40", true},
		// RFC 8972 4-6, 5.3-2
		{"for private use", location4, "00000000 80fe0004aabbccdd 80fe0003aabbcc 80fe0000", "035e9c40 80fe0004aabbccdd 40fe0003aabbcc 80fe0000", true},
		// RFC 8972 4.2.1-2, 4.2.1-5, 4.2.1-6
		{"flags of the sender", location4, "00000000 60070010" + zeros16 + "7fc80000", "035e9c40 00080010 c6336402" + zeros12 + "80c80000", false},
		// RFC 8972 4.2-13
		{"address not known", stamp.Location{Source: location4.Source}, "00000000 80040010" + zeros16, "00009c40 80040010" + zeros16, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.ask)
			err := c.from.Answer(b)
			if want := unhex(t, c.want); !bytes.Equal(b, want) || errors.Is(err, stamp.ErrMalformed) != c.malformed {
				t.Errorf("%v\n got %x\nwant %x", err, b, want)
			}
		})
	}
}

// A sub-TLV that the reflector did not fill tells nothing.
//
// RFC 8972 4.2.1-3
func TestLocationFlags(t *testing.T) {
	var got stamp.Location
	b := unhex(t, "035e9c40 80050010 c0000201"+zeros12+"00080010 c6336402"+zeros12)
	if err := got.UnmarshalBinary(b); err != nil || got.Destination.Addr().IsValid() || got.Source != location4.Source {
		t.Errorf("got %+v, %v", got, err)
	}
	b[4] = stamp.FlagM
	if err := got.UnmarshalBinary(b); !errors.Is(err, stamp.ErrMalformed) {
		t.Errorf("M: %v", err)
	}
}

// Each type of sub-TLV has one length, for the reflector and for the sender.
//
// RFC 8972 4.2.1-8, 4.2.1-11, 4.2.1-15, 4.2.1-16, 4.2.1-19, 4.2.1-23, 4.2.1-24, 4.2.1-27, 4.2.1-31
// RFC 8972 5.3-1
func TestLocationSubLengths(t *testing.T) {
	for typ := range stamp.TLVType(12) {
		for n := range 20 {
			b := stamp.AppendTLV(make([]byte, 4), stamp.TLV{Type: typ, Value: make([]byte, n)})
			want := typ < 1 || typ > 9 || typ <= 3 && n == 8 || typ > 3 && n == 16
			if err := new(stamp.Location).UnmarshalBinary(b); (err == nil) != want {
				t.Errorf("type %d with %d octets, decoded: %v", typ, n, err)
			}
			if err := location4.Answer(b); (err == nil) != want || !want && b[4] != stamp.FlagM {
				t.Errorf("type %d with %d octets, answered: %v, flags %#x", typ, n, err, b[4])
			}
		}
	}
}

// What must be zero in a reply may be anything, and so may I.
//
// RFC 8972 4.2.1-7, 4.2.1-14, 4.2.1-22, 4.2.1-30
func TestLocationIgnoresWhatMustBeZero(t *testing.T) {
	const ones12 = "ffffffffffffffffffffffff"
	var got stamp.Location
	b := unhex(t, "035e9c40 20020008 020000000001ffff 20050010 c0000201"+ones12+"20080010 c6336402"+ones12)
	if err := got.UnmarshalBinary(b); err != nil || got != location4 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLocationDoesNotAllocate(t *testing.T) {
	b, ask := make([]byte, stamp.LocationSize), unhex(t, locationAsk)
	var l stamp.Location
	expectNoAllocations(t, func() {
		location6.Put(b)
		_ = l.UnmarshalBinary(b)
		copy(b, ask)
		_ = location4.Answer(b)
	})
}

func FuzzLocation(f *testing.F) {
	f.Add(unhex(f, locationAsk))
	f.Add(unhex(f, locationHex6))
	f.Add(unhex(f, "00000000 80040004 00000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l stamp.Location
		if l.UnmarshalBinary(b) == nil && l.Destination.Port() != binary.BigEndian.Uint16(b) {
			t.Fatalf("%x is %+v", b, l)
		}
		answer := bytes.Clone(b)
		if err := location6.Answer(answer); err != nil {
			return
		}
		if err := l.UnmarshalBinary(answer); err != nil || l.Source.Port() != 40000 {
			t.Fatalf("%x is answered with %x, which is %+v, %v", b, answer, l, err)
		}
	})
}
