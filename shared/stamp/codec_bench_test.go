package stamp

import "testing"

func BenchmarkSenderPacket(b *testing.B) {
	p := SenderPacket{Sequence: 1, Timestamp: 2, ErrorEstimate: 3, SSID: 4}
	buf := make([]byte, 0, BaseSize)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = p.AppendBinary(buf) // never fails
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		pkt, _ := p.AppendBinary(buf)
		for b.Loop() {
			if err := p.UnmarshalBinary(pkt); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReflectorPacket(b *testing.B) {
	p := ReflectorPacket{Sequence: 1, Timestamp: 2, ErrorEstimate: 3, SSID: 4, ReceiveTimestamp: 5, SenderSequence: 6, SenderTTL: 7}
	buf := make([]byte, 0, BaseSize)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = p.AppendBinary(buf)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		pkt, _ := p.AppendBinary(buf)
		for b.Loop() {
			if err := p.UnmarshalBinary(pkt); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Unix nanoseconds to the wire and back.
func BenchmarkTimestamp(b *testing.B) {
	for _, f := range []Format{NTP, PTP} {
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			for ns := int64(1_800_000_000_123_456_789); b.Loop(); ns++ {
				if back, ok := NewTimestamp(ns, f).UnixNano(f); !ok || back-ns > 1 || ns-back > 1 {
					b.Fatalf("%d became %d", ns, back)
				}
			}
		})
	}
}
