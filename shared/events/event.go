package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
)

const (
	specVersion     = "1.0"
	dataContentType = "application/json"
)

// Errors of [Decode] and of the methods that read an event's data. They are
// wrapped with what was wrong.
var (
	ErrMalformed = errors.New("events: not a CloudEvent 1.0 in structured JSON")
	ErrData      = errors.New("events: unreadable data")
)

// Event is a CloudEvent 1.0 with the attributes that this system uses.
type Event struct {
	SpecVersion     string          `json:"specversion"`               // version of CloudEvents
	ID              string          `json:"id"`                        // unique among all events: what stands before its last hyphen names the process, behind it is the sequence
	Source          string          `json:"source"`                    // /SERVICE/NAME
	Type            string          `json:"type"`                      // what it says, with its version
	Time            time.Time       `json:"time,omitzero"`             // when it happened
	DataContentType string          `json:"datacontenttype,omitempty"` // of data
	Sequence        string          `json:"sequence,omitempty"`        // of its process: 20 decimal digits, gapless from 1
	Data            json.RawMessage `json:"data,omitempty"`            // what it says
}

// Decode reads an event of any type. It holds it to what CloudEvents requires
// (section 2.1, and JSON Format section 3) and passes over attributes that it
// does not know. The event does not alias body.
func Decode(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if e.SpecVersion != specVersion {
		return Event{}, fmt.Errorf("%w: specversion %q", ErrMalformed, clip(e.SpecVersion))
	}
	for _, a := range []struct{ name, value string }{{"id", e.ID}, {"source", e.Source}, {"type", e.Type}} {
		if a.value == "" {
			return Event{}, fmt.Errorf("%w: no %s", ErrMalformed, a.name)
		}
	}
	return e, nil
}

// Name returns the name of the instance that made the event, and "" when its
// source is not of the form /SERVICE/NAME.
func (e Event) Name() string {
	rest, ok := strings.CutPrefix(e.Source, "/")
	if !ok {
		return ""
	}
	service, name, ok := strings.Cut(rest, "/")
	if !ok || service != FitName(service) || name != FitName(name) {
		return ""
	}
	return name
}

// RTT returns the data of a [TypeRTT] event.
func (e Event) RTT() (*RTT, error) { return data[RTT](e, TypeRTT) }

// Log returns the data of a [TypeLog] event.
func (e Event) Log() (*Log, error) { return data[Log](e, TypeLog) }

// DeadLetter returns the data of a [TypeDeadLetter] event.
func (e Event) DeadLetter() (*DeadLetter, error) { return data[DeadLetter](e, TypeDeadLetter) }

func data[T any](e Event, want string) (*T, error) {
	if e.Type != want {
		return nil, fmt.Errorf("%w: type is %q, not %s", ErrData, clip(e.Type), want)
	}
	if !jsonMedia(e.DataContentType) {
		return nil, fmt.Errorf("%w: content type %q", ErrData, clip(e.DataContentType))
	}
	if len(e.Data) == 0 || string(e.Data) == "null" {
		return nil, fmt.Errorf("%w: there is none", ErrData)
	}
	d := new(T)
	if err := json.Unmarshal(e.Data, d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrData, err)
	}
	return d, nil
}

// jsonMedia tells whether data of the content type is JSON. Without one it is
// (JSON Format section 3.1).
func jsonMedia(contentType string) bool {
	if contentType == "" || contentType == dataContentType {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == dataContentType || strings.HasSuffix(media, "+json"))
}
