package events

import (
	"net/netip"
	"time"
)

// fullRTT returns a report with every field set, each to another value.
func fullRTT() *RTT {
	n := counter(0)
	return &RTT{
		Prober: "probe-1",
		Target: Target{Name: "core.lab", Host: "core.lab.example", Address: netip.MustParseAddrPort("[2001:db8::7]:862"), Labels: map[string]string{"site": "lab", "rack": "4"}},
		Session: Session{
			SSID: 4660, SID: "00112233445566778899aabbccddeeff", Port: 18760, Mode: "stamp", Auth: "authenticated", Source: netip.MustParseAddrPort("[2001:db8::1]:40001"), IntervalNs: 100_000_000,
			TimeoutNs: 2_000_000_000, Size: 172, Schedule: "poisson", Timestamp: "ptp", Message: "TWAMP test message <&>", Paths: []uint16{50000, 50001},
		},
		Report:  Report{Kind: ReportInterval, Index: 3, Start: at.Add(-10 * time.Second), End: at, Cut: true, Why: "its control connection was lost"},
		Planned: n.next(), Sent: n.next(), Received: n.next(), Late: n.next(), Lost: n.next(),
		LostForward: n.ptr(), LostBackward: n.ptr(), LostUnresolved: n.ptr(),
		Duplicates: n.next(), DuplicatesForward: n.ptr(), DuplicatesBackward: n.ptr(),
		Reordered: n.next(), Unexpected: n.next(), Implausible: n.next(), LateAfterReport: n.next(), SendErrors: n.next(),
		HMACFailed: 200, Unreflected: 204,
		RTT: n.delay(), Forward: &OneWay{Delay: *n.delay(), Valid: true}, Backward: &OneWay{Delay: *n.delay(), Valid: true}, Processing: n.delay(),
		LossPeriods: &LossPeriods{Count: n.next(), Longest: n.next(), MinDistance: n.ptr(), MaxDistance: n.ptr()},
		HopsForward: n.hops(), HopsBackward: n.hops(),
		Marking: Marking{
			SentDSCP: 46, SentECN: 1, ReflectorDSCP: new(uint8(34)), ReflectorECN: new(uint8(2)),
			ReturnedDSCP: new(uint8(32)), ReturnedECN: new(uint8(3)), Remarked: n.next(),
		},
		Extensions: &Extensions{
			Location: &Location{
				Source: netip.MustParseAddrPort("198.51.100.7:61001"), Destination: netip.MustParseAddrPort("[2001:db8::7]:862"), Translated: true,
			},
			TimestampInfo:     &TimestampInfo{SyncIn: "ntp", MethodIn: "sw_local", SyncOut: "gnss", MethodOut: "hw_assist"},
			DirectMeasurement: &DirectMeasurement{SenderTx: 201, ReflectorRx: 202, ReflectorTx: 203},
			AccessReport:      &AccessReport{Access: 2, ReturnCode: 1},
			DSCPRefused:       true,
			Unrecognized:      []string{"follow_up_telemetry"},
			Malformed:         []string{"location"},
			IntegrityFailed:   204,
		},
		Timestamps: Timestamps{T1Kernel: n.next(), T1User: n.next(), T3Kernel: n.next(), T3User: n.next(), T4Kernel: n.next(), T4User: n.next()},
		Clock: Clock{
			ProberSynchronized: true, ProberErrorNs: 15_000, ProberSteps: n.next(),
			ReflectorSynchronized: new(true), ReflectorErrorNs: new(int64(30_000)),
		},
		Lateness: n.distribution(),
		ICMP:     []ICMP{{From: netip.MustParseAddr("2001:db8::fe"), Type: 2, Code: 5, Text: "packet too big", MTU: 1280, Count: n.next()}},
		Health:   Health{KernelDrops: n.next(), ThrottledNs: 5_000_000, Suspect: true, Reasons: []string{"cpu throttled"}},
		Samples: []Sample{
			{
				Sequence: uint32(n.next()), Sent: at.Add(-9 * time.Second), State: SampleReceived, RTTNs: new(n.ns()), ForwardNs: new(-n.ns()),
				BackwardNs: new(n.ns()), ProcessingNs: new(n.ns()), SenderTTL: new(uint8(251)), TTL: new(uint8(247)),
			},
			{Sequence: uint32(n.next()), Sent: at.Add(-8 * time.Second), State: SampleLost},
		},
		SamplesCut: n.next(),
	}
}

// noReplyRTT returns a report on a target that did not answer: what could not
// be measured is null.
func noReplyRTT() *RTT {
	return &RTT{
		Prober:  "probe-1",
		Target:  Target{Name: "gone", Host: "192.0.2.9", Address: netip.MustParseAddrPort("192.0.2.9:862")},
		Session: Session{SSID: 1, Mode: "light", Auth: "none", Source: netip.MustParseAddrPort("192.0.2.1:40002"), IntervalNs: 100_000_000, TimeoutNs: 2_000_000_000, Size: 44, Schedule: "periodic", Timestamp: "ntp"},
		Report:  Report{Kind: ReportRun, Start: at.Add(-3 * time.Second), End: at},
		Planned: 10, Sent: 10, Lost: 10,
		LossPeriods: &LossPeriods{Count: 1, Longest: 10},
	}
}

// controlLog adds what TWAMP-Control has to [fullLog]: a record of each kind.
func controlLog() *Log {
	l := fullLog()
	opened := l.Records[0]
	opened.Mode, opened.KeyID, opened.SID = "authenticated+symmetrical-size", "joe", "000102030405060708090a0b0c0d0e0f"
	control := func(kind RecordKind, reason string) Record {
		return Record{Time: at, Kind: kind, Peer: opened.Peer, Local: opened.Local, Reason: reason}
	}
	up, refused := control(ControlOpened, ""), control(ControlRefused, "authentication_failed")
	up.Mode, up.KeyID = "mixed", "joe"
	refused.KeyID = "jim"
	l.Records = append(l.Records, opened, up, refused, control(ControlClosed, "by_client"), control(SessionRefused, "timeout"))
	return l
}

// fullLog returns a record of each kind that does without TWAMP-Control.
func fullLog() *Log {
	peer, local := netip.MustParseAddrPort("[fd7a:115c:a1e0::1801:7746]:40001"), netip.MustParseAddrPort("[fd7a:115c:a1e0::1]:862")
	record := func(kind RecordKind) Record {
		return Record{Time: at, Kind: kind, Peer: peer, Local: local, SSID: 4660}
	}
	received, sent, dropped, result, ended := record(PacketReceived), record(ResponseSent), record(PacketDropped), record(ResultReceived), record(SessionEnded)
	received.Sequence, received.Size, received.Message = new(uint32(0)), 172, "TWAMP test message"
	sent.Sequence, sent.Size = new(uint32(7)), 172
	dropped.Reason, dropped.Count = "rate limit", 3
	result.Result = &Result{Prober: "probe-1", Target: "core", Event: "ABCDEFGHIJKLMNOPQRSTUVWXYZ-42", Sent: 10, Received: 9, Lost: 1, RTTNs: new(int64(20_000_000)), Verified: true}
	ended.Reason, ended.Count = "idle", 10
	return &Log{Service: "reflector", Records: []Record{record(SessionOpened), received, sent, dropped, result, ended}, Omitted: 5}
}

func fullDeadLetter() *DeadLetter {
	return &DeadLetter{Reason: "not JSON", Subject: "twamp.v1.rtt.x.y.z", StreamSeq: 77, Size: 4, Body: []byte{0, 'a', '\n', 0xff}}
}

// counter hands out a different number each time.
type counter uint64

func (c *counter) next() uint64 { *c++; return uint64(*c) }
func (c *counter) ns() int64    { return int64(c.next()) * 1001 }
func (c *counter) ptr() *uint64 { return new(c.next()) }

func (c *counter) distribution() *Distribution {
	return &Distribution{
		MinNs: c.ns(), MeanNs: c.ns(), StddevNs: c.ns(), P50Ns: c.ns(), P90Ns: c.ns(), P95Ns: c.ns(),
		P99Ns: c.ns(), P999Ns: c.ns(), MaxNs: c.ns(), N: c.next(),
	}
}

func (c *counter) delay() *Delay {
	return &Delay{
		Distribution: *c.distribution(), IPDV: c.distribution(), PDV: c.distribution(),
		JitterRFC3550Ns: c.ns(), P95P50Ns: c.ns(), Histogram: &Histogram{BaseNs: -c.ns(), HDR: "HISTFAAAAAB42pNpmSzMwMDAxAABzFCaEUoAAAAA"},
	}
}

func (c *counter) hops() *Hops {
	return &Hops{Min: uint8(c.next()), Max: uint8(c.next()), Last: uint8(c.next()), Changes: c.next()}
}
