package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A file is named for the time at which it was begun and for the stream
// sequence of its first record, and for nothing that came with an event:
// 20250329T140901.000Z-00000000000000000042.ndjson. Times only ever rise, also
// when the clock is set back, so that names sort in the order of writing.
//
// Beside it, once it is ended, stands its index under the same name with .ids
// behind it; and .zst in place of the file itself, once that is compressed.
const (
	stampLayout = "20060102T150405.000Z"
	extension   = ".ndjson"
	compressed  = ".zst"
	indexed     = ".ids"
	unfinished  = ".tmp" // of a compressed file or an index that is being written
)

var namePattern = regexp.MustCompile(`^(\d{8}T\d{6}\.\d{3}Z)-(\d{20})\.ndjson(\.zst|)$`)

// file is a file of the journal.
type file struct {
	path   string    // without .zst
	zipped bool      // it is at path.zst
	begun  time.Time // UTC, milliseconds
	first  uint64    // sequence of the first record
	size   int64     // octets of whole, lasting records, as they are on the disk
	summary
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
	path := filepath.Join(dir, strings.TrimSuffix(name, compressed))
	return file{path: path, zipped: m[3] != "", begun: begun, first: first}, true
}

// data is where the records are.
func (f file) data() string {
	if f.zipped {
		return f.path + compressed
	}
	return f.path
}

// room is what the file and its index take on the disk.
func (f file) room() int64 { return f.size + f.indexSize() }

// listFiles returns the files of a journal, oldest first. Of a file that is
// there in both forms, as for a moment when it is compressed, it returns the
// compressed one, which is whole: it has its name from when it was. Other files
// in the folder are left alone.
func listFiles(dir string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return filesOf(dir, entries)
}

// filesOf picks the journal's files out of a folder's entries, which are sorted
// by name: x.ndjson before x.ndjson.zst.
func filesOf(dir string, entries []fs.DirEntry) ([]file, error) {
	var files []file
	for _, e := range entries {
		f, ok := parseName(dir, e.Name())
		if !ok {
			continue
		}
		info, err := os.Stat(f.data())
		if errors.Is(err, fs.ErrNotExist) && !f.zipped { // compressed since by the logger that writes here
			f.zipped = true
			info, err = os.Stat(f.data())
		}
		if errors.Is(err, fs.ErrNotExist) { // removed
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		f.size = info.Size()
		if n := len(files); n > 0 && files[n-1].path == f.path {
			files = files[:n-1]
		}
		files = append(files, f)
	}
	return files, nil
}

// Files returns the paths of a journal's files, oldest first.
func Files(dir string) ([]string, error) {
	files, err := listFiles(dir)
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, f.data())
	}
	return paths, err
}
