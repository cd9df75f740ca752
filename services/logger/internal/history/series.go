package history

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds on what can be asked for.
const (
	minPoints = 2 // one would be of a time that the range is a small part of
	MaxPoints = 2000
	MaxBars   = 2000
)

// Series returns a path from one time to another in at most so many points, from
// 2 to [MaxPoints]. They are no shorter than its reports are, nor than what the
// history holds of that time. The range is cut to what there can be: of one that
// is outside there are no points.
func (s *Store) Series(id string, from, to time.Time, points int) (Series, error) {
	p, from, to, err := s.look(id, from, to, points, minPoints)
	if err != nil {
		return Series{}, err
	}
	step, of := s.choose(from, to, time.Now(), p.Every, min(points, MaxPoints))
	series := Series{Path: p, Step: step}
	if !from.Before(to) {
		return series, nil
	}
	start := from.Truncate(step)
	sums := make([]bucket, (to.Sub(start)+step-1)/step)
	err = s.scan(id, of, start, to, func(at time.Time, b *bucket) {
		sums[at.Sub(start)/step].merge(b)
	})
	if err != nil {
		return Series{}, err
	}
	series.Points = make([]Point, len(sums))
	for i := range sums {
		at := start.Add(time.Duration(i) * step)
		series.Points[i] = sums[i].point(at, at.Add(step))
	}
	return series, nil
}

// Distribution returns the round-trip times of a path in at most so many bars,
// up to [MaxBars], without gaps. Beyond some 100 ns they are not of the same
// width, but of the same ratio: each is so many per cent.
func (s *Store) Distribution(id string, from, to time.Time, bars int) ([]Bar, error) {
	_, from, to, err := s.look(id, from, to, bars, 1)
	if err != nil {
		return nil, err
	}
	var sum delay
	of := s.finest(from, time.Now())
	err = s.scan(id, of, from.Truncate(s.tiers[of].step), to, func(_ time.Time, b *bucket) {
		sum.merge(&b.delays[delayRTT])
	})
	if err != nil || sum.n == 0 {
		return nil, err
	}
	first, last := sum.cells[0].index, sum.cells[len(sum.cells)-1].index
	each := (last-first)/int32(min(bars, MaxBars)) + 1 // cells
	all := make([]Bar, (last-first)/each+1)
	for i := range all {
		all[i].From, _ = bounds(first + int32(i)*each)
		_, all[i].To = bounds(min(first+int32(i+1)*each-1, last))
	}
	for _, c := range sum.cells {
		all[(c.index-first)/each].N += c.n
	}
	return all, nil
}

// look finds a path, and cuts a range to what can be known of it.
func (s *Store) look(id string, from, to time.Time, parts, least int) (p Path, start, end time.Time, err error) {
	p, ok := s.Path(id)
	if !ok {
		return p, from, to, ErrPath
	}
	if !from.Before(to) || parts < least {
		return p, from, to, ErrRange
	}
	now := time.Now()
	if oldest := now.Add(-s.keep); from.Before(oldest) {
		from = oldest
	}
	if latest := now.Add(maxAhead); to.After(latest) {
		to = latest
	}
	return p, from.UTC(), to.UTC(), nil
}

// scan gives the buckets of a path and a tier from a time that one starts at to
// another time.
func (s *Store) scan(id string, of int, from, to time.Time, each func(at time.Time, b *bucket)) error {
	path, _ := parseID(id)
	t := s.tiers[of]
	return s.view(func(tx *bolt.Tx) error {
		points, buf := tx.Bucket(bucketPoints), make([]byte, 0, keySize)
		for i := t.index(from); t.start(i).Before(to); i++ {
			buf = key{uint8(of), i, path}.append(buf[:0])
			stored := points.Get(buf)
			if stored == nil {
				continue
			}
			b, err := parseBucket(stored)
			if err != nil {
				return err
			}
			each(t.start(i), b)
		}
		return nil
	})
}
