package events

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// Data is what an event says: *[RTT], *[Log] or *[DeadLetter].
type Data interface {
	eventType() string
	subject(name string) string // of the instance name
}

func (*RTT) eventType() string        { return TypeRTT }
func (*Log) eventType() string        { return TypeLog }
func (*DeadLetter) eventType() string { return TypeDeadLetter }

func (r *RTT) subject(name string) string      { return RTTSubject(name, r.Target.Name, r.Target.Address) }
func (*Log) subject(name string) string        { return LogSubject(name) }
func (*DeadLetter) subject(name string) string { return DeadLetterSubject(name) }

// Source makes the events of one process. There is one per process: it numbers
// them without gaps, and its ids carry 130 random bits, so that they are unique
// even when two processes run under one name. It is safe for concurrent use.
type Source struct {
	name string // fitted
	uri  string // CloudEvents source
	run  string // random, new in each process

	sequence atomic.Uint64 // of the event made last; the first is 1
}

// NewSource returns the source of events of the instance name of a service.
func NewSource(service, name string) *Source {
	name = FitName(name)
	return &Source{name: name, uri: "/" + FitName(service) + "/" + name, run: rand.Text()}
}

// Name returns the instance's name as it stands in subjects and sources.
func (s *Source) Name() string { return s.name }

// Encoded is an event ready to be published.
type Encoded struct {
	ID      string
	Subject string
	Body    []byte // a whole CloudEvent in structured JSON
}

// Encode makes an event of d that happened at the instant at. It fails on what
// JSON cannot hold, such as a year above 9999; a failure takes no number of the
// sequence. d is not kept.
func (s *Source) Encode(at time.Time, d Data) (Encoded, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return Encoded{}, fmt.Errorf("events: encode %s: %w", d.eventType(), err)
	}
	at = at.UTC()
	if _, err := at.MarshalText(); err != nil {
		return Encoded{}, fmt.Errorf("events: encode %s: %w", d.eventType(), err)
	}
	seq := s.sequence.Add(1)
	id := s.run + "-" + strconv.FormatUint(seq, 10)
	body, err := json.Marshal(Event{
		SpecVersion:     specVersion,
		ID:              id,
		Source:          s.uri,
		Type:            d.eventType(),
		Time:            at,
		DataContentType: dataContentType,
		Sequence:        fmt.Sprintf("%020d", seq), // 20 digits hold any uint64, so that it sorts as text
		Data:            data,
	})
	if err != nil {
		return Encoded{}, fmt.Errorf("events: encode %s: %w", d.eventType(), err)
	}
	return Encoded{ID: id, Subject: d.subject(s.name), Body: body}, nil
}
