package stamp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// DSCP is a differentiated services code point, 0 to 63 (RFC 2474 section 3).
type DSCP uint8

// dscpNames are those of RFC 2474, 2597, 3246, 5865 and 8622.
var dscpNames = map[string]DSCP{
	"DF": 0, "BE": 0, "CS0": 0, "CS1": 8, "CS2": 16, "CS3": 24, "CS4": 32, "CS5": 40, "CS6": 48, "CS7": 56,
	"AF11": 10, "AF12": 12, "AF13": 14, "AF21": 18, "AF22": 20, "AF23": 22,
	"AF31": 26, "AF32": 28, "AF33": 30, "AF41": 34, "AF42": 36, "AF43": 38,
	"EF": 46, "VA": 44, "LE": 1,
}

// UnmarshalText reads a number or a name. Its error is for whoever wrote it.
func (d *DSCP) UnmarshalText(b []byte) error {
	if v, ok := dscpNames[strings.ToUpper(string(b))]; ok {
		*d = v
		return nil
	}
	text, base := string(b), 10
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		text, base = hex, 16
	}
	v, err := strconv.ParseUint(text, base, 8)
	if err != nil || v > 63 {
		return errors.New("must be a number from 0 to 63, or a name such as EF, AF41 or CS1")
	}
	*d = DSCP(v)
	return nil
}

// String is the number, and its name where it has one: 46 (EF).
func (d DSCP) String() string {
	for name, v := range dscpNames {
		if v == d && name != "DF" && name != "BE" { // of the three for 0, CS0 says what it is
			return fmt.Sprintf("%d (%s)", uint8(d), name)
		}
	}
	return strconv.Itoa(int(d))
}
