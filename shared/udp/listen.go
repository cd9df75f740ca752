package udp

import "errors"

// hopLimit is the TTL of everything that is sent, so that the other end can
// tell the length of the path (RFC 5357 section 4.1.2, RFC 8762 section 4.2.1).
const hopLimit = 255

// errNoAddress is a mistake of the caller's: the family would be a guess.
var errNoAddress = errors.New("udp: listen: no local address given; use 0.0.0.0 or [::] for all")
