package bus

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// refusalLife is how long a subject that NATS refused to be published on is
	// told of: an event that is still refused is tried again before that.
	refusalLife = 30 * time.Second
	// shunTime is how long after a refusal nothing is published on a subject.
	shunTime    = 5 * time.Second
	maxRefusals = 16 // that are remembered
)

// denial is a subject that NATS does not allow.
type denial struct{ action, subject string }

// deny takes a denial down.
func (c *Conn) deny(d denial) {
	c.refusals.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.denied[d]; known || len(c.denied) < maxRefusals {
		c.denied[d] = time.Now()
	}
	signal(c.refusing)
}

// denies tells whether NATS refused a subject to be published on a moment ago.
func (c *Conn) denies(subject string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, denied := c.denied[denial{actionPublish, subject}]
	return denied && time.Since(last) < shunTime
}

// refusal tells of the subjects that NATS does not allow this user now. A
// subscription is asked for once in a connection, so its denial lasts as long.
func (c *Conn) refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.denied, func(d denial, last time.Time) bool {
		return d.action == actionPublish && time.Since(last) > refusalLife
	})
	if len(c.denied) == 0 {
		return nil
	}
	var subjects []string
	for d := range c.denied {
		subjects = append(subjects, d.action+" on "+d.subject)
	}
	slices.Sort(subjects)
	return fmt.Errorf("user %q is not allowed: %s", c.user, strings.Join(subjects, ", "))
}
