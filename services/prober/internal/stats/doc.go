// Package stats turns what one session measured in one report interval into
// the figures of its report: distributions, delay variation, loss periods and
// hop counts.
//
// It is pure: no clock, no I/O, no goroutines. Each type's zero value is ready
// to use, takes one packet in O(1) without allocating once its buffer has
// grown, and is for one goroutine at a time. Report tells the interval so far,
// Follow begins the next one.
package stats
