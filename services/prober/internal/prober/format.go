package prober

import (
	"errors"

	"tinytwamp/shared/stamp"
)

// Format is a timestamp format.
type Format struct{ stamp.Format }

// UnmarshalText reads the setting.
func (f *Format) UnmarshalText(b []byte) error {
	if f.Format.UnmarshalText(b) != nil {
		return errors.New("must be ntp or ptp")
	}
	return nil
}
