package view

import (
	"fmt"
	"strings"

	"tinytwamp/shared/events"
)

// tlvRemarks are of what the reflector told, or did not tell, by TLVs, and of
// what is not authentic.
func tlvRemarks(e *events.RTT) (all []remark) {
	if e.HMACFailed > 0 {
		all = append(all, remark{"bad HMAC", many(e.HMACFailed, "reply") +
			" with a wrong HMAC, not taken: they are forged or were changed on the way"})
	}
	x := e.Extensions
	if x == nil {
		return all
	}
	if l := x.Location; l != nil && l.Translated {
		all = append(all, remark{"", fmt.Sprintf("the reflector sees packets from %v to %v, not from %v to %v: an address translator (NAT) is on the way",
			l.Source, l.Destination, e.Session.Source, e.Target.Address)})
	}
	if x.IntegrityFailed > 0 {
		all = append(all, remark{"TLVs not trusted", many(x.IntegrityFailed, "reply") +
			" with TLVs that are not to be trusted, not used: their HMAC did not verify here or at the reflector"})
	}
	if len(x.Malformed) > 0 {
		all = append(all, remark{"TLV malformed", "the reflector found malformed: " + wordList(x.Malformed)})
	}
	if len(x.Unrecognized) > 0 {
		all = append(all, remark{"", "the reflector does not answer: " + wordList(x.Unrecognized)})
	}
	if x.DSCPRefused {
		all = append(all, remark{"", "the reflector's policy does not let replies have the DSCP that was asked for"})
	}
	return all
}

// wordList writes names of the contract in words.
func wordList(names []string) string {
	return clean(strings.ReplaceAll(strings.Join(names, ", "), "_", " "))
}

// location is between which addresses packets came in at the reflector.
func location(e *events.RTT) string {
	if e.Extensions == nil || e.Extensions.Location == nil {
		return ""
	}
	l := e.Extensions.Location
	return fmt.Sprintf("from %v to %v, as the reflector sees it", l.Source, l.Destination)
}

// clockSources are where the reflector's timestamps come from.
func clockSources(e *events.RTT) string {
	if e.Extensions == nil || e.Extensions.TimestampInfo == nil {
		return ""
	}
	i := e.Extensions.TimestampInfo
	return clean(fmt.Sprintf("%s of %s, and %s of %s", methodWords(i.MethodIn), syncWords(i.SyncIn), methodWords(i.MethodOut), syncWords(i.SyncOut)))
}

func methodWords(method string) string {
	switch method {
	case "hw_assist":
		return "by hardware"
	case "sw_local":
		return "by software"
	case "control_plane":
		return "by the control plane"
	}
	return "by method " + method
}

func syncWords(source string) string {
	switch source {
	case "ntp", "ptp", "gnss":
		return strings.ToUpper(source) + " time"
	case "ssu_bits":
		return "SSU/BITS time"
	case "local":
		return "its own time"
	}
	return "source " + source
}

// counted is how many packets both ends have counted.
func counted(e *events.RTT) string {
	if e.Extensions == nil || e.Extensions.DirectMeasurement == nil {
		return ""
	}
	d := e.Extensions.DirectMeasurement
	return fmt.Sprintf("%s sent, %s at the reflector, %s replies", count(uint64(d.SenderTx)), count(uint64(d.ReflectorRx)), count(uint64(d.ReflectorTx)))
}
