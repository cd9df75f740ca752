package reflector

import (
	"time"

	"tinytwamp/shared/stamp"
)

// replayKept is how many sequence numbers behind the newest are known to have
// come or not.
const replayKept = 64

// replay is what a session knows of the authenticated requests that came.
type replay struct {
	newest   int64  // T1 of the latest by its sender's clock, Unix ns; 0: none came
	sequence uint32 // its sequence number
	start    int64  // what was the newest before the sender started anew, Unix ns
	came     uint64 // bit n: sequence-n came
}

// fresh reports whether an authentic request is none that came before, and
// takes note of it. A later T1 than all others cannot have been there before,
// whatever its sequence number is: a sender that starts anew begins at 0. Nor
// can a later number at the same T1, of a coarse clock. Others were overtaken on
// their way, and are among the last numbers, since that start.
func (r *replay) fresh(sequence uint32, t1 int64) bool {
	ahead := sequence - r.sequence
	if t1 > r.newest || t1 == r.newest && int32(ahead) > 0 {
		switch {
		case ahead == 0 || ahead >= replayKept: // a new start, or nothing known is near enough
			r.came, r.start = 1, r.newest
		default:
			r.came = r.came<<ahead | 1
		}
		r.newest, r.sequence = t1, sequence
		return true
	}
	behind := -ahead
	if behind >= replayKept || r.came>>behind&1 != 0 || t1 <= r.start {
		return false
	}
	r.came |= 1 << behind
	return true
}

// timely reports whether a request was sent at about the time when it came:
// the window is how far off both clocks and the network may be.
func timely(req *stamp.SenderPacket, came int64, window time.Duration) (t1 int64, ok bool) {
	t1, ok = req.Timestamp.UnixNano(req.ErrorEstimate.Format())
	off := came - t1
	return t1, ok && off <= int64(window) && off >= -int64(window)
}

// fresh reports whether an authentic request of a session is none that came
// before. A session that is not there yet knows of none: the request is noted
// when it is asked again after [table.touch].
func (t *table) fresh(k key, sequence uint32, t1 int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sessions[k]
	return s == nil || s.replay.fresh(sequence, t1)
}
