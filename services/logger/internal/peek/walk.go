package peek

import (
	"bytes"
	"strings"
)

// maxDepth is far below what package json takes, and above what an event has.
const maxDepth = 32

// walker holds JSON to a shape. Its methods are false when it is not sure that
// package json would take the text, or what it would make of it.
type walker struct {
	b     []byte
	i     int
	depth int

	values [][]byte // of the fields that are taken out; nil: not there, or null
}

// document holds the whole text to the shape of an object.
func (w *walker) document(s *shape) bool {
	w.space()
	if !w.object(s) {
		return false
	}
	w.space()
	return w.i == len(w.b)
}

func (w *walker) space() {
	for w.i < len(w.b) && (w.b[w.i] == ' ' || w.b[w.i] == '\n' || w.b[w.i] == '\t' || w.b[w.i] == '\r') {
		w.i++
	}
}

// skip takes the octet c, and white space around it.
func (w *walker) skip(c byte) bool {
	w.space()
	if w.i == len(w.b) || w.b[w.i] != c {
		return false
	}
	w.i++
	w.space()
	return true
}

func (w *walker) next() byte {
	if w.i == len(w.b) {
		return 0
	}
	return w.b[w.i]
}

func (w *walker) literal(word string) bool {
	if !strings.HasPrefix(string(w.b[w.i:min(len(w.b), w.i+len(word))]), word) {
		return false
	}
	w.i += len(word)
	return true
}

// value holds what comes next to a shape.
func (w *walker) value(s *shape) bool {
	if w.next() == 'n' {
		return s.nullable && w.literal("null")
	}
	switch s.kind {
	case anyJSON:
		return w.anything()
	case text:
		_, ok := w.text()
		return ok
	case integer:
		return w.integer(s)
	case boolean:
		return w.literal("true") || w.literal("false")
	case list:
		return w.list(func() bool { return w.value(s.element) })
	case mapping:
		return w.members(func() bool {
			_, ok := w.key()
			return ok && w.value(s.element)
		})
	case object:
		return w.object(s)
	case instant, address, addrPort:
		return w.special(s.kind)
	}
	return false
}

// object holds an object to the fields of its shape. Ours write them in order,
// so the next one is nearly always the one that comes. Two of one name, or one
// that package json would take for another, leave it unsure.
func (w *walker) object(s *shape) bool {
	if len(s.fields) > 64 {
		return false
	}
	var seen uint64 // one bit for each field
	expected := 0
	return w.members(func() bool {
		n := expected
		if n < len(s.fields) && bytes.HasPrefix(w.b[w.i:], s.fields[n].token) {
			w.i += len(s.fields[n].token)
			w.space()
		} else {
			key, ok := w.key()
			if !ok {
				return false
			}
			if n = s.find(key); n < 0 {
				return isLower(key) && w.anything()
			}
		}
		if seen&(1<<n) != 0 {
			return false
		}
		seen |= 1 << n
		expected = n + 1
		begin, f := w.i, &s.fields[n]
		if !w.value(f.shape) {
			return false
		}
		if f.taken && w.b[begin] != 'n' {
			w.values[f.as] = w.b[begin:w.i]
		}
		return true
	})
}

// key takes the key of a member, and what follows it up to the value.
func (w *walker) key() ([]byte, bool) {
	key, ok := w.text()
	return key, ok && bytes.IndexByte(key, '\\') < 0 && w.skip(':')
}

func (s *shape) find(key []byte) int {
	for n := range s.fields {
		if s.fields[n].name == string(key) {
			return n
		}
	}
	return -1
}

// members walks through an object.
func (w *walker) members(member func() bool) bool { return w.sequence('{', '}', member) }

func (w *walker) list(element func() bool) bool { return w.sequence('[', ']', element) }

// sequence walks through what stands between two brackets, with commas between.
func (w *walker) sequence(open, end byte, item func() bool) bool {
	if w.depth++; w.depth > maxDepth || !w.skip(open) {
		return false
	}
	defer func() { w.depth-- }()
	if w.next() == end {
		w.i++
		return true
	}
	for {
		if !item() {
			return false
		}
		w.space()
		switch w.next() {
		case ',':
			w.i++
			w.space()
		case end:
			w.i++
			return true
		default:
			return false
		}
	}
}

// anything takes a value of whatever shape.
func (w *walker) anything() bool {
	switch c := w.next(); {
	case c == '{':
		return w.members(func() bool {
			_, ok := w.key()
			return ok && w.anything()
		})
	case c == '[':
		return w.list(w.anything)
	case c == '"':
		_, ok := w.text()
		return ok
	case c == '-' || isDigit(c):
		return w.number()
	}
	return w.literal("true") || w.literal("false") || w.literal("null")
}
