package stats

import "testing"

// A value of an interval of 1,000, which is kept as it is, and one of an
// interval that is beyond the limit, which is only counted.
func BenchmarkAdd(b *testing.B) {
	b.Run("kept", func(b *testing.B) {
		s := new(Series)
		b.ReportAllocs()
		for n := int64(0); b.Loop(); n++ {
			if n%1000 == 0 {
				s.Cut()
			}
			s.Add(100_000 + n*7919%50_000)
		}
	})
	b.Run("counted", func(b *testing.B) {
		s := new(Series)
		for n := range int64(Limit) {
			s.Add(100_000 + n)
		}
		b.ReportAllocs()
		for n := int64(0); b.Loop(); n++ {
			s.Add(100_000 + n*7919%50_000)
		}
	})
}
