package reflector

import (
	"testing"
	"time"

	"tinytwamp/shared/stamp"
)

// A request decoded and made its reply, T3 included.
func BenchmarkRespond(b *testing.B) {
	followUp := append([]byte{stamp.FlagU, byte(stamp.TLVFollowUpTelemetry), 0, stamp.FollowUpSize}, make([]byte, stamp.FollowUpSize)...)
	for _, bench := range []struct {
		name     string
		trailing []byte
	}{
		{"base", nil},
		{"follow-up", followUp},
	} {
		b.Run(bench.name, func(b *testing.B) {
			pkt := request(1, 2, bench.trailing...)
			buf := make([]byte, len(pkt))
			in, out := &arrival{time: time.Now().UnixNano(), ttl: 64}, &reply{sequence: 3, stateful: true}
			b.ReportAllocs()
			for b.Loop() {
				n := copy(buf, pkt)
				var req stamp.SenderPacket
				if why := decode(&req, buf, false); why != answered {
					b.Fatal(why)
				}
				respond(&req, buf, n, in, out)
				finish(buf, in.time, nil)
			}
		})
	}
}

// A packet of each of 1,000 sessions in turn.
func BenchmarkTouch(b *testing.B) {
	const sessions = 1000
	t := newTable(sessions)
	var keys []key
	for n := range sessions {
		keys = append(keys, testKey(n))
	}
	now := time.Now().UnixNano()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, _, _, ok := t.touch(keys[n%sessions], now+int64(n), int64(time.Second)); !ok {
			b.Fatal("no place for a session")
		}
	}
}
