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
	return json.Marshal(plain(r))
}

// MarshalJSON writes an empty list of reasons as a list.
func (h Health) MarshalJSON() ([]byte, error) {
	type plain Health
	if h.Reasons == nil {
		h.Reasons = []string{}
	}
	return json.Marshal(plain(h))
}

// MarshalJSON writes empty lists of TLVs as lists.
func (e Extensions) MarshalJSON() ([]byte, error) {
	type plain Extensions
	if e.Unrecognized == nil {
		e.Unrecognized = []string{}
	}
	if e.Malformed == nil {
		e.Malformed = []string{}
	}
	return json.Marshal(plain(e))
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
