package threshold

import "tinytwamp/shared/events"

// quantities are the figures of a distribution.
var quantities = []struct {
	name string
	ns   func(*events.Distribution) int64
}{
	{"min", func(d *events.Distribution) int64 { return d.MinNs }},
	{"mean", func(d *events.Distribution) int64 { return d.MeanNs }},
	{"stddev", func(d *events.Distribution) int64 { return d.StddevNs }},
	{"p50", func(d *events.Distribution) int64 { return d.P50Ns }},
	{"p90", func(d *events.Distribution) int64 { return d.P90Ns }},
	{"p95", func(d *events.Distribution) int64 { return d.P95Ns }},
	{"p99", func(d *events.Distribution) int64 { return d.P99Ns }},
	{"p999", func(d *events.Distribution) int64 { return d.P999Ns }},
	{"max", func(d *events.Distribution) int64 { return d.MaxNs }},
}

// directions are the delays of a report; nil: it has none.
var directions = []struct {
	name  string
	delay func(*events.RTT) *events.Delay
}{
	{"rtt", func(e *events.RTT) *events.Delay { return e.RTT }},
	{"forward", func(e *events.RTT) *events.Delay { return oneWay(e.Forward) }},
	{"backward", func(e *events.RTT) *events.Delay { return oneWay(e.Backward) }},
	{"processing", func(e *events.RTT) *events.Delay { return e.Processing }},
}

func oneWay(d *events.OneWay) *events.Delay {
	if d == nil {
		return nil
	}
	return &d.Delay
}

// delays are the figures that are times.
func delays() []figure {
	all := spread("lateness_", func(e *events.RTT) *events.Distribution { return e.Lateness })
	for _, w := range directions {
		all = append(all, spread(w.name+"_", part(w.delay, func(d *events.Delay) *events.Distribution { return &d.Distribution }))...)
		all = append(all, spread(w.name+"_ipdv_", part(w.delay, func(d *events.Delay) *events.Distribution { return d.IPDV }))...)
		all = append(all, spread(w.name+"_pdv_", part(w.delay, func(d *events.Delay) *events.Distribution { return d.PDV }))...)
		all = append(all,
			figure{w.name + "_jitter", duration, single(w.delay, func(d *events.Delay) int64 { return d.JitterRFC3550Ns })},
			figure{w.name + "_p95_p50", duration, single(w.delay, func(d *events.Delay) int64 { return d.P95P50Ns })})
	}
	return all
}

// spread makes the figures of a distribution, whose names begin alike.
func spread(begin string, of func(*events.RTT) *events.Distribution) []figure {
	var all []figure
	for _, q := range quantities {
		all = append(all, figure{begin + q.name, duration, func(e *events.RTT) (int64, bool) {
			if d := of(e); d != nil {
				return q.ns(d), true
			}
			return 0, false
		}})
	}
	return all
}

// part gives a distribution of a delay, if there is one.
func part(delay func(*events.RTT) *events.Delay, of func(*events.Delay) *events.Distribution) func(*events.RTT) *events.Distribution {
	return func(e *events.RTT) *events.Distribution {
		if d := delay(e); d != nil {
			return of(d)
		}
		return nil
	}
}

// single gives one time of a delay, if there is one.
func single(delay func(*events.RTT) *events.Delay, ns func(*events.Delay) int64) func(*events.RTT) (int64, bool) {
	return func(e *events.RTT) (int64, bool) {
		if d := delay(e); d != nil {
			return ns(d), true
		}
		return 0, false
	}
}
