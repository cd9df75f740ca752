//go:build !linux

package prober

import "time"

// throttled is 0: there are no cgroups.
func throttled() time.Duration { return 0 }
