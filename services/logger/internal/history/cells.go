package history

import (
	"math"
	"math/bits"
	"slices"
)

// A delay is counted in cells: of 1 ns up to 64 ns, and beyond that 32 to each
// doubling, so that a value that stands for its cell is off by 1.6 % at most.
// Those of negative delays mirror them.
const (
	cellBits  = 5
	cellsEach = 1 << cellBits // doubling
)

// largest is an hour, which no reply is awaited for: what an event claims beyond
// counts as that. It bounds the cells of a delay.
const (
	largest  = int64(3600e9)
	maxIndex = (42-cellBits-1)*cellsEach + 2*cellsEach // above that of largest, which has 42 bits
)

// maxCells bounds the cells of a stored delay, which could fill the disk: those
// that are kept span 10 doublings of each sign, or 20 of one. Smaller values count
// as 0.
const maxCells = 640

// cell counts values of about the same size.
type cell struct {
	index int32
	n     uint64
}

// indexOf is the cell of a value.
func indexOf(ns int64) int32 {
	if ns < 0 {
		return -indexOf(-ns)
	}
	shift := max(bits.Len64(uint64(ns))-cellBits-1, 0)
	return int32(shift*cellsEach + int(ns>>shift))
}

// bounds are the values that fall into a cell, from the one to below the other;
// of a negative cell, from above the one to the other.
func bounds(index int32) (from, to int64) {
	if index < 0 {
		from, to = bounds(-index)
		return -to, -from
	}
	shift := max(index/cellsEach-1, 0)
	from = int64(index-shift*cellsEach) << shift
	return from, from + 1<<shift
}

// middle is the value that stands for a cell.
func middle(index int32) int64 {
	if index < 0 {
		return -middle(-index)
	}
	from, to := bounds(index)
	return from + (to-from)/2
}

// delay is the distribution of a delay. Its cells are in order, and none is
// empty.
type delay struct {
	n        uint64
	sum      float64 // of values
	min, max int64
	cells    []cell
}

// add adds a value so many times. It is not below the largest one.
func (d *delay) add(ns int64, times uint64) {
	if d.n == 0 {
		d.min = ns
	}
	d.max = ns
	d.n += times
	d.sum += float64(ns) * float64(times)
	i := indexOf(ns)
	if last := len(d.cells) - 1; last >= 0 && d.cells[last].index == i {
		d.cells[last].n += times
	} else {
		d.cells = append(d.cells, cell{i, times})
	}
}

// merge adds all values of another.
func (d *delay) merge(o *delay) {
	if o.n == 0 {
		return
	}
	if d.n == 0 {
		*d = *o
		d.cells = slices.Clone(o.cells)
		return
	}
	d.n += o.n
	d.sum += o.sum
	d.min, d.max = min(d.min, o.min), max(d.max, o.max)
	d.cells = mergeCells(d.cells, o.cells)
	d.trim()
}

// trim keeps to maxCells.
func (d *delay) trim() {
	over := len(d.cells) - maxCells
	if over <= 0 {
		return
	}
	sizes := make([]int32, len(d.cells))
	for i, c := range d.cells {
		sizes[i] = max(c.index, -c.index)
	}
	slices.Sort(sizes)
	small, kept := sizes[over], make([]cell, 0, maxCells)
	for _, c := range d.cells {
		if -small <= c.index && c.index <= small {
			c.index = 0
		}
		if last := len(kept) - 1; last >= 0 && kept[last].index == c.index {
			kept[last].n += c.n
		} else {
			kept = append(kept, c)
		}
	}
	d.cells = kept
}

func mergeCells(a, b []cell) []cell {
	all := make([]cell, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch x, y := a[0], b[0]; {
		case x.index < y.index:
			all, a = append(all, x), a[1:]
		case x.index > y.index:
			all, b = append(all, y), b[1:]
		default:
			all, a, b = append(all, cell{x.index, x.n + y.n}), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// quantile is the value that a share q of all is not above, by nearest rank.
func (d *delay) quantile(q float64) int64 {
	rank, seen := max(uint64(math.Ceil(q*float64(d.n))), 1), uint64(0)
	for _, c := range d.cells {
		if seen += c.n; seen >= rank {
			return max(d.min, min(middle(c.index), d.max))
		}
	}
	return d.max
}

// figures are what a page shows; nil: there are no values.
func (d *delay) figures() *Delay {
	if d == nil || d.n == 0 {
		return nil
	}
	return &Delay{
		N: d.n, Min: d.min, Max: d.max, Mean: d.sum / float64(d.n),
		P25: d.quantile(0.25), P50: d.quantile(0.5), P75: d.quantile(0.75),
		P95: d.quantile(0.95), P99: d.quantile(0.99), P999: d.quantile(0.999),
	}
}
