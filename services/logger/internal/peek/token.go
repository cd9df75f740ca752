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
