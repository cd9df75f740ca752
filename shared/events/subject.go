package events

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// maxName is the longest name in octets: that of a DNS label.
const maxName = 63

// noName stands for a name of which nothing is left.
const noName = "unnamed"

// RTTSubject returns the subject of a report on target at addr.
func RTTSubject(prober, target string, addr netip.AddrPort) string {
	return TypeRTT + "." + FitName(prober) + "." + FitName(target) + "." + AddressToken(addr)
}

// ResultSubject returns the subject pattern of all reports on addr, whoever
// made them: what a reflector at addr subscribes to.
func ResultSubject(addr netip.AddrPort) string {
	return TypeRTT + ".*.*." + AddressToken(addr)
}

// LogSubject returns the subject of the test log of the instance name.
func LogSubject(name string) string { return TypeLog + "." + FitName(name) }

// DeadLetterSubject returns the subject of what the logger name could not read.
func DeadLetterSubject(name string) string { return TypeDeadLetter + "." + FitName(name) }

// AddressToken returns addr as one token of a subject: the address in 32
// hexadecimal digits (IPv4 mapped into IPv6), '-', and the port. A zone is left
// out: it means something on its own host only.
func AddressToken(addr netip.AddrPort) string {
	a := addr.Addr().As16()
	return hex.EncodeToString(a[:]) + "-" + strconv.Itoa(int(addr.Port()))
}

// FitName makes s fit for a subject, a source and a file: ASCII letters,
// digits, '_' and '-', 1 to 63 octets. Each other character becomes '-', and
// what is too long is cut. A name that fits is returned as it is; different
// names may become the same.
func FitName(s string) string {
	fitted := strings.Map(func(r rune) rune {
		if plainRune(r) {
			return r
		}
		return '-'
	}, s)
	if fitted == "" {
		return noName
	}
	return fitted[:min(len(fitted), maxName)]
}

// SubjectName returns the name of the instance that a subject belongs to: the
// <prober> of a report, the <name> of other events. It is false for a subject
// of another form.
func SubjectName(subject string) (name string, ok bool) {
	tokens := strings.Split(subject, ".")
	if len(tokens) < 4 {
		return "", false
	}
	want := 4
	switch strings.Join(tokens[:3], ".") {
	case TypeRTT:
		want = 6
	case TypeLog, TypeDeadLetter:
	default:
		return "", false
	}
	if len(tokens) != want {
		return "", false
	}
	for _, t := range tokens[3:] {
		if t != FitName(t) {
			return "", false
		}
	}
	return tokens[3], true
}

func plainRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
}
