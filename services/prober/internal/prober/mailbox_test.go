package prober

import (
	"slices"
	"testing"
)

func TestMailbox(t *testing.T) {
	m := newMailbox[int](3)
	for i := range 5 {
		m.put(i) // never waits, though nobody reads
	}
	<-m.filled
	if got, missed := m.take(); !slices.Equal(got, []int{0, 1, 2}) || missed != 2 {
		t.Errorf("got %v, missed %d", got, missed)
	}
	if got, missed := m.take(); len(got) > 0 || missed != 0 {
		t.Errorf("after taking all: got %v, missed %d", got, missed)
	}
	m.put(9)
	<-m.filled
	if got, missed := m.take(); !slices.Equal(got, []int{9}) || missed != 0 {
		t.Errorf("got %v, missed %d", got, missed)
	}
}

func TestMailboxWithoutBound(t *testing.T) {
	m := newMailbox[int](0)
	for i := range 1000 {
		m.put(i)
	}
	if got, missed := m.take(); len(got) != 1000 || missed != 0 {
		t.Errorf("%d values, missed %d", len(got), missed)
	}
}

// No value waits for the next one to be noticed.
func TestMailboxWakesItsReader(t *testing.T) {
	m := newMailbox[int](0)
	const n = 1000
	go func() {
		for i := range n {
			m.put(i)
		}
	}()
	for got := 0; got < n; {
		<-m.filled
		values, _ := m.take()
		got += len(values)
	}
}
