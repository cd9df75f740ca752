package history

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// generated has a store hold what n paths have after a month of one-minute
// reports of 60 packets: as many buckets, each of as many values, as those make.
func generated(b *testing.B, n int) *site {
	b.Helper()
	s := newSite(b)
	s.store.db.NoSync = true // until it is opened again
	r := rand.New(rand.NewPCG(7, 8))
	now := time.Now()
	var pools [][]*bucket // by tier
	for _, t := range s.store.tiers {
		pool := make([]*bucket, 8)
		for i := range pool {
			pool[i] = new(bucket)
			for range max(t.step/time.Minute, 1) {
				pool[i].merge(generatedReport(r, 60))
			}
		}
		pools = append(pools, pool)
	}
	for path := range n {
		batch := newBatch(s.store, now)
		a, left := read(fmt.Sprint("p", path), report(now.Add(-time.Minute), time.Minute, 1e6), now)
		if left != "" {
			b.Fatal(left)
		}
		batch.change(a.id, a.path).update(&a)
		if err := s.store.commit(batch); err != nil {
			b.Fatal(err)
		}
	}
	for i, t := range s.store.tiers {
		step := max(t.step, time.Minute)
		for at := now.Add(-t.keep); at.Before(now); at = at.Add(step) {
			err := s.store.db.Update(func(tx *bolt.Tx) error {
				points := tx.Bucket(bucketPoints)
				points.FillPercent = fillPercent
				for id := range s.store.paths {
					k := key{uint8(i), t.index(at), id}
					if err := points.Put(k.append(nil), appendBucket(nil, pools[i][r.IntN(8)])); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	s.restart() // with what is then read into memory
	return s
}

// generatedReport is a report with a calm path's delays, and its tail.
func generatedReport(r *rand.Rand, packets int) *bucket {
	b := &bucket{reports: 1, dscp: 46, last: time.Now().UnixMilli(), hops: [2]hops{{true, 7, 7, false}, {true, 8, 8, false}}}
	b.counts[countSent], b.counts[countReceived] = uint64(packets), uint64(packets)
	b.lost[0].known, b.lost[1].known = true, true
	for i, base := range []float64{20e6, 9e6, 11e6} {
		values := make([]int64, packets)
		for j := range values {
			values[j] = int64(base + 3e5*r.ExpFloat64())
			if r.IntN(100) == 0 {
				values[j] += int64(20e6 * r.Float64())
			}
		}
		b.delays[i] = *distributionOf(values)
	}
	return b
}

// What a page asks for, with 500 paths and a month of one-minute reports.
func BenchmarkMonthOf500Paths(b *testing.B) {
	s := generated(b, 500)
	now := time.Now()
	all := s.store.Paths()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.Logf("%d paths, their last with a spark of %d: %.0f MB on disk, %.1f MB of heap in use", len(all), len(all[0].Spark), float64(s.size())/1e6, float64(memory.HeapAlloc)/1e6)
	for _, back := range []time.Duration{10 * time.Minute, time.Hour, 3 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
		b.Run(fmt.Sprint("Series/", back), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.store.Series(all[i%len(all)].ID, now.Add(-back), now, 400); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("Distribution/720h", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := s.store.Distribution(all[i%len(all)].ID, now.Add(-30*24*time.Hour), now, 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Paths", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.store.Paths()
		}
	})
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			s.restart()
		}
	})
	b.Run("Commit/500 reports", func(b *testing.B) {
		r := rand.New(rand.NewPCG(9, 10))
		before := s.store.db.Stats()
		defer func() {
			written := s.store.db.Stats()
			b.ReportMetric(float64(written.TxStats.GetPageAlloc()-before.TxStats.GetPageAlloc())/float64(b.N), "B-written/op")
		}()
		for b.Loop() {
			batch := newBatch(s.store, time.Now())
			batch.progress["part"] = 1
			for id, p := range s.store.paths {
				a := arrival{id: id, path: p.Path, middle: time.Now().Add(-30 * time.Second), sums: *generatedReport(r, 60)}
				batch.add(a)
			}
			if err := s.store.commit(batch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// How fast a history is made anew from the files of events.
func BenchmarkRebuild(b *testing.B) {
	s := newSite(b)
	r := rand.New(rand.NewPCG(11, 12))
	now := time.Now()
	for i := range 2000 {
		values := make([]int64, 60)
		for j := range values {
			values[j] = int64(20e6 + 3e5*r.ExpFloat64())
		}
		x := report(now.Add(-time.Duration(i)*time.Minute), time.Minute, values...)
		x.Target.Name = fmt.Sprint(i % 100)
		s.add(x)
	}
	for b.Loop() {
		s.store.progress = map[string]int64{}
		s.catchUp()
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "reports/s")
}
