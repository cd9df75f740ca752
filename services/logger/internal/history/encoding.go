package history

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"
)

// A bucket is stored as its version, what it has, and varints: some 50 octets,
// and 2 or 3 for each cell of its delays.
const bucketVersion = 1

// What a bucket has, as bits.
const (
	hasLostForward = 1 << iota
	hasLostBackward
	hasHopsForward
	hasHopsBackward
	hopsForwardChanged
	hopsBackwardChanged
	hasDelays // the first of them
)

var errBucket = errors.New("history: not a bucket")

// maxCount bounds a number in a bucket: that of many reports of
// [paths.Values]' bound does not reach it, nor does the sum of two overflow.
const maxCount = 1 << 62

// appendBucket appends the stored form.
func appendBucket(to []byte, b *bucket) []byte {
	to = append(to, bucketVersion)
	to = binary.AppendUvarint(to, b.has())
	to = binary.AppendUvarint(to, b.reports)
	to = binary.AppendVarint(to, b.last)
	to = append(to, b.dscp)
	for _, n := range b.counts {
		to = binary.AppendUvarint(to, n)
	}
	for i := range b.lost {
		if b.lost[i].known {
			to = binary.AppendUvarint(to, b.lost[i].n)
		}
		if b.hops[i].known {
			to = append(to, b.hops[i].min, b.hops[i].max)
		}
	}
	to = append(to, byte(len(b.reasons)))
	for _, r := range b.reasons {
		to = append(to, byte(len(r)))
		to = append(to, r...)
	}
	for i := range b.delays {
		if b.delays[i].n > 0 {
			to = b.delays[i].append(to)
		}
	}
	return to
}

// has tells what the bucket has, as bits.
func (b *bucket) has() (bits uint64) {
	set := func(bit uint64, yes bool) {
		if yes {
			bits |= bit
		}
	}
	set(hasLostForward, b.lost[0].known)
	set(hasLostBackward, b.lost[1].known)
	set(hasHopsForward, b.hops[0].known)
	set(hasHopsBackward, b.hops[1].known)
	set(hopsForwardChanged, b.hops[0].changed)
	set(hopsBackwardChanged, b.hops[1].changed)
	for i := range b.delays {
		set(hasDelays<<i, b.delays[i].n > 0)
	}
	return bits
}

func (d *delay) append(to []byte) []byte {
	to = binary.AppendVarint(to, d.min)
	to = binary.AppendUvarint(to, uint64(d.max-d.min))
	to = binary.BigEndian.AppendUint64(to, math.Float64bits(d.sum))
	to = binary.AppendUvarint(to, uint64(len(d.cells)))
	before := int32(-maxIndex)
	for _, c := range d.cells {
		to = binary.AppendUvarint(to, uint64(c.index-before))
		to = binary.AppendUvarint(to, c.n)
		before = c.index
	}
	return to
}

// parseBucket reads the stored form.
func parseBucket(from []byte) (*bucket, error) {
	r := reader{rest: from}
	if r.octet() != bucketVersion {
		return nil, errBucket
	}
	b := new(bucket)
	has := r.number()
	b.reports = r.number()
	b.last = r.signed()
	b.dscp = r.octet()
	for i := range b.counts {
		b.counts[i] = r.number()
	}
	for i := range b.lost {
		if has&(hasLostForward<<i) != 0 {
			b.lost[i] = optional{true, r.number()}
		}
		if has&(hasHopsForward<<i) != 0 {
			b.hops[i] = hops{known: true, min: r.octet(), max: r.octet(), changed: has&(hopsForwardChanged<<i) != 0}
		} else if has&(hopsForwardChanged<<i) != 0 {
			return nil, errBucket
		}
	}
	reasons := r.octet()
	if reasons > maxReasons || has >= hasDelays<<delays {
		return nil, errBucket
	}
	for range reasons {
		b.reasons = append(b.reasons, r.text())
	}
	for i := range b.delays {
		if has&(hasDelays<<i) != 0 {
			r.delay(&b.delays[i])
		}
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errBucket
	}
	return b, nil
}

// reader takes numbers off. Behind the first that is bad it gives zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() {
	r.bad, r.rest = true, nil
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) octet() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// number takes one off that two of can be added.
func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > maxCount {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) text() string {
	s := string(r.take(int(r.octet())))
	if len(s) > maxReason || !utf8.ValidString(s) {
		r.fail()
	}
	return s
}

func (r *reader) delay(d *delay) {
	d.min = r.signed()
	width := r.number()
	d.max = d.min + int64(min(width, uint64(2*largest)))
	if sum := r.take(8); sum != nil {
		d.sum = math.Float64frombits(binary.BigEndian.Uint64(sum))
	}
	size := r.number()
	if d.min < -largest || d.max > largest || width > uint64(2*largest) || math.IsNaN(d.sum) || math.IsInf(d.sum, 0) ||
		size == 0 || size > maxCells || size > uint64(len(r.rest)/2) {
		r.fail()
		return
	}
	d.cells = make([]cell, size)
	at := int64(-maxIndex)
	for i := range d.cells {
		step, n := r.number(), r.number()
		at += int64(min(step, 4*maxIndex))
		if d.n += n; at > maxIndex || step == 0 && i > 0 || n == 0 || d.n > maxCount {
			r.fail()
			return
		}
		d.cells[i] = cell{int32(at), n}
	}
}
