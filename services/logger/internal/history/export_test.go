package history

import "testing"

// Month is a store with what n paths have after a month of one-minute reports,
// for tests from outside.
func Month(b *testing.B, n int) *Store { return generated(b, n).store }
