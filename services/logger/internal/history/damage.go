package history

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// errDamage marks a database that lies about its pages. It takes a restart
// without it, which makes it anew.
var errDamage = errors.New("history: the database is damaged; remove the folder of the history and start again, it is made anew")

// guarded does what reads pages. bbolt panics on a damaged page, and the system
// faults on one beyond the end of the file: neither is to end a logger, which
// has events to keep.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamage, p)
		}
	}()
	return do()
}

func (s *Store) update(do func(*bolt.Tx) error) error {
	return guarded(func() error { return s.db.Update(do) })
}

func (s *Store) view(do func(*bolt.Tx) error) error {
	return guarded(func() error { return s.db.View(do) })
}

// isWhole tells whether the file has all the pages that the database counts.
func isWhole(tx *bolt.Tx) error {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: it has %d octets of %d", errDamage, info.Size(), tx.Size())
	}
	return nil
}
