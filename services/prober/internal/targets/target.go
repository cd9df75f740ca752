package targets

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/service"
)

// Bounds of what names and describes a target. Both end up in each event.
const (
	maxName   = 253 // octets, as of a host name
	maxLabels = 32
	maxLabel  = 253 // octets of a value
)

// labelKey is the form of a label's key, which is that of Prometheus.
var labelKey = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,62}$`)

// targetKeys are the keys of a target.
var targetKeys = append([]string{"name", "address", "labels"}, settingKeys()...)

// settingKeys are the keys of a target's settings.
func settingKeys() []string {
	var names []string
	for _, k := range service.Keys(new(prober.Test)) {
		names = append(names, k.Name)
	}
	return names
}

// target reads a target.
func (p *parser) target(n *yaml.Node) {
	entries, ok := p.mapping(n, n, "a target", targetKeys)
	if !ok {
		return
	}
	var t prober.Target
	address, ok := find(entries, "address")
	if !ok {
		p.fault(n, "a target needs an address")
	} else {
		t, ok = p.address(address)
	}
	named := address
	if e, given := find(entries, "name"); given {
		named = e
		t.Name, ok = p.text(e)
	}
	if ok {
		p.name(t.Name, named)
	}
	t.Labels = p.readLabels(entries, p.defaultLabels)
	wrong := p.settings(p.defaultTest, entries)
	t.Test = p.test
	p.check(&t.Test, n, entries, wrong)
	if t.Host != "" {
		p.families(t, address)
	}
	p.targets = append(p.targets, t)
}

// address reads where a target is.
func (p *parser) address(e entry) (prober.Target, bool) {
	text, ok := p.text(e)
	if !ok {
		return prober.Target{}, false
	}
	t, err := prober.ParseTarget(text)
	if err != nil {
		p.fault(e.key, "address %v", err)
		return prober.Target{}, false
	}
	return t, true
}

// name holds a target's name, which stands at e, to its bounds, and to be the
// only one.
func (p *parser) name(name string, e entry) {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		p.fault(e.key, "the name of a target must be 1 to %d octets that can be printed", maxName)
		return
	}
	if line, taken := p.names[name]; taken {
		p.fault(e.key, "the target in line %d has the name %q, too: give each its own", line, name)
		return
	}
	p.names[name] = e.key.Line
}

// readLabels reads labels over those of the defaults.
func (p *parser) readLabels(entries []entry, defaults map[string]string) map[string]string {
	e, ok := find(entries, "labels")
	if !ok {
		return maps.Clone(defaults)
	}
	own, _ := p.mapping(e.key, e.value, "labels", nil)
	labels := make(map[string]string)
	maps.Copy(labels, defaults)
	for _, l := range own {
		if !labelKey.MatchString(l.name) {
			p.fault(l.key, "the key of a label must be letters, digits and _, at most 63 and no digit first, not %q", cut(l.name))
			continue
		}
		text, ok := p.text(entry{"label " + l.name, l.key, l.value})
		if ok && (len(text) > maxLabel || strings.ContainsFunc(text, unicode.IsControl)) {
			p.fault(l.key, "label %s must be at most %d octets without control characters", l.name, maxLabel)
		}
		labels[l.name] = text
	}
	if len(labels) > maxLabels {
		p.fault(e.key, "labels must be at most %d, with those of the defaults", maxLabels)
	}
	return labels
}

// settings makes p.test of the entries that are settings, over those of under,
// and returns the keys of those that are wrong.
func (p *parser) settings(under prober.Test, entries []entry) (wrong []string) {
	p.test = under
	for _, e := range entries {
		i := slices.IndexFunc(p.keys, func(k service.Key) bool { return k.Name == e.name })
		if i < 0 {
			continue
		}
		text, ok := p.setting(p.keys[i], e)
		if ok {
			if err := p.keys[i].Set(text); err != nil {
				p.fault(e.key, "%s %v", e.name, err)
				ok = false
			}
		}
		if !ok {
			wrong = append(wrong, e.name)
		}
	}
	return wrong
}

// check finds settings of the target at n that cannot work together. What is
// wrong with the defaults already is told of them, once.
func (p *parser) check(test *prober.Test, n *yaml.Node, entries []entry, wrong []string) {
	for _, problem := range test.Check() {
		key := problem.Key()
		at := n
		if e, own := find(entries, key); own {
			at = e.key
		} else if slices.Contains(p.inherited, problem) {
			at = p.from
			if e, ok := find(p.entries, key); ok {
				at = e.key
			}
		}
		if !slices.Contains(wrong, key) && !slices.Contains(p.base, problem) {
			p.fault(at, "%s %s", key, problem.Msg)
		}
	}
}

// families holds a target that is an address to the address family of its
// settings.
func (p *parser) families(t prober.Target, e entry) {
	a, err := netip.ParseAddr(t.Host)
	if err != nil {
		return
	}
	family := prober.IPv6
	if a = a.Unmap(); a.Is4() {
		family = prober.IPv4
	}
	if f := t.Test.Family; f != prober.AnyFamily && f != family {
		p.fault(e.key, "address %v is not of the family %v, which the target's settings ask for", a, f)
	}
	if s := t.Test.Source.Addr(); s.IsValid() && !s.IsUnspecified() && s.Is4() != a.Is4() {
		p.fault(e.key, "address %v must be of the same family as the source %v", a, s)
	}
}
