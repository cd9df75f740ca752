package journal

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// failing is a file on a disk that is full or broken.
type failing struct {
	*os.File
	room                int64 // octets until the disk is full
	syncErr, truncError error
}

func (f *failing) Write(b []byte) (int, error) {
	if int64(len(b)) <= f.room {
		return f.File.Write(b)
	}
	n, _ := f.File.Write(b[:f.room])
	return n, syscall.ENOSPC
}

func (f *failing) Sync() error { return f.syncErr }

func (f *failing) Truncate(size int64) error {
	if f.truncError != nil {
		return f.truncError
	}
	return f.File.Truncate(size)
}

func numbered(seq uint64) Entry {
	return Entry{ID: "x", Record: Record{Seq: seq, Time: time.Unix(1, 0), Event: json.RawMessage(`{"id":"x"}`)}}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	for name, broken := range map[string]failing{
		"full in the middle of a record": {room: 70},
		"full before the first octet":    {room: 0},
		"not synced":                     {room: 1 << 20, syncErr: syscall.EIO},
		"cannot be cut off at once":      {room: 100, truncError: syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j, err := Open(Options{Dir: dir, RotateSize: 1 << 20, RotateAge: time.Hour}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			var disk *failing
			j.create = func(path string) (handle, error) {
				f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
				disk = &failing{File: f, room: 1 << 20}
				return disk, err
			}
			if _, err := j.Append([]Entry{numbered(1)}); err != nil {
				t.Fatal(err)
			}
			disk.room, disk.syncErr, disk.truncError = broken.room, broken.syncErr, broken.truncError
			batch := []Entry{numbered(2), numbered(3)}
			for range 3 {
				if stored, err := j.Append(batch); err == nil || stored != nil {
					t.Fatalf("Append on a broken disk: %v, %v", stored, err)
				}
			}
			disk.room, disk.syncErr, disk.truncError = 1<<20, nil, nil
			if stored, err := j.Append(batch); err != nil || !stored[0] || !stored[1] {
				t.Fatalf("Append once the disk is well: %v, %v", stored, err)
			}
			b, err := os.ReadFile(disk.Name())
			if err != nil || strings.Count(string(b), "\n") != 3 || strings.Count(string(b), "seq") != 3 {
				t.Errorf("the file holds %q, %v", b, err)
			}
		})
	}
}

func TestFileThatCannotBeBegunIsTriedAgain(t *testing.T) {
	j, err := Open(Options{Dir: t.TempDir(), RotateSize: 1 << 20, RotateAge: time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	j.create = func(string) (handle, error) { return nil, syscall.ENOSPC }
	if _, err := j.Append([]Entry{numbered(1)}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	j.create = createFile
	if stored, err := j.Append([]Entry{numbered(1)}); err != nil || !stored[0] {
		t.Fatal(stored, err)
	}
}
