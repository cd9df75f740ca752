package bus

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A refused publish is told of while it is tried again and refused again, a
// refused subscription as long as the connection lasts.
func TestRefusalsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{user: "p1", up: make(chan struct{}), refusing: make(chan struct{}, 1), denied: make(map[denial]time.Time)}
		c.setLive(true)
		want := func(text string) {
			t.Helper()
			got := ""
			if err := c.refusal(); err != nil {
				got = err.Error()
			}
			if got != text {
				t.Errorf("refusal is %q, want %q", got, text)
			}
		}
		want("")
		c.deny(denial{actionPublish, "a"})
		c.deny(denial{"subscription", "b"})
		want(`user "p1" is not allowed: publish on a, subscription on b`)
		time.Sleep(refusalLife + 1)
		want(`user "p1" is not allowed: subscription on b`)
		c.setLive(false)
		c.setLive(true)
		want("")
		for i := range 10 * maxRefusals {
			c.deny(denial{actionPublish, fmt.Sprint(i)})
		}
		if n := strings.Count(c.refusal().Error(), "publish on"); n != maxRefusals || c.refusals.Load() != 10*maxRefusals+2 {
			t.Errorf("%d subjects of %d are remembered", n, c.refusals.Load())
		}
	})
}
