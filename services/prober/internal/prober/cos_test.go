package prober

import (
	"testing"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp/udptest"
)

// With a Class of Service TLV a report tells on which way a marking was lost.
//
// RFC 8762 4.6-4, RFC 8972 4-32
func TestClassOfServiceAtTheReflector(t *testing.T) {
	for name, answers := range map[string]bool{"a reflector that knows the TLV": true, "one that does not": false} {
		bubble(t, func(t *testing.T, b *bench) {
			b.test.DSCP, b.test.TLV.ClassOfService = 46, true
			asked := 0
			b.forward(func(p udptest.Packet) []udptest.Delivery {
				var c stamp.ClassOfService
				if x, _ := findTLV(p.Payload[stamp.BaseSize:], stamp.TLVClassOfService); c.UnmarshalBinary(x.Value) == nil && c == (stamp.ClassOfService{DSCP1: 46}) {
					asked++
				}
				return udptest.Instant(p)
			})
			b.back(func(p udptest.Packet) []udptest.Delivery {
				trailing := p.Payload[stamp.BaseSize:]
				copy(trailing, []byte{stamp.FlagU, byte(stamp.TLVClassOfService), 0, stamp.ClassOfServiceSize})
				if answers {
					trailing[0] = 0
					stamp.ClassOfService{DSCP1: 46, DSCP2: 34, ECN: 2}.Put(trailing[stamp.TLVHeaderSize:])
				}
				return udptest.Instant(p)
			})
			b.run(t, 0)
			m := b.reports[0].Marking
			if asked != 10 {
				t.Errorf("%s: %d of 10 packets asked for DSCP 46", name, asked)
			}
			if told := m.ReflectorDSCP != nil; told != answers || told && (*m.ReflectorDSCP != 34 || *m.ReflectorECN != 2) {
				t.Errorf("%s: %+v", name, m)
			}
		})
	}
}
