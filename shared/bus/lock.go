package bus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockName is the file whose lock stands for the folder's.
const lockName = ".lock"

// errTaken is the error for a folder that another process uses.
var errTaken = errors.New("in use by another process: end that one, or choose another folder with -outbox")

// lockFolder makes a folder if need be, and locks it until the file is closed or
// the process ends, however it ends.
func lockFolder(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errTaken
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return lock, nil
}
