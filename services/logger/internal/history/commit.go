package history

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// maxSweep bounds what is removed in one transaction.
const maxSweep = 20_000

// fillPercent is how full pages of buckets are made: nearly every new one comes
// behind those of its tier, and does not have a page split again.
const fillPercent = 0.9

// commit writes a batch for good, with how far the journal has been read, and
// makes it seen.
func (s *Store) commit(b *batch) error {
	var expired []pathID
	swept := s.swept
	minutes := make(map[pathID][]Point)
	err := s.update(func(tx *bolt.Tx) error {
		if err := s.writePoints(tx, b, minutes); err != nil {
			return err
		}
		if err := writePaths(tx, b.paths); err != nil {
			return err
		}
		if err := writeProgress(tx, b); err != nil {
			return err
		}
		if b.now.Sub(s.swept) < sweepEvery {
			return nil
		}
		more, err := s.sweep(tx, b.now)
		if err != nil {
			return err
		}
		if !more {
			swept = b.now
		}
		expired, err = s.sweepPaths(tx, b)
		return err
	})
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	s.swept = swept
	maps.Copy(s.progress, b.progress)
	for name := range b.gone {
		delete(s.progress, name)
	}
	s.count(b)
	s.publish(b, minutes, expired)
	return nil
}

// writePoints merges the buckets of a batch into what is stored. Minutes of the
// last hour it gives back, as they are then.
func (s *Store) writePoints(tx *bolt.Tx, b *batch, minutes map[pathID][]Point) error {
	points := tx.Bucket(bucketPoints)
	points.FillPercent = fillPercent
	keys := slices.SortedFunc(maps.Keys(b.points), func(x, y key) int {
		return cmp.Or(cmp.Compare(x.tier, y.tier), cmp.Compare(x.index, y.index), bytes.Compare(x.id[:], y.id[:]))
	})
	for _, k := range keys {
		name, sums := k.append(nil), b.points[k]
		if stored := points.Get(name); stored != nil {
			old, err := parseBucket(stored)
			if err != nil {
				return fmt.Errorf("a bucket of path %v: %w; remove the folder of the history and start again, it is made anew", k.id, err)
			}
			old.merge(sums)
			sums = old
		}
		if err := points.Put(name, appendBucket(nil, sums)); err != nil {
			return err
		}
		t := s.tiers[k.tier]
		if k.tier == minute && b.now.Sub(t.start(k.index)) < time.Hour+t.step {
			minutes[k.id] = append(minutes[k.id], sparkPoint(t, k.index, sums))
		}
	}
	return nil
}

func writePaths(tx *bolt.Tx, changes map[pathID]*change) error {
	for id, c := range changes {
		if c.known {
			about, err := json.Marshal(c.Path.known())
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketPaths).Put(id[:], about); err != nil {
				return err
			}
		}
		if c.latest == nil {
			continue
		}
		if err := tx.Bucket(bucketLatest).Put(id[:], appendLatest(nil, &c.Path, c.latest)); err != nil {
			return err
		}
	}
	return nil
}

func writeProgress(tx *bolt.Tx, b *batch) error {
	parts := tx.Bucket(bucketParts)
	for name, offset := range b.progress {
		if err := parts.Put([]byte(name), binary.AppendVarint(nil, offset)); err != nil {
			return err
		}
	}
	for name := range b.gone {
		if err := parts.Delete([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes buckets that are too old, and tells whether there are more.
func (s *Store) sweep(tx *bolt.Tx, now time.Time) (more bool, err error) {
	points := tx.Bucket(bucketPoints)
	var old [][]byte
	for i, t := range s.tiers {
		end := key{tier: uint8(i), index: t.index(now.Add(-t.keep))}.append(nil)
		c := points.Cursor()
		for k, _ := c.Seek([]byte{uint8(i)}); k != nil && bytes.Compare(k, end) < 0 && len(old) < maxSweep; k, _ = c.Next() {
			old = append(old, bytes.Clone(k))
		}
	}
	for _, k := range old {
		if err := points.Delete(k); err != nil {
			return false, err
		}
	}
	return len(old) == maxSweep, nil
}

// sweepPaths removes the paths that there is nothing left of.
func (s *Store) sweepPaths(tx *bolt.Tx, b *batch) (expired []pathID, err error) {
	for id, p := range s.paths {
		if b.paths[id] != nil || b.now.Sub(p.Last) <= s.keep {
			continue
		}
		expired = append(expired, id)
		for _, name := range [][]byte{bucketPaths, bucketLatest} {
			if err := tx.Bucket(name).Delete(id[:]); err != nil {
				return nil, err
			}
		}
	}
	return expired, nil
}

// count counts what a batch has brought.
func (s *Store) count(b *batch) {
	s.metrics.reports.Add(float64(b.reports))
	for reason, n := range b.left {
		s.metrics.left.WithLabelValues(reason).Add(float64(n))
	}
	if b.left[leftLimit] > 0 && !s.saidFull {
		s.saidFull = true
		s.log.Warn("too many paths for the history: further ones are left out until others have ended for so long that nothing is kept of them", "limit", s.limit)
	}
}

// publish makes a batch seen.
func (s *Store) publish(b *batch, minutes map[pathID][]Point, expired []pathID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range b.paths {
		p := &state{c.Path}
		p.Spark = spark(p.Spark, minutes[id], b.now.Add(-time.Hour))
		s.paths[id] = p
	}
	for _, id := range expired {
		delete(s.paths, id)
	}
	if len(b.paths) == 0 && len(expired) == 0 {
		return
	}
	for c := range s.wake {
		select {
		case c <- struct{}{}:
		default: // it has not taken the last one
		}
	}
}

// spark puts minutes, in order, in the place of their former selves. It makes a
// new one: others may be reading the old.
func spark(old, minutes []Point, from time.Time) []Point {
	all := make([]Point, 0, len(old)+len(minutes))
	keep := func(p Point) {
		if p.End.After(from) {
			all = append(all, p)
		}
	}
	for _, m := range minutes {
		for len(old) > 0 && old[0].Start.Before(m.Start) {
			keep(old[0])
			old = old[1:]
		}
		if len(old) > 0 && old[0].Start.Equal(m.Start) {
			old = old[1:]
		}
		keep(m)
	}
	for _, p := range old {
		keep(p)
	}
	return all
}
