package prober

import (
	"testing"

	"tinytwamp/shared/udp/udptest"
)

// Where all packets reach the reflector its numbers are the sender's, and only
// the user can know whether that means something.
//
// RFC 8762 4-4, 4-6
func TestReflectorState(t *testing.T) {
	for state, want := range map[StateHint]bool{StateAuto: false, Stateful: true, Stateless: false} {
		bubble(t, func(t *testing.T, b *bench) {
			b.test.ReflectorState = state
			b.back(udptest.Lose(4))
			b.run(t, 0)
			e := b.reports[0]
			if told := e.LostBackward != nil; told != want || told && (*e.LostBackward != 1 || *e.LostForward != 0) {
				t.Errorf("state %d: lost %d, forward %v, backward %v", state, e.Lost, e.LostForward, e.LostBackward)
			}
		})
		bubble(t, func(t *testing.T, b *bench) {
			b.test.ReflectorState = state
			b.forward(udptest.Lose(4)) // a number differs
			b.run(t, 0)
			if told := b.reports[0].LostForward != nil; told != (state != Stateless) {
				t.Errorf("state %d: direction told: %v", state, told)
			}
		})
	}
}
