package prober

import "time"

// startLookUp begins a look-up.
func (r *roster) startLookUp(n *name) {
	r.tasks.Go(func() error {
		found, err := n.lookUp(r.running, r.p.cfg.Resolve)
		r.found.put(lookedUp{n, found, err})
		return nil
	})
}

// takeLookUps takes what look-ups found.
func (r *roster) takeLookUps() {
	answers, _ := r.found.take()
	for _, a := range answers {
		delete(r.waits, a.name)
		before := a.name.failed
		changed := r.names.take(a, time.Now())
		r.tell(a, before)
		if r.stopped {
			continue
		}
		for m := range a.name.members {
			if r.members[m.target.Name] == m && (changed || len(m.reported) > 0) {
				r.sync(m)
			}
		}
	}
	if r.pending != nil && len(r.waits) == 0 {
		r.reload(r.pending)
	}
}

// tell says when a name begins to be not resolvable, and when it ends.
func (r *roster) tell(a lookedUp, before error) {
	log := r.p.cfg.Log.With("host", a.name.name)
	switch {
	case a.err == nil && before != nil:
		log.Info("name is resolved again", "addresses", a.found)
	case a.err == nil:
	case r.running.Err() != nil:
	default:
		r.p.counters.unresolved.Add(1)
		if before != nil {
			return
		}
		if len(a.name.addresses) > 0 {
			log.Warn("name cannot be resolved: its last known addresses are tested on", "err", a.err)
			return
		}
		if r.names.every == 0 {
			r.outcome.Unresolved++
		}
		log.Error("target left out", "err", a.err, "again_in", r.names.every)
	}
}
