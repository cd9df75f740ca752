// Package threshold tells whether a report crosses limits that a user set, such
// as loss>1% or rtt_p99>50ms.
package threshold

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tinytwamp/shared/events"
)

// Rule is one limit.
type Rule struct {
	figure   *figure
	operator string
	limit    float64 // packets, percent, number or ns, all exact up to 2^53
	percent  bool    // of the packets sent
	text     string  // the limit as it was given
}

// operators in the order in which they are looked for: those that begin with
// another one come before it.
var operators = []string{">=", "<=", ">", "<", "="}

// Parse reads rules with commas between them, each a figure, an operator and a
// limit. Its error tells of all that are wrong, and lists the figures if one is
// unknown.
func Parse(text string) ([]Rule, error) {
	var rules []Rule
	var wrong []string
	unknown := false
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		r, err := parseRule(part)
		if err != nil {
			wrong = append(wrong, err.Error())
			unknown = unknown || errors.Is(err, errUnknown)
			continue
		}
		rules = append(rules, r)
	}
	if unknown {
		wrong = append(wrong, "figures are "+known())
	}
	if len(wrong) > 0 {
		return nil, errors.New(strings.Join(wrong, "; "))
	}
	return rules, nil
}

var errUnknown = errors.New("unknown figure")

func parseRule(text string) (Rule, error) {
	at := strings.IndexAny(text, "<>=")
	if at < 0 {
		return Rule{}, fmt.Errorf("%q has no operator: must be a figure, one of > >= < <= =, and a limit", text)
	}
	var r Rule
	name, rest := strings.TrimSpace(text[:at]), text[at:]
	for _, o := range operators {
		if limit, ok := strings.CutPrefix(rest, o); ok {
			r.operator, r.text = o, strings.TrimSpace(limit)
			break
		}
	}
	if r.figure = find(name); r.figure == nil {
		return Rule{}, fmt.Errorf("%w %q", errUnknown, name)
	}
	var ok bool
	if r.limit, r.percent, ok = r.figure.unit.parse(r.text); !ok {
		return Rule{}, fmt.Errorf("%s needs %s, not %q", name, r.figure.unit, r.text)
	}
	return r, nil
}

// parse reads a limit in the unit.
func (u unit) parse(text string) (limit float64, percent, ok bool) {
	if u == duration {
		d, err := time.ParseDuration(text)
		return float64(d), false, err == nil
	}
	if share, found := strings.CutSuffix(text, "%"); found && u == packets {
		limit, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		return limit, true, err == nil && limit >= 0 && !math.IsInf(limit, 0)
	}
	n, err := strconv.ParseUint(text, 10, 53) // what a float64 holds
	return float64(n), false, err == nil
}

// Figure is what the rule is about, by its name.
func (r Rule) Figure() string { return r.figure.name }

// Limit is the operator and the limit, as they were given.
func (r Rule) Limit() string { return r.operator + r.text }

// String is the rule as it can be parsed.
func (r Rule) String() string { return r.Figure() + r.Limit() }

// Crossed tells whether a report crosses the limit, and with which value. A
// figure that the report does not know crosses nothing, and has no value.
func (r Rule) Crossed(e *events.RTT) (value string, crossed bool) {
	n, ok := r.figure.of(e)
	if !ok {
		return "", false
	}
	v := float64(n)
	switch {
	case r.figure.unit == duration:
		value = time.Duration(n).String()
	case r.percent:
		if v, ok = share(r.figure, n, e); !ok {
			return "", false
		}
		value = strconv.FormatFloat(v, 'g', 4, 64) + "%"
	default:
		value = strconv.FormatInt(n, 10)
	}
	return value, r.compare(v)
}

// share is n in percent of the packets sent. Where the host sent none of those
// that were planned, all are lost.
func share(f *figure, n int64, e *events.RTT) (percent float64, ok bool) {
	if e.Sent == 0 {
		return 100, f.name == "loss" && e.Planned > 0
	}
	return 100 * float64(n) / float64(e.Sent), true
}

func (r Rule) compare(v float64) bool {
	switch r.operator {
	case ">":
		return v > r.limit
	case ">=":
		return v >= r.limit
	case "<":
		return v < r.limit
	case "<=":
		return v <= r.limit
	default:
		return v == r.limit
	}
}
