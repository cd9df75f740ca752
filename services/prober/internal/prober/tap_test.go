package prober

import (
	"slices"
	"sync"
	"time"

	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// tap is the prober's socket. It notes what passes, which is all that the
// reference has to go by.
type tap struct {
	*udptest.Conn
	txDelay  func(i int) (d time.Duration, ok bool) // of the i-th packet that was sent; nil: as the network says
	userTime func(i int) bool                       // the i-th datagram comes without a kernel's time; may be nil

	mu       sync.Mutex
	attempts []attempt
	arrivals []arrival
	stamped  map[uint32]int // by TxID, index of attempts
	stamps   int
}

// attempt is a packet that the prober wrote to the socket.
type attempt struct {
	at      time.Time
	payload []byte
	failed  bool
	tx      int64 // kernel's transmit time, 0: none
}

// arrival is a datagram that the prober read.
type arrival struct {
	at      time.Time
	message udp.Message // with a Buf of its own
}

func newTap(c *udptest.Conn) *tap { return &tap{Conn: c, stamped: make(map[uint32]int)} }

func (t *tap) Write(ms []udp.Message) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.Conn.Write(ms)
	m := &ms[0]
	t.attempts = append(t.attempts, attempt{at: time.Now(), payload: slices.Clone(m.Buf[:m.N]), failed: err != nil})
	if err == nil {
		t.stamped[m.TxID] = len(t.attempts) - 1
	}
	return n, err
}

func (t *tap) ReadUntil(ms []udp.Message, evs []udp.Event, until time.Time) (int, int, error) {
	n, e, err := t.Conn.ReadUntil(ms, evs, until)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range ms[:n] {
		if t.userTime != nil && t.userTime(len(t.arrivals)) {
			ms[i].Kernel = false
		}
		m := ms[i]
		m.Buf = slices.Clone(m.Buf[:m.N])
		t.arrivals = append(t.arrivals, arrival{time.Now(), m})
	}
	kept := slices.DeleteFunc(evs[:e], func(e udp.Event) bool { return e.Kind == udp.TxStamp && !t.transmitted(&e) })
	for i := range kept {
		if kept[i].Kind == udp.TxStamp {
			kept[i].Time = t.attempts[t.stamped[kept[i].TxID]].tx
		}
	}
	return n, len(kept), err
}

// transmitted notes a packet's transmit time, if it is to have one.
func (t *tap) transmitted(e *udp.Event) bool {
	a := &t.attempts[t.stamped[e.TxID]]
	a.tx = e.Time
	if t.txDelay != nil {
		d, ok := t.txDelay(t.stamps)
		if a.tx += int64(d); !ok {
			a.tx = 0
		}
	}
	t.stamps++
	return a.tx != 0
}
