package bus

import (
	"sync"
	"testing"
)

func (o *outbox) takeIDs() (ids string) {
	for e := o.take(); e != nil; e = o.take() {
		ids += e.event.ID[len("id-"):]
	}
	return ids
}

func TestOutboxOrder(t *testing.T) {
	o := &outbox{limit: 1 << 20}
	for i := range 3 {
		o.add(testEvent(i, 1))
	}
	first := o.take()
	o.putBack(first)
	if got := o.takeIDs(); got != "120" {
		t.Errorf("order is %s, want 120: what failed waits behind the others", got)
	}
	if s := o.state(); s.pending != 3 || s.bytes == 0 {
		t.Errorf("%d pending, %d octets: taken is not gone", s.pending, s.bytes)
	}
}

// The oldest goes, whether it waits or is on its way; a try that fails afterwards
// does not bring it back.
func TestOutboxDropsOldest(t *testing.T) {
	e := testEvent(0, 100)
	size, _ := recordSize(e)
	size += entryOverhead
	o := &outbox{limit: 3 * size}
	for i := range 3 {
		o.add(testEvent(i, 100))
	}
	flying := o.take()
	o.add(testEvent(3, 100)) // drops 0, which is on its way
	o.add(testEvent(4, 100)) // drops 1, which waits
	o.putBack(flying)
	if o.remove(flying) {
		t.Error("an entry that was dropped was removed again")
	}
	if got := o.takeIDs(); got != "234" {
		t.Errorf("left are %s, want 234", got)
	}
	o.add(testEvent(5, 1000)) // above the limit: dropping all others would not help
	if s := o.state(); s.pending != 3 || s.bytes != 3*size || s.drops != (drops{full: 2, tooLarge: 1}) {
		t.Errorf("state is %+v", s)
	}
}

// What has to make room while it is on its way is lost only if it does not arrive.
func TestDroppedOnItsWay(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		o := openTest(t, dir, 20_000)
		for i := range 3 {
			o.add(testEvent(i, 100))
		}
		arrives, fails, never := o.take(), o.take(), o.take()
		added := 3
		for ; o.state().drops.full == 0; added++ {
			o.add(testEvent(added, 100))
		}
		want := func(what string, full uint64, pending int) {
			t.Helper()
			if s := o.state(); s.drops.full != full || s.pending != pending {
				t.Errorf("%s, %s: %d dropped, %d pending; want %d, %d", name, what, s.drops.full, s.pending, full, pending)
			}
		}
		full := o.state().drops.full
		pending := added - int(full)
		want("three are on their way", full, pending)
		if !o.remove(arrives) {
			t.Errorf("%s: what has arrived does not count", name)
		}
		want("one has arrived", full, pending-1)
		o.putBack(fails)
		want("one has failed", full+1, pending-2)
		if o.remove(arrives) || o.remove(fails) {
			t.Errorf("%s: counted twice", name)
		}
		kept, lost := o.close()
		if never.event.ID == "" || kept+lost != pending-3 || o.state().drops.full != full+2 {
			t.Errorf("%s: closed with %d kept and %d lost, %+v", name, kept, lost, o.state())
		}
	}
}

func TestOutboxEmpties(t *testing.T) {
	o := &outbox{limit: 1 << 20}
	empty := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	if !empty(o.whenEmpty()) {
		t.Error("an empty outbox is not empty")
	}
	o.add(testEvent(0, 1))
	o.add(testEvent(1, 1))
	one, two := o.whenEmpty(), o.whenEmpty()
	o.remove(o.take())
	if empty(one) || empty(two) {
		t.Error("empty with an event in it")
	}
	o.remove(o.take())
	if !empty(one) || !empty(two) {
		t.Error("not empty without one")
	}
}

// Whatever is done at once, the figures add up.
func TestOutboxConcurrently(t *testing.T) {
	const n = 2000
	o := &outbox{limit: 100 * entryOverhead}
	var removed int
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range n {
				o.add(testEvent(i, 10))
			}
		})
	}
	wg.Go(func() {
		for i := range n {
			e := o.take()
			if e == nil {
				continue
			}
			if i%3 == 0 {
				o.putBack(e)
			} else if o.remove(e) {
				removed++
			}
		}
	})
	wg.Wait()
	s := o.state()
	if s.pending+removed+int(s.drops.full) != 4*n || s.bytes > o.limit {
		t.Errorf("%d pending, %d removed, %d dropped of %d; %d octets", s.pending, removed, s.drops.full, 4*n, s.bytes)
	}
}
