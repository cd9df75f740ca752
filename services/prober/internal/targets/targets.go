// Package targets reads the targets file, which names many targets, each with
// settings of its own:
//
//	defaults:               # settings of all targets in the file
//	  interval: 1s
//	targets:
//	  - name: fra-edge      # in results; without it the address as written
//	    address: reflector.example:862
//	    labels: {site: fra}
//	    count: 20
//
// Every setting of [prober.Test] is a key. The file is read strictly, and all
// that is wrong with it is told at once.
package targets

import (
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v4" // v3 finds syntax errors in the line where the list or mapping around them begins

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/service"
)

// Bounds of a file.
const (
	maxSize    = 16 << 20 // octets
	maxTargets = 100_000
)

// Load reads the targets file at path. Its targets have the settings of base
// where the file does not say otherwise. If anything is wrong there are none,
// but faults: lines such as "targets.yaml:7:5: interval must be ...", in the
// order of the file; of many the first, and a last line that says so.
func Load(path string, base prober.Test) (list []prober.Target, faults []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil, []string{"cannot read the targets file: " + err.Error()}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, []string{"cannot read the targets file: " + err.Error()}
	}
	return parse(path, text, base)
}

// parse reads the text of a targets file.
func parse(path string, text []byte, base prober.Test) (list []prober.Target, faults []string) {
	if len(text) > maxSize {
		return nil, []string{fmt.Sprintf("%s is too long: a targets file has at most %d MiB", path, maxSize>>20)}
	}
	p := parser{defaultTest: base, base: base.Check(), names: make(map[string]int)}
	p.keys = service.Keys(&p.test)
	if root := p.document(text); root != nil {
		p.file(root)
	}
	if len(p.faults) > 0 {
		return nil, p.faults.list(path)
	}
	return p.targets, nil
}

// parser turns the nodes of a file into targets.
type parser struct {
	faults  faults
	targets []prober.Target
	names   map[string]int // lines of the targets, by name

	defaultTest   prober.Test // the defaults over base
	defaultLabels map[string]string
	from          *yaml.Node // the key defaults; nil: none
	entries       []entry    // of the defaults

	test prober.Test   // of the target that is read; its keys are made once
	keys []service.Key // of test

	// Problems that targets may take over: of base, which are not the file's,
	// and of the defaults.
	base, inherited []service.Problem
}

// file reads the root of the document.
func (p *parser) file(root *yaml.Node) {
	entries, ok := p.mapping(root, root, "a targets file", []string{"defaults", "targets"})
	if e, given := find(entries, "defaults"); given {
		p.defaults(e)
	}
	e, given := find(entries, "targets")
	if !given {
		if ok {
			p.fault(root, "needs a list of targets")
		}
		return
	}
	list := resolve(e.value)
	switch {
	case list.Kind != yaml.SequenceNode:
		p.fault(e.key, "targets must be a list, not %s", form(list))
		return
	case len(list.Content) == 0:
		p.fault(e.key, "targets must name at least one")
	case len(list.Content) > maxTargets:
		p.fault(e.key, "targets must be at most %d", maxTargets)
		return
	}
	for _, n := range list.Content {
		if p.target(n); len(p.faults) >= maxFaults {
			return
		}
	}
}

// defaults reads the settings of all targets.
func (p *parser) defaults(d entry) {
	entries, ok := p.mapping(d.key, d.value, "defaults", targetKeys)
	if !ok {
		return
	}
	for _, e := range entries {
		if e.name == "name" || e.name == "address" {
			p.fault(e.key, "%s belongs to a target, not to the defaults", e.name)
		}
	}
	p.from, p.entries = d.key, entries
	p.defaultLabels = p.readLabels(entries, nil)
	p.settings(p.defaultTest, entries)
	p.inherited = p.test.Check()
	p.defaultTest = p.test // with the keys that Check has read
}
