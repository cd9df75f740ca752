package stats

import (
	"math"
	"math/big"
	"math/bits"
)

// moments keeps what is known exactly of any number of values: integer sums,
// wide enough for 2^64 values of 64 bits. Floating point would lose the
// nanoseconds beside a clock offset of years.
type moments struct {
	n        uint64
	min, max int64
	sum      [2]uint64 // of the values as lifted; least significant word first
	squares  [3]uint64 // of their squares
}

// lift maps int64 to uint64 in the same order, so that sums need no sign.
const lift = 1 << 63

func (m *moments) add(v int64) {
	if m.n == 0 {
		m.min, m.max = v, v
	}
	m.n++
	m.min, m.max = min(m.min, v), max(m.max, v)

	u := uint64(v) + lift
	var carry uint64
	m.sum[0], carry = bits.Add64(m.sum[0], u, 0)
	m.sum[1] += carry
	high, low := bits.Mul64(u, u)
	m.squares[0], carry = bits.Add64(m.squares[0], low, 0)
	m.squares[1], carry = bits.Add64(m.squares[1], high, carry)
	m.squares[2] += carry
}

// merge adds the values of another one.
func (m *moments) merge(o *moments) {
	switch {
	case o.n == 0:
		return
	case m.n == 0:
		*m = *o
		return
	}
	m.n += o.n
	m.min, m.max = min(m.min, o.min), max(m.max, o.max)
	var carry uint64
	m.sum[0], carry = bits.Add64(m.sum[0], o.sum[0], 0)
	m.sum[1], _ = bits.Add64(m.sum[1], o.sum[1], carry)
	m.squares[0], carry = bits.Add64(m.squares[0], o.squares[0], 0)
	m.squares[1], carry = bits.Add64(m.squares[1], o.squares[1], carry)
	m.squares[2], _ = bits.Add64(m.squares[2], o.squares[2], carry)
}

// mean is rounded to the nearest integer. There must be a value.
func (m *moments) mean() int64 {
	lifted := roundedQuotient(wide(m.sum[:]), m.n)
	return int64(lifted.Uint64() - lift)
}

// stddev is the square root of n*squares-sum^2, over n, rounded to the nearest
// integer. There must be a value.
func (m *moments) stddev() int64 {
	sum := wide(m.sum[:])
	q := wide(m.squares[:])
	q.Mul(q, new(big.Int).SetUint64(m.n))
	q.Sub(q, sum.Mul(sum, sum))
	// Twice the root of q is the root of 4q: its integer part is enough to
	// round the quotient rightly.
	root2 := q.Sqrt(q.Lsh(q, 2))
	s := roundedHalves(root2, m.n)
	if !s.IsInt64() {
		return math.MaxInt64
	}
	return s.Int64()
}

// roundedQuotient is a/n, to the nearest integer.
func roundedQuotient(a *big.Int, n uint64) *big.Int {
	return roundedHalves(a.Lsh(a, 1), n)
}

// roundedHalves is (a/2)/n, to the nearest integer: (a+n)/(2n), rounded down.
func roundedHalves(a *big.Int, n uint64) *big.Int {
	d := new(big.Int).SetUint64(n)
	a.Add(a, d)
	return a.Div(a, d.Lsh(d, 1))
}

func wide(words []uint64) *big.Int {
	w := new(big.Int)
	for i := len(words) - 1; i >= 0; i-- {
		w.Lsh(w, 64)
		w.Or(w, new(big.Int).SetUint64(words[i]))
	}
	return w
}

// subtract is a-b, or the limit that it exceeds.
func subtract(a, b int64) int64 {
	d := a - b
	if (a < b) == (d < 0) {
		return d
	}
	if a < b {
		return math.MinInt64
	}
	return math.MaxInt64
}
