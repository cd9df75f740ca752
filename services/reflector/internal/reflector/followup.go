package reflector

import (
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// stampsKept bounds the replies whose transmit time is still to come from the
// kernel. It comes at once, but for a queue in a slow interface.
const stampsKept = 1 << 10

// stamped is a reply whose transmit time is to come.
type stamped struct {
	id       uint32
	key      key
	sequence uint32
}

// left takes the times at which replies left, for the Follow-Up Telemetry of
// the next reply of each session (RFC 8972 section 4.7).
func (w *worker) left(evs []udp.Event) {
	for i := range evs {
		e := &evs[i]
		if e.Kind != udp.TxStamp || w.table == nil {
			continue
		}
		if s := &w.stamps[e.TxID%stampsKept]; s.id == e.TxID {
			w.table.left(s.key, s.sequence, e.Time)
		}
	}
}

// followUp is what the session's next reply tells of the last one.
func (t *table) followUp(k key, format stamp.Format) stamp.FollowUp {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sessions[k]
	if s == nil || s.leftAt == 0 {
		return stamp.FollowUp{}
	}
	return stamp.FollowUp{
		Sequence: s.left, Timestamp: stamp.NewTimestamp(s.leftAt, format), Mode: stamp.TimestampSWLocal,
	}
}

// left notes when a session's reply left.
func (t *table) left(k key, sequence uint32, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sessions[k]; s != nil && (s.leftAt == 0 || int32(sequence-s.left) > 0) {
		s.left, s.leftAt = sequence, at
	}
}
