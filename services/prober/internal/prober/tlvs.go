package prober

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

// TLVs are the extensions that a session asks for (RFC 8972 section 4).
type TLVs struct {
	ClassOfService bool  // DSCP and ECN as they arrive at the reflector; replies have the DSCP of the requests
	FollowUp       bool  // Follow-Up Telemetry: when each reply really left
	Location       bool  // addresses and ports as they arrive at the reflector
	TimestampInfo  bool  // where the reflector's timestamps come from
	Direct         bool  // Direct Measurement: packets as both ends count them
	Access         uint8 // Access Report of this network, which is available; 0: none
}

// tlvNames are what the setting calls the extensions.
var tlvNames = []struct {
	name string
	set  func(*TLVs)
}{
	{"cos", func(t *TLVs) { t.ClassOfService = true }},
	{"follow-up", func(t *TLVs) { t.FollowUp = true }},
	{"location", func(t *TLVs) { t.Location = true }},
	{"timestamp-info", func(t *TLVs) { t.TimestampInfo = true }},
	{"direct", func(t *TLVs) { t.Direct = true }},
	{"access-3gpp", func(t *TLVs) { t.Access = stamp.Access3GPP }},
	{"access-non-3gpp", func(t *TLVs) { t.Access = stamp.AccessNon3GPP }},
}

// UnmarshalText reads the setting.
func (t *TLVs) UnmarshalText(b []byte) error {
	*t = TLVs{}
	for name := range strings.SplitSeq(string(b), ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		i := 0
		for ; i < len(tlvNames) && tlvNames[i].name != name; i++ {
		}
		if i == len(tlvNames) {
			var all []string
			for _, n := range tlvNames {
				all = append(all, n.name)
			}
			last := len(all) - 1
			return fmt.Errorf("must be of %s and %s, or empty, not %q", strings.Join(all[:last], ", "), all[last], name)
		}
		tlvNames[i].set(t)
	}
	return nil
}

// append adds the TLVs as a sender sends them. In authenticated mode they go
// with an HMAC TLV, which is filled in for each packet (RFC 8972 section 4.8).
func (t TLVs) append(b []byte, dscp uint8, authenticated bool) []byte {
	begun := len(b)
	add := func(kind stamp.TLVType, size int) []byte {
		b = stamp.AppendTLV(b, stamp.TLV{Flags: stamp.FlagU, Type: kind, Value: make([]byte, size)})
		return b[len(b)-size:]
	}
	if t.ClassOfService {
		stamp.ClassOfService{DSCP1: dscp}.Put(add(stamp.TLVClassOfService, stamp.ClassOfServiceSize))
	}
	if t.FollowUp {
		add(stamp.TLVFollowUpTelemetry, stamp.FollowUpSize)
	}
	if t.Location {
		stamp.Location{}.Put(add(stamp.TLVLocation, stamp.LocationSize))
	}
	if t.TimestampInfo {
		add(stamp.TLVTimestampInfo, stamp.TimestampInfoSize)
	}
	if t.Direct {
		add(stamp.TLVDirectMeasurement, stamp.DirectMeasurementSize)
	}
	if t.Access != 0 {
		stamp.AccessReport{Access: t.Access, ReturnCode: stamp.NetworkAvailable}.Put(add(stamp.TLVAccessReport, stamp.AccessReportSize))
	}
	if authenticated && len(b) > begun {
		add(stamp.TLVHMAC, stamp.HMACSize)
	}
	return b
}

// findTLV gives a packet's first TLV of a type.
func findTLV(trailing []byte, want stamp.TLVType) (t stamp.TLV, ok bool) {
	for len(trailing) > 0 {
		var err error
		if t, trailing, err = stamp.NextTLV(trailing); err != nil {
			return stamp.TLV{}, false
		}
		if t.Type == want {
			return t, true
		}
	}
	return stamp.TLV{}, false
}

// answeredTLV gives the value of the first TLV of a type, if the reflector filled
// it in, of those of a reply that can be used.
func answeredTLV(trailing []byte, want stamp.TLVType) (value []byte, ok bool) {
	t, ok := findTLV(trailing, want)
	return t.Value, ok && t.Flags&stamp.FlagU == 0
}

// told is what reflectors told by TLVs in an interval: their last word.
type told struct {
	location  stamp.Location
	info      stamp.TimestampInfo
	direct    stamp.DirectMeasurement
	access    stamp.AccessReport
	filled    kinds  // TLVs that were answered
	unknown   kinds  // TLVs that a reflector did not recognize
	malformed kinds  // TLVs that it found malformed
	refused   bool   // it may not send with the DSCP that was asked for
	integrity uint64 // replies whose TLVs are not to be trusted
}

// kinds is a set of TLV types.
type kinds uint16

func (k *kinds) add(t stamp.TLVType) {
	if t.Known() {
		*k |= 1 << t
	}
}

func (k kinds) has(t stamp.TLVType) bool { return k&(1<<t) != 0 }

// take takes the TLVs of a reply, and gives those that can be used: up to a
// malformed one, and none if the integrity of one is in doubt (RFC 8972 section
// 4).
func (x *told) take(trailing []byte) (usable []byte) {
	usable = trailing
	for b := trailing; len(b) > 0; {
		t, rest, err := stamp.NextTLV(b)
		switch {
		case err == nil && t.Flags&stamp.FlagI != 0:
			x.integrity++
			return nil
		case err != nil, t.Flags&stamp.FlagM != 0, t.Flags&stamp.FlagU == 0 && !t.ValidLength():
			if err == nil {
				x.malformed.add(t.Type)
			}
			usable = trailing[:len(trailing)-len(b)]
			rest = nil
		}
		b = rest
	}
	for b := usable; len(b) > 0; {
		t, rest, _ := stamp.NextTLV(b)
		if b = rest; t.Flags&stamp.FlagU != 0 {
			x.unknown.add(t.Type)
			continue
		}
		x.fill(t)
	}
	return usable
}

// fill takes a TLV that a reflector answered.
func (x *told) fill(t stamp.TLV) {
	err := stamp.ErrMalformed
	switch t.Type {
	case stamp.TLVLocation:
		err = x.location.UnmarshalBinary(t.Value)
	case stamp.TLVTimestampInfo:
		err = x.info.UnmarshalBinary(t.Value)
	case stamp.TLVDirectMeasurement:
		err = x.direct.UnmarshalBinary(t.Value)
	case stamp.TLVAccessReport:
		err = x.access.UnmarshalBinary(t.Value)
	case stamp.TLVClassOfService:
		var c stamp.ClassOfService
		if err = c.UnmarshalBinary(t.Value); err == nil {
			x.refused = c.ReversePath != 0
		}
	}
	if err == nil {
		x.filled.add(t.Type)
	}
}

// merge adds what was told in another session.
func (x *told) merge(o *told) {
	integrity := x.integrity + o.integrity
	unknown, malformed := x.unknown|o.unknown, x.malformed|o.malformed
	if o.filled != 0 {
		*x = *o
	}
	x.integrity, x.unknown, x.malformed = integrity, unknown, malformed
}

// report is what was told, for the event of a session with a target.
func (x *told) report(s *events.Session, target netip.AddrPort) *events.Extensions {
	e := &events.Extensions{
		DSCPRefused: x.refused, Unrecognized: x.unknown.names(), Malformed: x.malformed.names(), IntegrityFailed: x.integrity,
	}
	if x.filled.has(stamp.TLVLocation) {
		l := &events.Location{Source: x.location.Source, Destination: x.location.Destination}
		l.Translated = l.Source.Port() != s.Source.Port() && s.Source.Port() != 0 ||
			l.Source.Addr().IsValid() && !s.Source.Addr().IsUnspecified() && l.Source.Addr() != s.Source.Addr() ||
			l.Destination.Addr().IsValid() && l.Destination != target
		e.Location = l
	}
	if x.filled.has(stamp.TLVTimestampInfo) {
		e.TimestampInfo = &events.TimestampInfo{
			SyncIn: word(syncNames, x.info.SyncIn), MethodIn: word(methodNames, x.info.MethodIn),
			SyncOut: word(syncNames, x.info.SyncOut), MethodOut: word(methodNames, x.info.MethodOut),
		}
	}
	if x.filled.has(stamp.TLVDirectMeasurement) {
		e.DirectMeasurement = &events.DirectMeasurement{
			SenderTx: x.direct.SenderTx, ReflectorRx: x.direct.ReflectorRx, ReflectorTx: x.direct.ReflectorTx,
		}
	}
	if x.filled.has(stamp.TLVAccessReport) {
		e.AccessReport = &events.AccessReport{Access: x.access.Access, ReturnCode: x.access.ReturnCode}
	}
	return e
}

// Words of events for the registries of RFC 8972 sections 5.4 and 5.5.
var (
	syncNames = map[uint8]string{
		stamp.SyncNTP: "ntp", stamp.SyncPTP: "ptp", stamp.SyncSSU: "ssu_bits", stamp.SyncGNSS: "gnss", stamp.SyncLocal: "local",
	}
	methodNames = map[uint8]string{
		stamp.TimestampHWAssist: "hw_assist", stamp.TimestampSWLocal: "sw_local", stamp.TimestampControlPlane: "control_plane",
	}
)

func word(names map[uint8]string, n uint8) string {
	if name, ok := names[n]; ok {
		return name
	}
	return strconv.Itoa(int(n))
}

// names are the types, as the field's registry calls them.
func (k kinds) names() []string {
	all := []string{}
	for t, name := range map[stamp.TLVType]string{
		stamp.TLVExtraPadding: "extra_padding", stamp.TLVLocation: "location", stamp.TLVTimestampInfo: "timestamp_information",
		stamp.TLVClassOfService: "class_of_service", stamp.TLVDirectMeasurement: "direct_measurement",
		stamp.TLVAccessReport: "access_report", stamp.TLVFollowUpTelemetry: "follow_up_telemetry", stamp.TLVHMAC: "hmac",
	} {
		if k.has(t) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
