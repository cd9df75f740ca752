package service

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a setting that holds a number of octets. It is written as a plain
// number or with a unit: 512, 100kB, 64MiB.
type Bytes int64

// byteUnits holds the longer names first: each is tried as a suffix. The binary
// ones go by falling size, since String takes the first that fits.
var byteUnits = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
	{"", 1},
}

// UnmarshalText takes a whole number, not negative, with or without a unit.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 63)
		if errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(math.MaxInt64/u.size) {
			return fmt.Errorf("must be less than 8EiB, not %q", text)
		}
		if err != nil {
			break
		}
		*b = Bytes(int64(n) * u.size)
		return nil
	}
	return fmt.Errorf("must be a size such as 512, 100kB or 64MiB, not %q", text)
}

// String writes the size with the largest unit of 1024 that leaves it whole.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
