package stats

// dense counts values in buckets that grow with their distance from an origin,
// on both sides of it. The buckets are those of an HDR histogram, but the
// origin never moves: a value below all others costs what any other costs, and
// is rounded once, however far the clocks drift.
type dense struct {
	moments
	origin int64
	above  []uint64 // counts by bucket of value-origin
	below  []uint64 // counts by bucket of origin-value, where that is positive
}

func (d *dense) add(v int64) {
	d.moments.add(v)
	d.count(v, 1)
}

// count counts a value so many times in its bucket.
func (d *dense) count(v int64, times uint64) {
	// Unsigned, so that a distance beyond int64 is right as well.
	if v >= d.origin {
		increase(&d.above, bucket(uint64(v)-uint64(d.origin)), times)
	} else {
		increase(&d.below, bucket(uint64(d.origin)-uint64(v)), times)
	}
}

// merge adds the values of another one, each as the middle of its bucket there;
// what is known exactly stays so. Without values of its own it takes the other's
// origin.
func (d *dense) merge(o *dense) {
	if d.n == 0 {
		d.origin = o.origin
	}
	exact := d.moments
	exact.merge(&o.moments)
	for v, count := range o.ascending {
		d.count(v, count)
	}
	d.moments = exact
}

// reset forgets the values and keeps the room.
func (d *dense) reset() {
	d.moments = moments{}
	clear(d.above)
	clear(d.below)
}

// increase grows counts, when it must, to where the width of buckets changes:
// at most 54 times.
func increase(counts *[]uint64, i int, times uint64) {
	if i >= len(*counts) {
		grown := make([]uint64, (i/halfRow+1)*halfRow)
		copy(grown, *counts)
		*counts = grown
	}
	(*counts)[i] += times
}

// ascending yields the middle of each bucket that holds values and how many,
// from the smallest to the largest. None is beyond the exact minimum and
// maximum.
func (d *dense) ascending(yield func(int64, uint64) bool) {
	for i := len(d.below) - 1; i >= 0; i-- {
		if d.below[i] == 0 {
			continue
		}
		distance := min(middle(i), uint64(d.origin)-uint64(d.min))
		if !yield(min(int64(uint64(d.origin)-distance), d.max), d.below[i]) {
			return
		}
	}
	for i, count := range d.above {
		if count == 0 {
			continue
		}
		distance := min(middle(i), uint64(d.max)-uint64(d.origin))
		if !yield(max(int64(uint64(d.origin)+distance), d.min), count) {
			return
		}
	}
}
