package history

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// known is what the database holds of a path beside its numbers.
type known struct {
	Prober, Target, Address string
	Labels                  map[string]string `json:",omitempty"`
	Mode                    string
	IntervalNs              int64
	First                   time.Time
}

func (p *Path) known() known {
	return known{p.Prober, p.Target, p.Address, p.Labels, p.Mode, int64(p.Interval), p.First}
}

// load reads what is kept in memory.
func (s *Store) load(tx *bolt.Tx) error {
	s.progress = make(map[string]int64)
	s.paths = make(map[pathID]*state)
	err := tx.Bucket(bucketParts).ForEach(func(name, v []byte) error {
		offset, n := binary.Varint(v)
		if n != len(v) {
			return fmt.Errorf("it does not tell how far %q has been read", name)
		}
		s.progress[string(name)] = offset
		return nil
	})
	if err != nil {
		return err
	}
	err = tx.Bucket(bucketPaths).ForEach(func(k, v []byte) error {
		var id pathID
		if copy(id[:], k) != idSize || len(k) != idSize {
			return fmt.Errorf("%x is no path", k)
		}
		p, err := loadPath(id, v, tx.Bucket(bucketLatest).Get(k))
		if err != nil {
			return err
		}
		s.paths[id] = &state{p}
		return nil
	})
	if err != nil {
		return err
	}
	return s.loadSparks(tx, time.Now())
}

func loadPath(id pathID, about, latest []byte) (Path, error) {
	var k known
	if err := json.Unmarshal(about, &k); err != nil {
		return Path{}, fmt.Errorf("what is known of path %v: %w", id, err)
	}
	p := Path{
		ID: id.String(), Prober: k.Prober, Target: k.Target, Address: k.Address, Labels: k.Labels,
		Mode: k.Mode, Interval: time.Duration(k.IntervalNs), First: k.First,
	}
	r := reader{rest: latest}
	start, end, every := r.signed(), r.signed(), r.signed()
	if r.bad {
		return Path{}, fmt.Errorf("the last report of path %v: %w", id, errBucket)
	}
	b, err := parseBucket(r.rest)
	if err != nil {
		return Path{}, fmt.Errorf("the last report of path %v: %w", id, err)
	}
	p.Last, p.Every = time.Unix(0, end).UTC(), time.Duration(every)
	p.Latest = b.point(time.Unix(0, start).UTC(), p.Last)
	return p, nil
}

// appendLatest appends the stored form of a last report.
func appendLatest(to []byte, p *Path, b *bucket) []byte {
	to = binary.AppendVarint(to, p.Latest.Start.UnixNano())
	to = binary.AppendVarint(to, p.Last.UnixNano())
	to = binary.AppendVarint(to, int64(p.Every))
	return appendBucket(to, b)
}

// loadSparks reads the last hour of all paths.
func (s *Store) loadSparks(tx *bolt.Tx, now time.Time) error {
	t := s.tiers[minute]
	from := key{tier: minute, index: t.index(now.Add(-time.Hour))}
	c := tx.Bucket(bucketPoints).Cursor()
	for k, v := c.Seek(from.append(nil)); k != nil; k, v = c.Next() {
		at, ok := parseKey(k)
		if !ok || at.tier != minute {
			break
		}
		b, err := parseBucket(v)
		if err != nil {
			return err
		}
		if p := s.paths[at.id]; p != nil {
			p.Spark = append(p.Spark, sparkPoint(t, at.index, b))
		}
	}
	return nil
}

// sparkPoint is a minute with what a sparkline shows: the counts and the round
// trip.
func sparkPoint(t tier, index uint32, b *bucket) Point {
	slim := bucket{reports: b.reports, counts: b.counts, lost: b.lost}
	slim.delays[delayRTT] = b.delays[delayRTT]
	start := t.start(index)
	return slim.point(start, start.Add(t.step))
}
