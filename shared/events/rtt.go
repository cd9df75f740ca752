package events

import (
	"net/netip"
	"time"
)

// RTT is the result of one test session: of a whole run (a burst), or of one
// interval of a continuous test. Its type is [TypeRTT].
//
// Counts are packets. Every packet that was sent is in exactly one of
// Received, Late and Lost. Fields that end in _ns are integer nanoseconds; a
// figure that could not be measured is null, never 0.
type RTT struct {
	Prober  string  `json:"prober"`  // the prober's -name
	Target  Target  `json:"target"`  // what was tested
	Session Session `json:"session"` // how it was tested
	Report  Report  `json:"report"`  // which part of the test this is

	Planned  uint64 `json:"planned"`  // packets that the schedule held
	Sent     uint64 `json:"sent"`     // packets that left: received + late + lost
	Received uint64 `json:"received"` // answered within the timeout
	Late     uint64 `json:"late"`     // answered after the timeout, before this report was made
	Lost     uint64 `json:"lost"`     // not answered

	LostForward    *uint64 `json:"lost_forward"`    // lost on the way to the reflector; null: the reflector's sequence numbers do not tell
	LostBackward   *uint64 `json:"lost_backward"`   // lost on the way back; null: likewise
	LostUnresolved *uint64 `json:"lost_unresolved"` // lost after the last answer that could tell the direction; null: likewise

	Duplicates         uint64  `json:"duplicates"`          // replies beyond the first to a packet
	DuplicatesForward  *uint64 `json:"duplicates_forward"`  // of these, doubled on the way to the reflector; null: unknown
	DuplicatesBackward *uint64 `json:"duplicates_backward"` // of these, doubled on the way back; null: unknown

	Reordered       uint64 `json:"reordered"`             // replies that came after a later packet's (RFC 4737 section 3)
	Unexpected      uint64 `json:"unexpected"`            // datagrams from the target that fit no packet of the session
	Implausible     uint64 `json:"implausible"`           // replies with T3-T2 outside [0, T4-T1]: received, but without delays
	LateAfterReport uint64 `json:"late_after_report"`     // replies to packets that an earlier report counted as lost
	HMACFailed      uint64 `json:"hmac_failed"`           // replies whose HMAC did not verify: not taken for replies
	Unreflected     uint64 `json:"unreflected,omitempty"` // replies in which the octets that were to be reflected (RFC 6038) did not come back as they were sent
	SendErrors      uint64 `json:"send_errors"`           // packets of the schedule that the host refused to send

	RTT        *Delay  `json:"rtt"`        // (T4-T1)-(T3-T2)
	Forward    *OneWay `json:"forward"`    // T2-T1
	Backward   *OneWay `json:"backward"`   // T4-T3
	Processing *Delay  `json:"processing"` // T3-T2, in the reflector

	LossPeriods *LossPeriods `json:"loss_periods"` // null: no packet was lost

	HopsForward  *Hops   `json:"hops_forward"`  // null: the reflector does not report TTL
	HopsBackward *Hops   `json:"hops_backward"` // null: this host does not report TTL
	Marking      Marking `json:"marking"`       // DSCP and ECN along the path

	Extensions *Extensions `json:"extensions"` // what the reflector told by TLVs; null: it was not asked

	Timestamps Timestamps `json:"timestamps"` // where the prober's timestamps came from
	Clock      Clock      `json:"clock"`      // what both ends say of their clocks

	Lateness *Distribution `json:"lateness"` // how late packets were handed to the network, against the schedule
	ICMP     []ICMP        `json:"icmp"`     // ICMP errors that came back, by kind
	Health   Health        `json:"health"`   // the measuring host's own condition

	Samples    []Sample `json:"samples,omitempty"`     // the first packets of the report in sending order, if they were asked for
	SamplesCut uint64   `json:"samples_cut,omitempty"` // packets of the report beyond those; 0 if none were asked for
}

// Target is what a session tests.
type Target struct {
	Name    string            `json:"name"`             // as the user calls it
	Host    string            `json:"host"`             // as it was asked for: name or address
	Address netip.AddrPort    `json:"address"`          // the address that was tested
	Labels  map[string]string `json:"labels,omitempty"` // the user's own
}

// Session is how a target was tested.
type Session struct {
	SSID       uint16         `json:"ssid"`                     // Session-Sender identifier, RFC 8972 section 3; 0 but in stamp mode
	SID        string         `json:"sid,omitempty"`            // session identifier of twamp mode in 32 hex digits, RFC 4656 section 3.5
	Port       uint16         `json:"reflector_port,omitempty"` // to which the packets go in twamp mode: that of the target's address is the control connection's
	Mode       string         `json:"mode"`                     // stamp, light or twamp
	Auth       string         `json:"auth"`                     // none, authenticated, mixed or encrypted
	Source     netip.AddrPort `json:"source"`                   // the prober's own end
	IntervalNs int64          `json:"interval_ns"`              // mean time between packets
	TimeoutNs  int64          `json:"timeout_ns"`               // after which a packet is lost
	Size       int            `json:"size"`                     // octets of UDP payload
	Schedule   string         `json:"schedule"`                 // periodic or poisson
	Timestamp  string         `json:"timestamp_format"`         // ntp or ptp, as sent
	Message    string         `json:"message"`                  // readable message in each packet
	Paths      []uint16       `json:"paths,omitempty"`          // the report sums up the sessions from these own ports, each of which has one of its own as well: SSID and the port of Source are 0, and there is no SID
}

// Kinds of [Report].
const (
	ReportRun      = "run"      // a burst from its first packet to its last
	ReportInterval = "interval" // a part of a continuous test
)

// Report places a report in its test. A packet belongs to the report in whose
// time it was sent; intervals of one session neither overlap nor leave gaps.
type Report struct {
	Kind  string    `json:"kind"`          // run or interval
	Index uint64    `json:"index"`         // 0 for the first of a session
	Start time.Time `json:"start"`         // of the time whose packets it holds
	End   time.Time `json:"end"`           // of that time, and the start of the next report
	Cut   bool      `json:"cut"`           // ended early: by a signal, since its target was changed or removed, or since its control connection was lost
	Why   string    `json:"why,omitempty"` // it ended early, in words
}

// SampleState is what became of a packet.
type SampleState string

// States of a [Sample], counted in the fields of the same name of [RTT].
const (
	SampleReceived SampleState = "received"
	SampleLate     SampleState = "late"
	SampleLost     SampleState = "lost"
)

// Sample is one packet of a report. Its delays are those that the report sums
// up: null for a packet that was not received, or that has none.
type Sample struct {
	Sequence     uint32      `json:"sequence"`      // the sender's, as on the wire
	Sent         time.Time   `json:"sent"`          // T1: of a received packet as its delays have it, else before the send
	State        SampleState `json:"state"`         // received, late or lost
	RTTNs        *int64      `json:"rtt_ns"`        // (T4-T1)-(T3-T2)
	ForwardNs    *int64      `json:"forward_ns"`    // T2-T1
	BackwardNs   *int64      `json:"backward_ns"`   // T4-T3
	ProcessingNs *int64      `json:"processing_ns"` // T3-T2
	SenderTTL    *uint8      `json:"sender_ttl"`    // TTL or hop limit of the packet at the reflector; null: unknown
	TTL          *uint8      `json:"ttl"`           // TTL or hop limit of the reply; null: unknown
}

// MaxSamples bounds the samples of a report: with as many, of numbers as long
// as they can be, its event stays below the 1 MiB that a NATS server takes by
// default, with a quarter of that for the rest.
const MaxSamples = 3000

// Distribution sums up a set of times. Quantiles are values that occurred (or
// within 0.1 % of one, beyond 65,536 values in a report).
type Distribution struct {
	MinNs    int64  `json:"min_ns"`    // smallest
	MeanNs   int64  `json:"mean_ns"`   // arithmetic mean
	StddevNs int64  `json:"stddev_ns"` // standard deviation
	P50Ns    int64  `json:"p50_ns"`    // median
	P90Ns    int64  `json:"p90_ns"`    // 90 % are not above it
	P95Ns    int64  `json:"p95_ns"`    // 95 % are not above it
	P99Ns    int64  `json:"p99_ns"`    // 99 % are not above it
	P999Ns   int64  `json:"p999_ns"`   // 99.9 % are not above it
	MaxNs    int64  `json:"max_ns"`    // largest
	N        uint64 `json:"n"`         // how many times it sums up
}

// Delay sums up a delay over received packets, and its variation, each
// definition under its own name.
type Delay struct {
	Distribution
	IPDV            *Distribution `json:"ipdv"`              // delay of a packet minus that of the packet sent before it, RFC 3393; null: no such pair
	PDV             *Distribution `json:"pdv"`               // delay minus the smallest one, RFC 5481 section 4.2
	JitterRFC3550Ns int64         `json:"jitter_rfc3550_ns"` // smoothed, RFC 3550 section 6.4.1
	P95P50Ns        int64         `json:"p95_p50_ns"`        // p95 minus p50
	Histogram       *Histogram    `json:"histogram"`         // all values, to be merged with those of other reports
}

// OneWay is a delay in one direction. It is signed: it holds the offset
// between the two clocks, which is why it says whether to trust it. Its
// variation does not depend on the offset.
type OneWay struct {
	Delay
	Valid bool `json:"valid"` // both clocks say that they are synchronized, and neither stepped
}

// Histogram is an HDR histogram (3 significant digits, V2 compressed, base64).
// Histograms of several reports can be merged once their bases are added back.
type Histogram struct {
	BaseNs int64  `json:"base_ns"` // value = base_ns + recorded
	HDR    string `json:"hdr_v2"`  // of integers from 0, in nanoseconds
}

// LossPeriods describes how losses cluster, RFC 3357.
type LossPeriods struct {
	Count       uint64  `json:"count"`        // loss periods: runs of consecutive lost packets
	Longest     uint64  `json:"longest"`      // packets in the longest one
	MinDistance *uint64 `json:"min_distance"` // smallest sequence distance between two lost packets, loss distance; null: one loss
	MaxDistance *uint64 `json:"max_distance"` // largest one; null: one loss
}

// Hops is a path's length: 255 minus the TTL or hop limit on arrival.
type Hops struct {
	Min     uint8  `json:"min"`     // shortest in the report
	Max     uint8  `json:"max"`     // longest
	Last    uint8  `json:"last"`    // of its last packet
	Changes uint64 `json:"changes"` // how often it differed from the packet before
}

// Marking follows DSCP and ECN along the path. Null: that end does not report it.
type Marking struct {
	SentDSCP      uint8  `json:"sent_dscp"`      // as it left
	SentECN       uint8  `json:"sent_ecn"`       // as it left
	ReflectorDSCP *uint8 `json:"reflector_dscp"` // as it arrived at the reflector
	ReflectorECN  *uint8 `json:"reflector_ecn"`  // as it arrived at the reflector
	ReturnedDSCP  *uint8 `json:"returned_dscp"`  // as the reply came back
	ReturnedECN   *uint8 `json:"returned_ecn"`   // as the reply came back
	Remarked      uint64 `json:"remarked"`       // replies that came back with another DSCP than was sent
}

// Extensions is what the reflector told by TLVs of RFC 8972, its last word in
// the report. Null: not asked for, or not told. Class of Service is in [Marking],
// Follow-Up Telemetry in [Timestamps].
type Extensions struct {
	Location          *Location          `json:"location"`           // where the packets came in, section 4.2
	TimestampInfo     *TimestampInfo     `json:"timestamp_info"`     // where its timestamps come from, section 4.3
	DirectMeasurement *DirectMeasurement `json:"direct_measurement"` // what both ends have counted, section 4.5
	AccessReport      *AccessReport      `json:"access_report"`      // of an access network, section 4.6
	DSCPRefused       bool               `json:"dscp_refused"`       // the reflector may not reply with the DSCP that was asked for, section 4.4.1
	Unrecognized      []string           `json:"unrecognized"`       // TLVs that it does not know
	Malformed         []string           `json:"malformed"`          // TLVs that it found malformed
	IntegrityFailed   uint64             `json:"integrity_failed"`   // replies whose TLVs are not to be trusted: the HMAC TLV failed on either way
}

// Location is between which addresses and ports the packets came in at the
// reflector.
type Location struct {
	Source      netip.AddrPort `json:"source"`      // the prober's, as the reflector saw it
	Destination netip.AddrPort `json:"destination"` // the reflector's own
	Translated  bool           `json:"translated"`  // the source is not what the prober sent from, or the destination not what it sent to: NAT
}

// TimestampInfo says where the reflector's timestamps come from, in the words
// of the registries of RFC 8972 section 5.
type TimestampInfo struct {
	SyncIn    string `json:"sync_in"`    // what the clock of T2 is synchronized by: ntp, ptp, ssu_bits, gnss, local, or a number
	MethodIn  string `json:"method_in"`  // how T2 was obtained: hw_assist, sw_local, control_plane, or a number
	SyncOut   string `json:"sync_out"`   // likewise of T3
	MethodOut string `json:"method_out"` // likewise of T3
}

// DirectMeasurement is how many packets of the session both ends have counted so
// far. Their differences between two reports are losses by direction.
type DirectMeasurement struct {
	SenderTx    uint32 `json:"sender_tx"`    // sent by the prober
	ReflectorRx uint32 `json:"reflector_rx"` // received by the reflector
	ReflectorTx uint32 `json:"reflector_tx"` // sent by the reflector
}

// AccessReport is what the reflector returned of the report on an access
// network.
type AccessReport struct {
	Access     uint8 `json:"access"`      // 1: 3GPP, 2: non-3GPP
	ReturnCode uint8 `json:"return_code"` // 1: available, 2: unavailable
}

// Timestamps counts received packets by the source of their timestamps: the
// kernel, or the program next to its system call. What the reflector's T2 is
// nobody tells.
type Timestamps struct {
	T1Kernel uint64 `json:"t1_kernel"` // by the kernel
	T1User   uint64 `json:"t1_user"`   // by the program, before its send
	T3Kernel uint64 `json:"t3_kernel"` // corrected by Follow-Up Telemetry, RFC 8972 section 4.7
	T3User   uint64 `json:"t3_user"`   // as in the reply itself, written before it left
	T4Kernel uint64 `json:"t4_kernel"` // by the kernel
	T4User   uint64 `json:"t4_user"`   // by the program, after its receive
}

// Clock holds what both ends say of their clocks (Error Estimate, RFC 4656
// section 4.1.2).
type Clock struct {
	ProberSynchronized    bool   `json:"prober_synchronized"`    // the prober's clock says so
	ProberErrorNs         int64  `json:"prober_error_ns"`        // how far it may be off, as it says
	ProberSteps           uint64 `json:"prober_steps"`           // steps of the wall clock seen during the report
	ReflectorSynchronized *bool  `json:"reflector_synchronized"` // likewise the reflector's; null: no reply
	ReflectorErrorNs      *int64 `json:"reflector_error_ns"`     // likewise the reflector's; null: no reply
}

// ICMP counts one kind of ICMP error.
type ICMP struct {
	From  netip.Addr `json:"from"`          // who sent it
	Type  uint8      `json:"type"`          // of ICMP, or of ICMPv6 if that address is one of IPv6
	Code  uint8      `json:"code"`          // of the type
	Text  string     `json:"text"`          // in words, for instance "port unreachable"
	MTU   uint32     `json:"mtu,omitempty"` // the largest packet that fits, in octets, if it was told
	Count uint64     `json:"count"`         // errors of this kind
}

// Health is the measuring host's own condition during the report.
type Health struct {
	KernelDrops uint64   `json:"kernel_drops"` // datagrams that the kernel dropped for want of buffer, on the session's socket
	ThrottledNs int64    `json:"throttled_ns"` // time that the process's cgroup was denied the CPU
	Suspect     bool     `json:"suspect"`      // the figures may be the host's and not the network's
	Reasons     []string `json:"reasons"`      // why
}
