package bus

import (
	"log/slog"
	"time"
)

// watchOutbox has the log tell what becomes of the outbox, and tries a disk
// again that could not be written. It returns how long it need not be called.
func (p *Publisher) watchOutbox(now time.Time) time.Duration {
	s := p.box.state()
	p.warnLost(s, now)
	if s.fault != nil {
		p.log.once("outbox "+s.fault.Error(), slog.LevelError, "cannot write events to the outbox, keeping new ones in memory and trying again", "folder", p.dir, "err", s.fault)
		p.rescue(now)
		return rescueInterval
	}
	if s.errors > p.errors {
		p.errors = s.errors
		p.log.once("acknowledgements "+s.lastError.Error(), slog.LevelWarn, "the outbox could not take down acknowledgements: those events are published again after a restart, and the logger knows them", "folder", p.dir, "err", s.lastError)
	}
	return time.Hour
}

// rescue tries a disk again that could not be written, once in a while.
func (p *Publisher) rescue(now time.Time) {
	if now.Sub(p.rescued) < rescueInterval {
		return
	}
	p.rescued = now
	if p.box.rescue() == nil {
		p.log.Info("writing events to the outbox again", "folder", p.dir)
	}
	p.errors = p.box.state().errors // of which this tells
}

// warnLost has the log tell of lost events, once in a while.
func (p *Publisher) warnLost(s outboxState, now time.Time) {
	lost := s.drops.since(p.warned)
	if lost == (drops{}) || now.Sub(p.warnedAt) < dropNotice {
		return
	}
	p.warned, p.warnedAt = s.drops, now
	if lost.full > 0 {
		p.log.Warn("outbox is full, the oldest events are dropped: see to NATS, or raise -outbox-size",
			"dropped", lost.full, "total", s.drops.full, "outbox_bytes", s.bytes, "outbox_limit", p.box.limit)
	}
	if lost.tooLarge > 0 {
		p.log.Warn("events are too large, dropped: raise -outbox-size, and max_payload of the server", "dropped", lost.tooLarge, "total", s.drops.tooLarge)
	}
	if lost.corrupt > 0 {
		p.log.Error("events in the outbox cannot be read, skipped: their files are set aside", "skipped", lost.corrupt, "total", s.drops.corrupt, "folder", p.dir)
	}
}

// tellLost publishes an event that tells of lost ones. It is called when the
// stream takes events, and tells once in a while unless asked to do it now.
func (p *Publisher) tellLost(atOnce bool) {
	if p.account == nil {
		return
	}
	all, now := p.box.state().drops, time.Now()
	p.mu.Lock()
	lost := all.since(p.told)
	due := lost != drops{} && (atOnce || now.Sub(p.toldAt) >= dropNotice)
	if due {
		p.told, p.toldAt = all, now
	}
	p.mu.Unlock()
	if !due {
		return
	}
	e, err := p.account(lost)
	if err != nil {
		p.log.Error("event not encoded", "err", err)
		return
	}
	p.Publish(e)
}

// since returns what came after before.
func (d drops) since(before drops) drops {
	return drops{full: d.full - before.full, tooLarge: d.tooLarge - before.tooLarge, corrupt: d.corrupt - before.corrupt}
}
