package service

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
)

// URL is a setting that holds a URL, or several with commas between them. The
// user part is a secret: whatever prints a URL leaves it out, and only a
// conversion to string gives it.
type URL string

// errURL does not repeat the text, which may hold a password.
var errURL = errors.New("must be a URL such as nats://host:4222")

// UnmarshalText takes URLs with a scheme and a host. An empty text is no URL.
func (u *URL) UnmarshalText(text []byte) error {
	if len(text) > 0 {
		for part := range strings.SplitSeq(string(text), ",") {
			p, err := url.Parse(strings.TrimSpace(part))
			if err != nil || p.Scheme == "" || p.Host == "" {
				return errURL
			}
		}
	}
	*u = URL(text)
	return nil
}

// String returns the URL without its user part.
func (u URL) String() string {
	if u == "" {
		return ""
	}
	var parts []string
	for part := range strings.SplitSeq(string(u), ",") {
		p, err := url.Parse(strings.TrimSpace(part))
		if err != nil {
			return "(not a URL)"
		}
		p.User = nil
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ",")
}

// GoString keeps %#v from showing the user part.
func (u URL) GoString() string { return `"` + u.String() + `"` }

// MarshalText keeps JSON from showing the user part.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue keeps the user part out of the log.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }
