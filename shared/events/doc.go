// Package events is the contract of TinyTwamp: what its services say on the
// event bus, in which form and under which subject. It knows no transport.
//
// Every event is a CloudEvent 1.0 in structured JSON ([ContentType]). A type
// never changes its meaning: fields are only ever added, and a new meaning is
// a new version under a new type. Nanoseconds are integers in fields that end
// in _ns, instants are RFC 3339 strings in UTC with nanoseconds.
//
//	type           data          subject
//	twamp.v1.rtt   [RTT]         twamp.v1.rtt.<prober>.<target>.<address>
//	twamp.v1.log   [Log]         twamp.v1.log.<name>
//	twamp.v1.dlq   [DeadLetter]  twamp.v1.dlq.<name>
//
// <prober> and <name> are the name of the instance that speaks, which is also
// the last part of the event's source. <target> is the target's name made to
// fit ([FitName]), <address> its address ([AddressToken]).
package events

// Types of event.
const (
	TypeRTT        = "twamp.v1.rtt"
	TypeLog        = "twamp.v1.log"
	TypeDeadLetter = "twamp.v1.dlq"
)

// ContentType is the media type of an encoded event.
const ContentType = "application/cloudevents+json"

// The JetStream stream that holds all events.
const (
	StreamName     = "TWAMP"
	StreamSubjects = "twamp.v1.>"
)
