package view

import (
	"fmt"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

// remark says in plain words what the figures of a report alone do not.
type remark struct {
	short string // for a table, a few words; empty: no trouble, but good to know
	text  string // printable
}

// remarks are what an engineer would say of a report, the worst first.
func remarks(e *events.RTT) []remark {
	var all []remark
	for _, find := range []func(*events.RTT) []remark{
		answerRemarks, suspectRemarks, tlvRemarks, dscpRemarks, ecnRemarks, lossRemarks, orderRemarks, hopsRemarks, clockRemarks,
	} {
		all = append(all, find(e)...)
	}
	return all
}

// answerRemarks are of targets that do not answer, or not with what fits.
func answerRemarks(e *events.RTT) (all []remark) {
	for _, i := range e.ICMP {
		text := fmt.Sprintf("ICMP from %v: %s (%s)", i.From, clean(i.Text), many(i.Count, "time"))
		if i.Text == "port unreachable" {
			text += ": no reflector listens there"
		}
		if i.MTU > 0 {
			text += fmt.Sprintf("; the way takes packets of %s octets at most: lower -size", count(uint64(i.MTU)))
		}
		all = append(all, remark{clean(i.Text), text})
	}
	if noAnswer(e) && len(e.ICMP) == 0 {
		all = append(all, remark{"no answer", silence(e)})
	}
	if e.Report.Cut && e.Session.Mode == "twamp" && e.Report.Why != "" {
		all = append(all, remark{"cut", "the test ended early: " + clean(e.Report.Why)})
	}
	if e.Unreflected > 0 {
		all = append(all, remark{"unreflected", many(e.Unreflected, "reply") +
			" without the octets of the packet that must come back (-reflect-octets): the reflector does not return them, or they were changed on the way"})
	}
	if e.Unexpected > 0 {
		all = append(all, remark{"unexpected", many(e.Unexpected, "datagram") +
			" from the target fit no packet of this session: a reflector that alters what it returns, or one that answers an earlier session"})
	}
	if e.Implausible > 0 {
		all = append(all, remark{"implausible", many(e.Implausible, "reply") +
			" with times at the reflector that cannot be, longer than the round trip or backwards: counted, but without delays"})
	}
	return all
}

// silence is what may be the matter where nobody answers.
func silence(e *events.RTT) string {
	const through = "through, there and back?"
	if e.Session.Mode == "twamp" {
		return fmt.Sprintf("no reply at all, though the server agreed to the test: do firewalls let UDP port %d %s", e.Session.Port, through)
	}
	return fmt.Sprintf("no reply at all: does a reflector listen there, and do firewalls let UDP port %d %s", e.Target.Address.Port(), through)
}

// noAnswer says whether nothing came back though packets left.
func noAnswer(e *events.RTT) bool { return e.Sent > 0 && e.Received+e.Late == 0 }

// suspectRemarks are of the measuring host.
func suspectRemarks(e *events.RTT) (all []remark) {
	for _, reason := range e.Health.Reasons {
		all = append(all, remark{"suspect", "suspect: " + clean(reason)})
	}
	return all
}

// dscpRemarks say where packets changed their DSCP, as far as that can be told.
func dscpRemarks(e *events.RTT) []remark {
	m := &e.Marking
	sent := stamp.DSCP(m.SentDSCP)
	there := m.ReflectorDSCP != nil && *m.ReflectorDSCP != m.SentDSCP
	if m.Remarked == 0 || m.ReturnedDSCP == nil {
		if !there {
			return nil
		}
		return []remark{{"DSCP rewritten", fmt.Sprintf("packets arrive at the reflector with DSCP %v instead of %v: something on the way there rewrites it",
			stamp.DSCP(*m.ReflectorDSCP), sent)}}
	}
	back := stamp.DSCP(*m.ReturnedDSCP)
	what := fmt.Sprintf("replies come back with DSCP %v instead of %v", back, sent)
	switch {
	case back == sent: // the last reply, but not all
		what = fmt.Sprintf("%s came back with another DSCP than %v", many(m.Remarked, "reply"), sent)
	case m.Remarked < e.Received:
		what = fmt.Sprintf("%s of %s came back with another DSCP than %v, the last with %v", count(m.Remarked), count(e.Received), sent, back)
	}
	who := "the reflector, or something on the way there or back, rewrites it"
	switch {
	case m.ReflectorDSCP == nil && e.Session.Mode == "stamp":
		who += " (-tlv cos tells more)"
	case m.ReflectorDSCP == nil:
	case !there:
		who = "it reaches the reflector unchanged, so the reflector or something on the way back rewrites it"
	case *m.ReflectorDSCP == *m.ReturnedDSCP:
		who = "something on the way there rewrites it"
	default:
		who = fmt.Sprintf("it is rewritten on the way there, to %v, and again on the way back", stamp.DSCP(*m.ReflectorDSCP))
	}
	return []remark{{"DSCP rewritten", what + ": " + who}}
}

// congested is the ECN codepoint CE (RFC 3168 section 5).
const congested = 3

// ecnRemarks are of congestion, and of ECN that changed on the way there. On
// the way back it is the reflector's own.
func ecnRemarks(e *events.RTT) (all []remark) {
	m := &e.Marking
	is := func(p *uint8, v uint8) bool { return p != nil && *p == v }
	switch {
	case m.ReflectorECN == nil || *m.ReflectorECN == m.SentECN:
	case is(m.ReflectorECN, congested):
		all = append(all, remark{"congestion", "packets arrive at the reflector marked for congestion (ECN CE): a queue on the way there is filling"})
	default:
		all = append(all, remark{"ECN rewritten", fmt.Sprintf("packets arrive at the reflector with ECN %d instead of %d: something on the way there rewrites it",
			*m.ReflectorECN, m.SentECN)})
	}
	if is(m.ReturnedECN, congested) && m.SentECN != congested {
		all = append(all, remark{"congestion", "replies come back marked for congestion (ECN CE): a queue on the way back is filling"})
	}
	return all
}

// burstLength is the number of losses in a row that is no accident.
const burstLength = 3

// lossRemarks are of how packets were lost.
func lossRemarks(e *events.RTT) (all []remark) {
	if p := e.LossPeriods; p != nil && p.Longest >= burstLength && !noAnswer(e) {
		text := fmt.Sprintf("losses come in a row: up to %s, at one every %v", many(p.Longest, "packet"), time.Duration(e.Session.IntervalNs))
		if p.Count > 1 {
			text += fmt.Sprintf("; %s in all", many(p.Count, "such period"))
		}
		all = append(all, remark{"loss burst", text})
	}
	if n := e.LostForward; n != nil && *n > 0 && *n == e.Lost {
		all = append(all, remark{"lost forward", "all losses were on the way there"})
	}
	if n := e.LostBackward; n != nil && *n > 0 && *n == e.Lost {
		all = append(all, remark{"lost backward", "all losses were on the way back"})
	}
	if e.Late > 0 {
		all = append(all, remark{"late replies", fmt.Sprintf("%s came after the timeout of %v: with a longer -timeout they would count",
			many(e.Late, "reply"), time.Duration(e.Session.TimeoutNs))})
	}
	if e.LateAfterReport > 0 {
		all = append(all, remark{"late replies", many(e.LateAfterReport, "reply") +
			" came so late that an earlier report has called their packets lost"})
	}
	if e.Lost > 0 && e.LostForward == nil && !noAnswer(e) {
		all = append(all, remark{"", "on which way packets were lost is unknown: the reflector's sequence numbers do not tell"})
	}
	return all
}

// orderRemarks are of packets that came twice, or in another order.
func orderRemarks(e *events.RTT) (all []remark) {
	if e.Duplicates > 0 {
		text := many(e.Duplicates, "reply") + " came more than once"
		if e.DuplicatesForward != nil && e.DuplicatesBackward != nil {
			text = fmt.Sprintf("%s too many: %s doubled on the way there, %s on the way back", many(e.Duplicates, "reply"),
				count(*e.DuplicatesForward), count(*e.DuplicatesBackward))
		}
		all = append(all, remark{"duplicates", text})
	}
	if e.Reordered > 0 {
		all = append(all, remark{"reordering", fmt.Sprintf("%s of %s came after a later packet's",
			many(e.Reordered, "reply"), count(e.Received))})
	}
	return all
}
