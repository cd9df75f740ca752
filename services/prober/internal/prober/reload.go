package prober

import (
	"errors"
	"fmt"
	"maps"
	"reflect"

	"tinytwamp/shared/udp"
)

// reload takes other targets, once all their names are looked up. Targets that
// cannot be tested as they stand are refused all together.
func (r *roster) reload(targets []Target) {
	r.pending = targets
	if r.stopped {
		return
	}
	next := make(map[string]*member)
	r.waits = make(map[*name]struct{})
	for i := range targets {
		t := &targets[i]
		if old := r.members[t.Name]; old != nil && reflect.DeepEqual(old.target, *t) {
			next[t.Name] = old
			continue
		}
		if !t.Names() {
			continue
		}
		if n := r.names.get(host{t.Host, t.Test.family()}); !n.asked {
			r.waits[n] = struct{}{}
		}
	}
	if len(r.waits) > 0 {
		return
	}
	r.pending = nil
	built, err := r.rebuild(targets, next)
	if err != nil {
		r.p.Refuse(err)
		return
	}
	r.swap(next, built)
}

// rebuild makes the members that are not yet in next, and their sessions. If
// one fails all are undone.
func (r *roster) rebuild(targets []Target, next map[string]*member) (built []*session, err error) {
	for _, m := range r.members { // what is to end is not in the way of what is to begin
		for _, s := range m.sessions {
			r.leaving(s, next[m.target.Name] != m)
		}
	}
	kept := maps.Clone(next)
	for i := range targets {
		if kept[targets[i].Name] != nil {
			continue
		}
		m := r.member(targets[i])
		next[m.target.Name] = m
		for _, e := range m.endpoints() {
			s, failed := r.build(m, e)
			switch {
			case failed == nil:
				built = append(built, s)
			case errors.Is(failed, udp.ErrNoFamily):
				r.report(m, e, failed)
			default:
				err = errors.Join(err, fmt.Errorf("target %s: %w", m.target.Name, failed))
			}
		}
	}
	if err == nil {
		return built, nil
	}
	for _, s := range built {
		r.unseat(s)
	}
	for name, m := range next {
		if kept[name] == nil {
			m.leave()
		}
	}
	for _, m := range r.members {
		for _, s := range m.sessions {
			r.leaving(s, false)
		}
	}
	return nil, err
}

// swap makes the members of next those of the test.
func (r *roster) swap(next map[string]*member, built []*session) {
	removed, changed, added := 0, 0, 0
	for name, m := range r.members {
		why := whyChanged
		switch next[name] {
		case m:
			continue
		case nil:
			why = whyRemoved
			removed++
		default:
			changed++
		}
		m.leave()
		for _, s := range m.sessions {
			r.end(s, why)
		}
	}
	for name := range next {
		if r.members[name] == nil {
			added++
		}
	}
	r.members = next
	r.seat(built)
	r.p.counters.reloaded.Add(1)
	r.p.cfg.Log.Info("targets taken over", "targets", len(next), "added", added, "changed", changed, "removed", removed)
}
