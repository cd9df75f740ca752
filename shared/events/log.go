package events

import (
	"net/netip"
	"time"
)

// Log is a batch of test-log records of one instance: at most one event a
// second, so that logging a packet never costs a message. Its type is [TypeLog].
type Log struct {
	Service string   `json:"service"` // reflector or prober
	Records []Record `json:"records"` // oldest first
	Omitted uint64   `json:"omitted"` // records left out since the event before, by sampling or by the rate cap
}

// RecordKind is what a record tells.
type RecordKind string

// Kinds of [Record].
const (
	SessionOpened  RecordKind = "session_opened"
	PacketReceived RecordKind = "packet_received"
	ResponseSent   RecordKind = "response_sent"
	PacketDropped  RecordKind = "packet_dropped"
	ResultReceived RecordKind = "result_received"
	SessionEnded   RecordKind = "session_ended"
	EventsLost     RecordKind = "events_lost" // this instance's own, before the stream had them

	// Of TWAMP-Control (RFC 5357 section 3).
	ControlOpened  RecordKind = "control_opened"  // a control connection was set up
	ControlRefused RecordKind = "control_refused" // one was not, for instance for its passphrase
	ControlClosed  RecordKind = "control_closed"  // one that was set up ended
	SessionRefused RecordKind = "session_refused" // a test session that a client asked for
)

// Record is one line of the test log.
type Record struct {
	Time     time.Time      `json:"time"`               // when it happened
	Kind     RecordKind     `json:"kind"`               // what it tells
	Peer     netip.AddrPort `json:"peer"`               // the other end; empty where there is none
	Local    netip.AddrPort `json:"local"`              // this end
	SSID     uint16         `json:"ssid"`               // Session-Sender identifier, 0: none
	Sequence *uint32        `json:"sequence,omitempty"` // of the packet: the sender's when received, the reflector's when sent
	Size     int            `json:"size,omitempty"`     // octets of UDP payload
	Message  string         `json:"message,omitempty"`  // readable message of a packet, as it came: escape before printing
	Reason   string         `json:"reason,omitempty"`   // why packets were dropped, events were lost, a session or connection ended, or was refused
	Count    uint64         `json:"count,omitempty"`    // packets that the record stands for: dropped, or of the ended session; of an events_lost record: events
	Result   *Result        `json:"result,omitempty"`   // of a result_received record

	Mode  string `json:"mode,omitempty"`   // that TWAMP-Control negotiated: a security mode, and extensions, with + between them
	KeyID string `json:"key_id,omitempty"` // that a client named, as it came: escape before printing
	SID   string `json:"sid,omitempty"`    // session identifier of TWAMP, 32 hex digits
}

// Result is what a reflector notes of a test that was made against it.
type Result struct {
	Prober   string `json:"prober"`   // who tested
	Target   string `json:"target"`   // as the prober calls this reflector
	Event    string `json:"event"`    // id of the RTT event
	Sent     uint64 `json:"sent"`     // packets that left the prober
	Received uint64 `json:"received"` // answered within its timeout
	Lost     uint64 `json:"lost"`     // not answered
	RTTNs    *int64 `json:"rtt_ns"`   // median; null: no reply
	Verified bool   `json:"verified"` // the session table knows this session
}

// DeadLetter is a message of the stream that could not be read. Its type is
// [TypeDeadLetter].
type DeadLetter struct {
	Reason    string `json:"reason"`     // what is wrong with it
	Subject   string `json:"subject"`    // under which it was published
	StreamSeq uint64 `json:"stream_seq"` // its sequence number in the stream
	Size      int    `json:"size"`       // octets of the message
	Body      []byte `json:"body"`       // its first 64 KiB, base64; empty or null: it had none
}
