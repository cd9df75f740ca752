package twamp

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a passphrase file.
const (
	maxPassphrases   = 4096
	maxPassphraseLen = 1024
)

// Passphrases are those of a passphrase file, by key id, which both ends of a
// control connection have. They do not change, so that goroutines can share
// them.
type Passphrases struct {
	byID  map[string]string
	first string
}

// ParsePassphrases reads a passphrase file. A line is a key id of at most 80
// octets, white space and the passphrase, which is all that follows: it may hold
// spaces. A line that begins with # is a comment, and empty lines are allowed.
// A passphrase is of printable ASCII (RFC 5357 section 3.1).
//
// The error, one line, names all faults by their line numbers. It quotes
// nothing: what stands in the place of a key id may be a passphrase.
func ParsePassphrases(text []byte) (Passphrases, error) {
	p := Passphrases{byID: make(map[string]string)}
	var faults []string
	first := map[string]int{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		if len(first)+len(faults) == maxPassphrases {
			faults = append(faults, fmt.Sprintf("line %d: there are more than %d passphrases", number, maxPassphrases))
			break
		}
		id, passphrase, err := parsePassphrase(line)
		if err == nil && first[id] != 0 {
			err = fmt.Errorf("the key id is that of line %d", first[id])
		}
		if err != nil {
			faults = append(faults, fmt.Sprintf("line %d: %v", number, err))
			continue
		}
		first[id], p.byID[id] = number, passphrase
		if p.first == "" {
			p.first = id
		}
	}
	if len(first)+len(faults) == 0 {
		faults = append(faults, "there is no passphrase in it")
	}
	if len(faults) > 0 {
		return Passphrases{}, errors.New("twamp: passphrase file: " + strings.Join(faults, "; "))
	}
	return p, nil
}

func parsePassphrase(line string) (id, passphrase string, err error) {
	at := strings.IndexAny(line, " \t")
	if at < 0 {
		return "", "", errors.New("must be a key id, a space and a passphrase")
	}
	id, passphrase = line[:at], strings.TrimLeft(line[at:], " \t")
	switch {
	case len(id) > maxKeyIDLen || !utf8.ValidString(id):
		return "", "", fmt.Errorf("the key id must be UTF-8 of at most %d octets", maxKeyIDLen)
	case passphrase == "" || len(passphrase) > maxPassphraseLen:
		return "", "", fmt.Errorf("the passphrase must have 1 to %d characters", maxPassphraseLen)
	case strings.TrimRight(passphrase, " \t") != passphrase:
		return "", "", errors.New("the passphrase must not end with white space, which nobody sees")
	case strings.ContainsFunc(passphrase, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", "", errors.New("the passphrase must be of printable ASCII characters")
	}
	return id, passphrase, nil
}

// Lookup returns the passphrase of a key id.
func (p Passphrases) Lookup(id string) (passphrase string, ok bool) {
	passphrase, ok = p.byID[id]
	return passphrase, ok
}

// Only returns the key id of a file that has no other, for a client that was not
// told which one to use.
func (p Passphrases) Only() (id string, ok bool) { return p.first, len(p.byID) == 1 }

// Len is the number of passphrases.
func (p Passphrases) Len() int { return len(p.byID) }
