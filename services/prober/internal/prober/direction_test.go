package prober

import "testing"

func checkWays(t *testing.T, d *direction, forward, backward uint64) {
	t.Helper()
	f, b, _ := d.report()
	if f == nil || *f != forward || *b != backward {
		t.Errorf("forward, backward %v, %v of %+v, want %d, %d", f, b, *d, forward, backward)
	}
}

// Late replies do not make up for the numbers that an old session took.
func TestOldSessionStaysUnknown(t *testing.T) {
	var d direction
	d.receive(0, 2)
	d.lose()
	d.lose()
	d.receive(3, 5)
	for n := range uint64(2) {
		d.also(uint32(n) + 3)
		d.find(n + 1)
	}
	if d.known = true; d.owed != 2 {
		t.Errorf("%d numbers are still owed, want 2", d.owed)
	}
	if f, _, _ := d.report(); f != nil {
		t.Errorf("lost forward %d, want null", *f)
	}
}

// A number of an earlier interval that comes at last says nothing of this one.
func TestNumberOfAnEarlierInterval(t *testing.T) {
	var d direction
	d.receive(0, 0)
	d.receive(1, 2) // overtaken by the one with number 1
	d.known = true
	d.cut()
	d.lose()
	d.receive(3, 4)
	d.receive(4, 1)
	checkWays(t, &d, 0, 1)
}

// The first answer can come in a later interval, and be overtaken.
func TestFirstAnswerInALaterInterval(t *testing.T) {
	d := direction{known: true}
	d.cut()
	d.lose()
	d.receive(1, 1)
	d.receive(2, 0)
	checkWays(t, &d, 1, 0)
}

// What was lost before an interval takes its numbers along.
func TestCarriedLosses(t *testing.T) {
	d := direction{known: true}
	d.receive(0, 0)
	d.lose()
	d.lose()
	d.cut()
	d.receive(3, 3)
	d.lose()
	d.receive(5, 4)
	checkWays(t, &d, 1, 0)
}

// Copies that were seen before a restart are not those of after it.
func TestRestartForgetsCopies(t *testing.T) {
	var d direction
	d.receive(0, 0)
	d.also(3)
	d.receive(1, 0)
	if f, _, _ := d.report(); f != nil {
		t.Errorf("lost forward %d after a restart, want null", *f)
	}
	d.cut()
	d.receive(2, 1)
	d.lose()
	d.lose()
	d.receive(5, 4)
	checkWays(t, &d, 0, 2)
}

// A copy that comes twice makes up for one number only.
func TestCopyOfACopy(t *testing.T) {
	d := direction{known: true}
	d.receive(0, 0)
	d.also(2)
	d.lose()
	d.receive(2, 3) // 1 was lost on the way back
	d.also(2)
	checkWays(t, &d, 0, 1)
}

func TestRing(t *testing.T) {
	r := newRing(17)
	if len(r.slots) != 32 {
		t.Fatalf("%d slots, want 32", len(r.slots))
	}
	tests := map[string]struct {
		next     uint64
		sequence uint32
		want     uint64
		ok       bool
	}{
		"none sent":      {0, 0, 0, false},
		"newest":         {5, 4, 4, true},
		"oldest":         {5, 0, 0, true},
		"to be sent":     {5, 5, 0, false},
		"before all":     {5, 1<<32 - 1, 0, false},
		"just kept":      {100, 68, 68, true},
		"just forgotten": {100, 67, 0, false},
		"over the wrap":  {1<<32 + 2, 1<<32 - 1, 1<<32 - 1, true},
		"second round":   {1<<32 + 2, 1, 1<<32 + 1, true},
	}
	for name, tt := range tests {
		r.next = tt.next
		if n, ok := r.find(tt.sequence); n != tt.want || ok != tt.ok {
			t.Errorf("%s: %d, %v, want %d, %v", name, n, ok, tt.want, tt.ok)
		}
	}
}

// A number as far from the newest as any can be, which has no distance in 32
// bits with a sign, is a restart, and harms nobody.
func TestFarthestNumber(t *testing.T) {
	for _, further := range []bool{false, true} {
		var d direction
		d.receive(0, 5)
		if further {
			d.also(5 + 1<<31)
		} else if d.receive(1, 5+1<<31); !d.broken {
			t.Error("it is not taken for a restart")
		}
	}
}
