package udp

import "testing"

// A datagram there and back, of a reflector's kind.
func BenchmarkRoundTrip(b *testing.B) {
	for _, bench := range []struct {
		name string
		cfg  Config
	}{
		{"reflector", Config{Local: at(loopback6)}},
		{"prober", Config{Local: at(loopback6), TxTimestamps: true, Errors: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			x, err := Listen(bench.cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close()
			ms, evs := []Message{{Buf: make([]byte, 64)}}, make([]Event, 4)
			b.ReportAllocs()
			for b.Loop() {
				ms[0].N, ms[0].Peer = 44, x.LocalAddr()
				if _, err := x.Write(ms); err != nil {
					b.Fatal(err)
				}
				if _, _, err := x.Read(ms, evs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkListen(b *testing.B) {
	for b.Loop() {
		c, err := Listen(Config{Local: at(loopback6), TxTimestamps: true})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
