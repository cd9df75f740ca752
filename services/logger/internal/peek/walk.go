package peek

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
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
func (w *walker) members(member func() bool) bool {
	if w.depth++; w.depth > maxDepth || !w.skip('{') {
		return false
	}
	defer func() { w.depth-- }()
	if w.next() == '}' {
		w.i++
		return true
	}
	for {
		if !member() {
			return false
		}
		w.space()
		switch w.next() {
		case ',':
			w.i++
			w.space()
		case '}':
			w.i++
			return true
		default:
			return false
		}
	}
}

func (w *walker) list(element func() bool) bool {
	if w.depth++; w.depth > maxDepth || !w.skip('[') {
		return false
	}
	defer func() { w.depth-- }()
	if w.next() == ']' {
		w.i++
		return true
	}
	for {
		if !element() {
			return false
		}
		w.space()
		switch w.next() {
		case ',':
			w.i++
			w.space()
		case ']':
			w.i++
			return true
		default:
			return false
		}
	}
}

// text takes a string, and returns what is between its quotes.
func (w *walker) text() ([]byte, bool) {
	if w.next() != '"' {
		return nil, false
	}
	begin := w.i + 1
	for i := begin + plain(w.b[begin:]); i < len(w.b); i++ {
		switch c := w.b[i]; {
		case c == '"':
			w.i = i + 1
			return w.b[begin:i], true
		case c < ' ':
			return nil, false
		case c == '\\':
			if i++; i == len(w.b) || !w.escape(&i) {
				return nil, false
			}
		}
	}
	return nil, false
}

// plain returns how many octets, in steps of 8, are ordinary characters of a
// string: neither quotes nor backslashes nor control characters. It is what
// makes histograms cheap.
func plain(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n+8 <= len(b); n += 8 {
		v := binary.LittleEndian.Uint64(b[n:])
		quote, escape := v^('"'*ones), v^('\\'*ones)
		// An octet of x that is 0 sets its top bit in (x-ones)&^x; one below ' '
		// does in (v-' '*ones)&^v. Higher octets may be taken for it by a carry:
		// then the slow loop has a look at them.
		if ((quote-ones)&^quote|(escape-ones)&^escape|(v-' '*ones)&^v)&tops != 0 {
			break
		}
	}
	return n
}

// escape takes what follows a backslash, and leaves i at its last octet.
func (w *walker) escape(i *int) bool {
	if w.b[*i] != 'u' {
		return strings.IndexByte(`"\/bfnrt`, w.b[*i]) >= 0
	}
	if *i+4 >= len(w.b) {
		return false
	}
	for _, c := range w.b[*i+1 : *i+5] {
		if !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	*i += 4
	return true
}

// integer takes a number that fits the shape.
func (w *walker) integer(s *shape) bool {
	begin := w.i
	negative := w.next() == '-'
	if negative {
		w.i++
	}
	digits := w.i
	value := uint64(0)
	for w.i < len(w.b) && isDigit(w.b[w.i]) {
		value = value*10 + uint64(w.b[w.i]-'0')
		w.i++
	}
	n := w.i - digits
	if n == 0 || n > 1 && w.b[digits] == '0' || !w.ended() {
		return false
	}
	if !s.signed {
		return !negative && (n < 19 && value <= math.MaxUint64>>(64-s.bits) || n >= 19 && parses(w.b[begin:w.i], s))
	}
	return n < 19 && value <= math.MaxUint64>>(65-s.bits) || n >= 19 && parses(w.b[begin:w.i], s)
}

// parses tells whether a long number, at the limit of its type, fits.
func parses(b []byte, s *shape) bool {
	var err error
	if s.signed {
		_, err = strconv.ParseInt(string(b), 10, s.bits)
	} else {
		_, err = strconv.ParseUint(string(b), 10, s.bits)
	}
	return err == nil
}

// ended tells whether a number does not go on as a fraction or an exponent.
func (w *walker) ended() bool {
	switch w.next() {
	case '.', 'e', 'E':
		return false
	}
	return true
}

// special takes a text that has a form of its own.
func (w *walker) special(k kind) bool {
	b, ok := w.text()
	if !ok || bytes.IndexByte(b, '\\') >= 0 {
		return false
	}
	var err error
	switch k {
	case instant:
		var at time.Time
		err = at.UnmarshalText(b)
	case address:
		if len(b) > 0 { // an empty text is the zero value
			_, err = netip.ParseAddr(string(b))
		}
	case addrPort:
		if len(b) > 0 {
			_, err = netip.ParseAddrPort(string(b))
		}
	}
	return err == nil
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

// number takes a number of whatever form.
func (w *walker) number() bool {
	digits := func() bool {
		begin := w.i
		for w.i < len(w.b) && isDigit(w.b[w.i]) {
			w.i++
		}
		return w.i > begin
	}
	if w.next() == '-' {
		w.i++
	}
	zero := w.next() == '0'
	begin := w.i
	if !digits() || zero && w.i > begin+1 {
		return false
	}
	if w.next() == '.' {
		if w.i++; !digits() {
			return false
		}
	}
	if c := w.next(); c == 'e' || c == 'E' {
		w.i++
		if c := w.next(); c == '+' || c == '-' {
			w.i++
		}
		return digits()
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isLower tells whether package json could not take the key for one of ours,
// which are in lower case.
func isLower(key []byte) bool {
	for _, c := range key {
		if 'A' <= c && c <= 'Z' || c >= 0x80 {
			return false
		}
	}
	return true
}
