// Package peek reads events fast: in one pass and nearly without allocation it
// holds a report to the contract, and takes out what the readable log shows of
// it.
//
// It is sure of events as our own services write them. Of others, and of those
// that break the contract, it is not: package events judges them. So it never
// says that an event is bad, and one that it takes is one that package events
// takes, with the same meaning.
package peek

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strconv"

	"tinytwamp/shared/events"
)

// What is taken out of an event, by its place in taken.
const (
	specVersion = iota
	id
	source
	eventType
	contentType
	prober
	target
	targetAddress // the last text
	at
	sent
	received
	rtt
	rttP50
	paths
	data
	count
)

var taken = [count]string{
	"specversion", "id", "source", "type", "datacontenttype", "data.prober", "data.target.name", "data.target.address",
	"time", "data.sent", "data.received", "data.rtt", "data.rtt.p50_ns", "data.session.paths", "data",
}

// report is the shape of an event that holds a report.
var report = shapeOf(reflect.TypeFor[events.Event]()).with("data", shapeOf(reflect.TypeFor[events.RTT]())).taking(taken[:])

// Report reads an event of type [events.TypeRTT]. The event's Data is a part of
// body. Of the report only those fields are set that its lines are made of, see
// [events.RTT.Texts]. ok is false when it is not sure.
func Report(body []byte) (e events.Event, r *events.RTT, ok bool) {
	var values [count][]byte
	w := walker{b: body, values: values[:]}
	if !w.document(report) {
		return e, nil, false
	}
	var texts [targetAddress + 1]string
	for i := range texts {
		if texts[i], ok = plainText(values[i]); !ok {
			return e, nil, false
		}
	}
	e = events.Event{
		SpecVersion: texts[specVersion], ID: texts[id], Source: texts[source], Type: texts[eventType],
		DataContentType: texts[contentType], Data: values[data],
	}
	if e.SpecVersion != "1.0" || e.ID == "" || e.Source == "" || e.Type != events.TypeRTT || e.DataContentType != "application/json" {
		return e, nil, false
	}
	r = &events.RTT{Prober: texts[prober], Target: events.Target{Name: texts[target]}}
	var bad [4]error
	r.Target.Address, bad[0] = netip.ParseAddrPort(texts[targetAddress])
	bad[1] = json.Unmarshal(values[at], &e.Time)
	r.Sent, bad[2] = strconv.ParseUint(string(values[sent]), 10, 64)
	r.Received, bad[3] = strconv.ParseUint(string(values[received]), 10, 64)
	if errors.Join(bad[:]...) != nil || values[data] == nil {
		return e, nil, false
	}
	return e, r, readDelay(r, &values) && readPaths(r, values[paths])
}

// plainText returns the text of a JSON string that holds neither escapes nor
// anything but printable ASCII.
func plainText(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' || bytes.IndexByte(b, '\\') >= 0 {
		return "", false
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return "", false
		}
	}
	return string(b[1 : len(b)-1]), true
}

// readDelay sets the delay of a report that has one.
func readDelay(r *events.RTT, values *[count][]byte) bool {
	if values[rtt] == nil {
		return true
	}
	p50, err := int64(0), error(nil) // as package json has it if it is not there
	if values[rttP50] != nil {
		p50, err = strconv.ParseInt(string(values[rttP50]), 10, 64)
	}
	r.RTT = &events.Delay{Distribution: events.Distribution{P50Ns: p50}}
	return err == nil
}

func readPaths(r *events.RTT, paths []byte) bool {
	return paths == nil || json.Unmarshal(paths, &r.Session.Paths) == nil
}
