package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// A file is named for the time at which it was begun and for the stream
// sequence of its first record, and for nothing that came with an event:
// 20250329T140901.000Z-00000000000000000042.ndjson. Times only ever rise, also
// when the clock is set back, so that names sort in the order of writing.
const (
	stampLayout = "20060102T150405.000Z"
	extension   = ".ndjson"
)

var namePattern = regexp.MustCompile(`^(\d{8}T\d{6}\.\d{3}Z)-(\d{20})\.ndjson$`)

// file is a file of the journal.
type file struct {
	path  string
	begun time.Time // UTC, milliseconds
	first uint64    // sequence of the first record
	size  int64     // octets of whole, lasting records
}

func newFile(dir string, begun time.Time, first uint64) file {
	name := fmt.Sprintf("%s-%020d%s", begun.Format(stampLayout), first, extension)
	return file{path: filepath.Join(dir, name), begun: begun, first: first}
}

// parseName is false for a file that is not one of the journal's.
func parseName(dir, name string) (file, bool) {
	m := namePattern.FindStringSubmatch(name)
	if m == nil {
		return file{}, false
	}
	begun, err := time.Parse(stampLayout, m[1])
	if err != nil {
		return file{}, false
	}
	first, err := strconv.ParseUint(m[2], 10, 64)
	if err != nil {
		return file{}, false
	}
	return file{path: filepath.Join(dir, name), begun: begun, first: first}, true
}

// listFiles returns the files of a journal, oldest first. Other files in the
// folder are left alone.
func listFiles(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var files []file
	for _, e := range entries { // sorted by name
		f, ok := parseName(dir, e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		f.size = info.Size()
		files = append(files, f)
	}
	return files, nil
}

// Files returns the paths of a journal's files, oldest first.
func Files(dir string) ([]string, error) {
	files, err := listFiles(dir)
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, f.path)
	}
	return paths, err
}

// outdated returns how many files, from the oldest on, are to go so that the
// rest is neither larger than size nor older than age; 0 is no bound. The last
// file always stays. A file is as old as its last record, which came before the
// file behind it was begun.
func outdated(files []file, size int64, age time.Duration, now time.Time) int {
	var total int64
	for _, f := range files {
		total += f.size
	}
	n := 0
	for ; n < len(files)-1; n++ {
		tooLarge := size > 0 && total > size
		tooOld := age > 0 && now.Sub(files[n+1].begun) > age
		if !tooLarge && !tooOld {
			break
		}
		total -= files[n].size
	}
	return n
}

// clockMargin is how far the clock of the NATS server may be from ours.
const clockMargin = time.Hour

// tail returns the newest files that hold what a redelivered message or a
// retried event may be found in: at least the last tailSize octets, and all
// records above the sequence floor of a stream that was made at created.
func tail(files []file, floor uint64, created time.Time) []file {
	var size int64
	for i, f := range slices.Backward(files) {
		if i < len(files)-1 && size >= tailSize {
			next := files[i+1]
			if next.first <= floor || next.begun.Before(created.Add(-clockMargin)) {
				return files[i+1:]
			}
		}
		size += f.size
	}
	return files
}
