// Package history keeps what the reports of a fleet say about its paths over
// time, small enough for a month, and gives it back in intervals of any length:
// histograms are merged, percentiles never averaged.
//
// It is made of the files of the journal and of nothing else, and may be deleted
// at any time: it is then made anew.
package history

import "time"

// Path is what a prober tests, and how it stands.
type Path struct {
	ID      string // stable, of letters and digits only: for addresses of pages
	Prober  string
	Target  string
	Address string // and port
	Labels  map[string]string

	Mode     string // stamp, light or twamp
	Interval time.Duration
	First    time.Time     // start of the first report that is known
	Last     time.Time     // end of the last report
	Every    time.Duration // from one report to the next; 0: unknown
	Latest   Point         // the last report
	Spark    []Point       // the last hour, oldest first, one minute each: those that have reports, with their counts and RTT only
}

// Point is a path over a time.
type Point struct {
	Start, End   time.Time
	Reports      int // 0: nothing is known of this time
	Sent         uint64
	Received     uint64
	Lost         uint64
	LostForward  *uint64 // nil: unknown
	LostBackward *uint64
	Late         uint64
	Duplicates   uint64
	Reordered    uint64
	Remarked     uint64 // packets whose DSCP was changed on the way
	SentDSCP     uint8
	HopsForward  *Hops // nil: unknown
	HopsBackward *Hops
	Suspect      []string // why the prober's host may have disturbed the figures
	ClocksValid  bool     // one-way delays can be believed; else Forward and Backward are their variation: by how much each is above the smallest of its report

	RTT, Forward, Backward *Delay // nil: no reply; quantiles within 1.6 %
	JitterNs               *int64 // P95 - P50 of the round trip
}

// Hops are hop counts.
type Hops struct {
	Min, Max int
	Changed  bool
}

// Delay is the distribution of a delay in nanoseconds.
type Delay struct {
	N                                       uint64
	Min, P25, P50, P75, P95, P99, P999, Max int64
	Mean                                    float64
}

// Bar is a part of a distribution.
type Bar struct {
	From, To int64 // ns
	N        uint64
}

// Series is a path over a range, in points of the same length.
type Series struct {
	Path   Path
	Step   time.Duration
	Points []Point // without gaps; those of which nothing is known have no reports
}
