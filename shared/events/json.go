package events

import "encoding/json"

// MarshalJSON writes lists as lists even when they are empty, and instants in
// UTC, whatever the writer's own zone.
func (r RTT) MarshalJSON() ([]byte, error) {
	type plain RTT // without this method
	r.Report.Start = r.Report.Start.UTC()
	r.Report.End = r.Report.End.UTC()
	if r.ICMP == nil {
		r.ICMP = []ICMP{}
	}
	if r.Health.Reasons == nil {
		r.Health.Reasons = []string{}
	}
	return json.Marshal(plain(r))
}

// MarshalJSON writes an empty list of records as a list.
func (l Log) MarshalJSON() ([]byte, error) {
	type plain Log
	if l.Records == nil {
		l.Records = []Record{}
	}
	return json.Marshal(plain(l))
}

// MarshalJSON writes the instant in UTC.
func (r Record) MarshalJSON() ([]byte, error) {
	type plain Record
	r.Time = r.Time.UTC()
	return json.Marshal(plain(r))
}

// MarshalJSON writes the instant in UTC.
func (s Sample) MarshalJSON() ([]byte, error) {
	type plain Sample
	s.Sent = s.Sent.UTC()
	return json.Marshal(plain(s))
}
