package prober

import (
	"bytes"
	"testing"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp/udptest"
)

// The base packets of a session as they stand on the wire.
//
// RFC 8762 4.2.1-1, 4.2.1-3, 4.2.1-4, 4.2.1-19, RFC 8972 3-11
func TestPacketsOnTheWire(t *testing.T) {
	for setting, format := range map[string]stamp.Format{
		// RFC 8762 4.2.1-6, 4.2.1-14
		"default": stamp.NTP,
		// RFC 8762 4.2.1-8, 4.2.1-10, 4.2.1-16
		"ptp": stamp.PTP,
	} {
		bubble(t, func(t *testing.T, b *bench) {
			if setting != "default" {
				if err := b.test.Timestamp.UnmarshalText([]byte(setting)); err != nil {
					t.Fatal(err)
				}
			}
			b.forward(udptest.Lose(2)) // it is not sent again
			b.run(t, 0)
			if len(b.tap.attempts) != 10 {
				t.Fatalf("%d packets", len(b.tap.attempts))
			}
			for i, a := range b.tap.attempts {
				p := stamp.SenderPacket{
					Sequence: uint32(i), SSID: 4660, Timestamp: stamp.NewTimestamp(a.at.UnixNano(), format),
					ErrorEstimate: sentEstimate(t, a.payload),
				}
				if want, _ := p.AppendBinary(nil); !bytes.Equal(a.payload, want) || p.ErrorEstimate.Format() != format || !p.ErrorEstimate.Valid() {
					t.Errorf("packet %d in %v is\n     %x\nwant %x", i, format, a.payload, want)
				}
			}
		})
	}
}

func sentEstimate(t *testing.T, payload []byte) stamp.ErrorEstimate {
	t.Helper()
	var p stamp.SenderPacket
	if err := p.UnmarshalBinary(payload); err != nil {
		t.Fatal(err)
	}
	return p.ErrorEstimate
}

// Each end has its own timestamp format.
//
// RFC 8762 4.2.1-18
func TestFormatsOfBothEnds(t *testing.T) {
	for sender, reflector := range map[stamp.Format]stamp.Format{stamp.NTP: stamp.PTP, stamp.PTP: stamp.NTP} {
		bubble(t, func(t *testing.T, b *bench) {
			b.test.Timestamp, b.reflector.format = Format{sender}, reflector
			b.forward(udptest.Delay(5 * ms))
			b.back(udptest.Delay(15 * ms))
			b.run(t, 0)
			f, r := b.reports[0].Forward, b.reports[0].Backward
			if f == nil || r == nil || f.N != 10 || f.MinNs != int64(5*ms) || f.MaxNs != int64(5*ms) || r.MinNs != int64(15*ms) || r.MaxNs != int64(15*ms) {
				t.Errorf("sender %v, reflector %v: forward %+v, backward %+v", sender, reflector, f, r)
			}
		})
	}
}

// TLVs ask with U alone of their flags, and with zeros where the reflector is to
// write.
//
// RFC 8972 4-1, 4-10, 4-13, 4-17, 4-20, 4.1-5, 4.4-1, 4.4-5, 4.4-6, 4.4-7, 4.7-1, 4.7-2, 4.7-3, 4.7-16
func TestExtensionsOnTheWire(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		if err := b.test.TLV.UnmarshalText([]byte("follow-up,cos")); err != nil {
			t.Fatal(err)
		}
		b.test.DSCP, b.test.Size = 46, 100
		b.run(t, 0)
		want := map[stamp.TLVType][]byte{
			stamp.TLVClassOfService:    {46 << 2, 0, 0, 0},
			stamp.TLVFollowUpTelemetry: make([]byte, stamp.FollowUpSize),
		}
		for i, a := range b.tap.attempts {
			got, padding := 0, 0
			for trailing := a.payload[stamp.BaseSize:]; len(trailing) > 0; {
				tlv, rest, err := stamp.NextTLV(trailing)
				if err != nil || tlv.Flags != stamp.FlagU {
					t.Fatalf("packet %d: flags %#x, %v", i, tlv.Flags, err)
				}
				trailing = rest
				if tlv.Type == stamp.TLVExtraPadding {
					padding++
					continue
				}
				if got++; !bytes.Equal(tlv.Value, want[tlv.Type]) {
					t.Errorf("packet %d asks by type %d with %x", i, tlv.Type, tlv.Value)
				}
			}
			if got != len(want) || padding != 1 || len(a.payload) != 100 {
				t.Errorf("packet %d of %d octets has %d TLVs, and padding %d times", i, len(a.payload), got, padding)
			}
		}
	})
}

// Of a TLV in a reply what is reserved does not count, and its length does.
//
// RFC 8972 4-25, 4-27
func TestExtensionsOfReplies(t *testing.T) {
	for name, c := range map[string]struct {
		tlv  []byte
		told bool
	}{
		"as it is to be": {[]byte{0, 4, 0, 4, 46<<2 | 34>>4, 34&0xf<<4 | 2<<2, 0, 0}, true},
		// RFC 8972 4-23, 4.4-10
		"reserved": {[]byte{0x1f, 4, 0, 4, 46<<2 | 34>>4, 34&0xf<<4 | 2<<2, 0xff, 0xff}, true},
		// RFC 8972 6-3
		"too short": {[]byte{0, 4, 0, 3, 46<<2 | 34>>4, 34&0xf<<4 | 2<<2, 0, 0}, false},
		// RFC 8972 6-3
		"too long": {[]byte{0, 4, 0, 5, 46<<2 | 34>>4, 34&0xf<<4 | 2<<2, 0, 0}, false},
	} {
		bubble(t, func(t *testing.T, b *bench) {
			if err := b.test.TLV.UnmarshalText([]byte("cos")); err != nil {
				t.Fatal(err)
			}
			b.test.DSCP = 46
			b.back(func(p udptest.Packet) []udptest.Delivery {
				copy(p.Payload[stamp.BaseSize:], c.tlv)
				return udptest.Instant(p)
			})
			b.run(t, 0)
			m := b.reports[0].Marking
			if told := m.ReflectorDSCP != nil; told != c.told || told && (*m.ReflectorDSCP != 34 || *m.ReflectorECN != 2) {
				t.Errorf("%s: %+v", name, m)
			}
		})
	}
}

// RFC 8972 3-7
func TestRandomSSIDIsNotZero(t *testing.T) {
	for range 1 << 20 {
		if randomSSID() == 0 {
			t.Fatal("zero means that there is none")
		}
	}
}
