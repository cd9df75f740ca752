// Package folder gives a folder to one process at a time.
package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockName is the file whose lock stands for the folder's.
const lockName = ".lock"

// ErrTaken is returned for a folder that another process uses.
var ErrTaken = errors.New("in use by another process: end that one, or use another folder")

// Claim makes the folder if need be, and locks it until release is called or
// the process ends, however it ends.
func Claim(path string) (release func() error, err error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrTaken
		}
		return nil, fmt.Errorf("folder: %s: %w", path, err)
	}
	return lock.Close, nil
}

// Sync makes the names in a folder lasting.
func Sync(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	return nil
}
