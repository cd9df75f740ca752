package view

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

// burst is a result without anything special.
func burst() *events.RTT {
	end := time.Date(2026, 2, 3, 14, 5, 6, 0, time.Local)
	return &events.RTT{
		Prober:  "p1",
		Target:  events.Target{Name: "reflector.example", Host: "reflector.example", Address: netip.MustParseAddrPort("[2001:db8::1]:862")},
		Session: events.Session{SSID: 7, Mode: "stamp", IntervalNs: 100_000_000, TimeoutNs: 2_000_000_000, Size: 67, Schedule: "periodic", Timestamp: "ntp"},
		Report:  events.Report{Kind: events.ReportRun, Start: end.Add(-time.Second), End: end},
		Planned: 10, Sent: 10, Received: 10,
		RTT:     delay(9_980_000, 10_310_000),
		Forward: &events.OneWay{Delay: *delay(5_010_000, 5_120_000), Valid: true}, Backward: &events.OneWay{Delay: *delay(4_970_000, 5_200_000), Valid: true},
		Processing: delay(12_340, 1_234_567),
		Marking:    events.Marking{SentDSCP: 46, ReflectorDSCP: new(uint8(46)), ReturnedDSCP: new(uint8(46))},
		Timestamps: events.Timestamps{T1Kernel: 10, T3User: 10, T4Kernel: 10},
		Clock: events.Clock{
			ProberSynchronized: true, ProberErrorNs: 450_000, ReflectorSynchronized: new(true), ReflectorErrorNs: new(int64(1_200_000)),
		},
		HopsForward: &events.Hops{Min: 5, Max: 5, Last: 5}, HopsBackward: &events.Hops{Min: 6, Max: 6, Last: 6},
		ICMP: []events.ICMP{}, Health: events.Health{Reasons: []string{}},
	}
}

func delay(least, most int64) *events.Delay {
	mean := least + (most-least)/2
	return &events.Delay{
		Distribution:    events.Distribution{MinNs: least, MeanNs: mean, StddevNs: (most - least) / 4, P50Ns: mean, P90Ns: mean + 1000, P95Ns: mean + 2000, P99Ns: most, P999Ns: most, MaxNs: most, N: 10},
		JitterRFC3550Ns: 41_210,
	}
}

// lossy has losses in both directions.
func lossy() *events.RTT {
	e := burst()
	e.Received, e.Lost = 7, 3
	e.LostForward, e.LostBackward, e.LostUnresolved = new(uint64(2)), new(uint64(1)), new(uint64(0))
	e.LossPeriods = &events.LossPeriods{Count: 2, Longest: 2, MinDistance: new(uint64(1)), MaxDistance: new(uint64(5))}
	return e
}

// silent is a target that does not answer, but a router does.
func silent() *events.RTT {
	e := burst()
	e.Target = events.Target{Name: "192.0.2.1:862", Host: "192.0.2.1", Address: netip.MustParseAddrPort("192.0.2.1:862")}
	e.Session.Mode = "light"
	e.Received, e.Lost = 0, 10
	e.RTT, e.Forward, e.Backward, e.Processing, e.HopsForward, e.HopsBackward = nil, nil, nil, nil, nil, nil
	e.ICMP = []events.ICMP{{From: netip.MustParseAddr("198.51.100.1"), Type: 3, Code: 1, Text: "host unreachable", Count: 10}}
	return e
}

// wide has all that a summary can say, and says it at length: names and
// addresses as long as they come, a reflector's clock that was never set.
func wide() *events.RTT {
	e := lossy()
	e.Target.Name = strings.Repeat("röhre-", 40) + ".example"
	e.Target.Address = netip.MustParseAddrPort("[2001:db8:1234:5678:9abc:def0:1234:5678]:18620")
	e.Session.IntervalNs, e.Session.Size = 123_456_789, 65_507
	e.Planned, e.Sent, e.Received, e.Late, e.Lost = 42_000_000, 36_000_000, 34_999_997, 1_000_000, 3
	e.Duplicates, e.Reordered, e.Unexpected, e.Implausible, e.SendErrors = 2, 3_000_000, 4, 5, 6_000_000
	e.Forward = &events.OneWay{Delay: *delay(-1_798_761_600_123_456_789, -1_798_761_600_000_000_000)}
	e.Backward = &events.OneWay{Delay: *delay(12_345_000_000_000, 1_798_761_600_123_456_789)}
	e.Processing = delay(-999_960, 999_960_000_000)
	e.LostUnresolved = new(uint64(9))
	e.Marking = events.Marking{SentDSCP: 46, ReturnedDSCP: new(uint8(0)), Remarked: 34_999_997, ReturnedECN: new(uint8(3))}
	e.LossPeriods = &events.LossPeriods{Count: 3, Longest: 1_234_567}
	e.LateAfterReport, e.DuplicatesForward, e.DuplicatesBackward = 77, new(uint64(2)), new(uint64(0))
	e.HopsForward, e.HopsBackward = &events.Hops{Min: 5, Max: 7, Last: 7, Changes: 3}, &events.Hops{Min: 191, Max: 191, Last: 191}
	e.Timestamps = events.Timestamps{T1Kernel: 34_000_000, T1User: 999_997, T3User: 34_999_997, T4Kernel: 34_999_997}
	e.Clock = events.Clock{ProberSynchronized: true, ProberErrorNs: 450_000, ReflectorSynchronized: new(false), ReflectorErrorNs: new(int64(0))}
	e.ICMP = []events.ICMP{{
		From: netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:9999"), Type: 1, Code: 6, Text: "reject route to destination", Count: 1_234_567,
	}}
	e.Health = events.Health{Suspect: true, Reasons: []string{
		"packets were sent late, in the 99th percentile by 12.345678ms",
		"this process was denied the CPU for 1h12m34.123456789s by its cgroup, and then again and again",
	}}
	return e
}

// rewritten is a target whose replies come back with another DSCP, in an
// interval of 10 s.
func rewritten() *events.RTT {
	e := burst()
	e.Target = events.Target{Name: "東京.example", Host: "tokyo.example", Address: netip.MustParseAddrPort("192.0.2.81:862")}
	e.Report.Kind = events.ReportInterval
	e.Marking.ReturnedDSCP, e.Marking.Remarked = new(uint8(0)), 10
	return e
}

// told is a result with all that a reflector can tell by TLVs.
func told() *events.RTT {
	e := burst()
	e.Session.Source, e.Session.Auth = netip.MustParseAddrPort("[2001:db8::9]:49152"), "authenticated"
	e.HMACFailed = 2
	e.Extensions = &events.Extensions{
		Location: &events.Location{
			Source: netip.MustParseAddrPort("[2001:db8:ffff::7]:61001"), Destination: e.Target.Address, Translated: true,
		},
		TimestampInfo:     &events.TimestampInfo{SyncIn: "gnss", MethodIn: "hw_assist", SyncOut: "local", MethodOut: "sw_local"},
		DirectMeasurement: &events.DirectMeasurement{SenderTx: 1010, ReflectorRx: 1009, ReflectorTx: 1009},
		DSCPRefused:       true, Unrecognized: []string{"access_report"}, Malformed: []string{"follow_up_telemetry"}, IntegrityFailed: 1,
	}
	return e
}

// paths are the reports of a target that is tested from three own ports, and
// the one that sums them up. One path loses packets.
func paths() []*events.RTT {
	all := burst()
	all.Session.SSID, all.Session.Paths = 0, []uint16{50000, 50001, 50002}
	all.Planned, all.Sent, all.Received, all.Lost = 30, 30, 27, 3
	all.LostForward, all.LostBackward, all.LostUnresolved = new(uint64(2)), new(uint64(1)), new(uint64(0))
	reports := []*events.RTT{burst(), lossy(), burst()}
	for i, e := range reports {
		e.Session.Source = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::2"), uint16(50000+i))
	}
	return append(reports, all)
}

// fleet are so many targets, of which each fifth is in some trouble.
func fleet(n int) []*events.RTT {
	var all []*events.RTT
	for i := range n {
		e := burst()
		if i%5 == 0 {
			e = []*events.RTT{silent(), lossy(), rewritten()}[i/5%3]
		}
		e.Target.Name = fmt.Sprintf("site-%04d.example", i)
		e.Target.Address = netip.MustParseAddrPort(fmt.Sprintf("10.0.%d.%d:862", i/250, 1+i%250))
		all = append(all, e)
	}
	return all
}

// boardOf holds the reports of sessions that have all begun before.
func boardOf(reports ...*events.RTT) *board {
	b := &board{}
	for _, e := range reports {
		if len(e.Session.Paths) == 0 {
			b.session(e)
		}
	}
	for _, e := range reports {
		b.take(e, false)
	}
	return b
}

func replies() []prober.Reply {
	near, far := &burst().Target, &wide().Target
	return []prober.Reply{
		{Target: near, Number: 0, Size: 67, RTT: 9_980_000, Known: true, Hops: 5},
		{Target: near, Number: 1, Size: 67, RTT: 1_234_567_890, Known: true, Hops: -1},
		{Target: near, Number: 1, Size: 67, RTT: 10_000_000, Known: true, Hops: 5, Duplicate: true},
		{Target: near, Number: 2, Size: 44, Hops: 5},
		{Target: near, Number: 3, Size: 67, RTT: 2_100_000_000, Known: true, Hops: 5, Late: true},
		{Target: far, Number: 9, Size: 44, RTT: 12_345_678, Known: true, Hops: 12},
		{Target: far, Number: 1<<64 - 1, Size: 65_507, RTT: 12_345_678, Known: true, Hops: 255, Duplicate: true, Late: true},
	}
}
