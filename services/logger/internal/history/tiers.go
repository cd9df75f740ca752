package history

import (
	"encoding/base32"
	"encoding/binary"
	"time"
)

// tier is how finely a time is kept. All tiers hold the present.
type tier struct {
	step time.Duration
	keep time.Duration
}

const minute = 1 // the tier of which sparklines are made

// tiersFor are the tiers of a history of so long, the finest first. Each holds
// some 120 to 400 buckets of a path, and so does any answer read.
func tiersFor(keep time.Duration) []tier {
	all := []tier{
		{10 * time.Second, 20 * time.Minute},
		{time.Minute, 6*time.Hour + 10*time.Minute},
		{5 * time.Minute, 26 * time.Hour},
		{30 * time.Minute, 8 * 24 * time.Hour},
		{2 * time.Hour, keep},
	}
	for i := range all {
		all[i].keep = min(all[i].keep, keep)
	}
	return all
}

// steps are those that the points of a series may have. From a minute on, each
// is whole steps of every tier that is not longer.
var steps = []time.Duration{
	10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 4 * 24 * time.Hour, 8 * 24 * time.Hour, 16 * 24 * time.Hour, 32 * 24 * time.Hour,
	64 * 24 * time.Hour, 128 * 24 * time.Hour, 256 * 24 * time.Hour, 512 * 24 * time.Hour, 1024 * 24 * time.Hour, 2048 * 24 * time.Hour,
}

// finest is the finest tier that still holds a time.
func (s *Store) finest(from, now time.Time) int {
	for i, t := range s.tiers {
		if now.Sub(from) <= t.keep {
			return i
		}
	}
	return len(s.tiers) - 1
}

// choose chooses the step of a series from from to to, of at most so many
// points, and the tier to make it of: the coarsest that divides it.
func (s *Store) choose(from, to, now time.Time, every time.Duration, points int) (step time.Duration, of int) {
	least := max(s.tiers[s.finest(from, now)].step, every)
	step = steps[len(steps)-1]
	for _, candidate := range steps {
		first := from.Truncate(candidate)
		if candidate >= least && to.Sub(first) <= time.Duration(points)*candidate {
			step = candidate
			break
		}
	}
	for i, t := range s.tiers {
		if step%t.step == 0 {
			of = i
		}
	}
	return step, of
}

// idSize is that of a path's identity: nobody makes up two paths with the same.
const idSize = 10

type pathID [idSize]byte

var idText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func (id pathID) String() string { return idText.EncodeToString(id[:]) }

func parseID(text string) (id pathID, ok bool) {
	if len(text) != idText.EncodedLen(idSize) {
		return id, false
	}
	n, err := idText.Decode(id[:], []byte(text))
	return id, err == nil && n == idSize
}

// key is where a bucket is stored: tier, time in its steps, path. So what is
// written together is stored together, and what is old comes first.
type key struct {
	tier  uint8
	index uint32
	id    pathID
}

const keySize = 1 + 4 + idSize

// index is that of the bucket that holds a time; of one before 1970, as a clock
// that is not set yet has it, the first.
func (t tier) index(at time.Time) uint32 {
	return uint32(max(at.Unix(), 0) / int64(t.step/time.Second))
}

func (t tier) start(index uint32) time.Time {
	return time.Unix(int64(index)*int64(t.step/time.Second), 0).UTC()
}

func (k key) append(to []byte) []byte {
	to = append(to, k.tier)
	to = binary.BigEndian.AppendUint32(to, k.index)
	return append(to, k.id[:]...)
}

func parseKey(b []byte) (k key, ok bool) {
	if len(b) != keySize {
		return k, false
	}
	k = key{tier: b[0], index: binary.BigEndian.Uint32(b[1:])}
	copy(k.id[:], b[5:])
	return k, true
}
