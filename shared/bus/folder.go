package bus

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// filesIn lists the files of a folder with a suffix, oldest first.
func filesIn(dir, suffix string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, err
}

// numberOf reads the number of a segment from its name.
func numberOf(path, suffix string) (number uint64, ok bool) {
	number, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), suffix), 10, 64)
	return number, err == nil && number < math.MaxUint64
}
