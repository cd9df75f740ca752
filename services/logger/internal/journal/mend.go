package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// mend looks what others have done to the files: those that somebody removed are
// forgotten, and an index that was lost or cut short is written anew. Either
// would fail each event that is looked for in it.
func (j *Journal) mend() error {
	for i := 0; i < len(j.files); {
		f := &j.files[i]
		if _, err := os.Stat(f.data()); errors.Is(err, fs.ErrNotExist) {
			if err := j.forget(i); err != nil {
				return err
			}
			continue
		}
		i++
		if i == len(j.files) && j.ids != nil {
			break
		}
		if info, err := os.Stat(f.path + indexed); err == nil && info.Size() == f.indexSize() {
			continue
		}
		j.log.Warn("the index of a file of the journal is lost or damaged, writing it anew", "file", f.data())
		if err := j.reindex(f); err != nil {
			return err
		}
	}
	return nil
}

// forget forgets a file that is not there any more. If it is the one that is
// written to, the next record begins another.
func (j *Journal) forget(i int) error {
	f := j.files[i]
	j.log.Warn("somebody removed a file of the journal: its events are gone, and those that come again are taken for new", "file", f.data())
	if i == len(j.files)-1 {
		out := j.out
		j.out, j.ids, j.tainted = nil, nil, false
		if out != nil {
			if err := out.Close(); err != nil {
				return fmt.Errorf("journal: %w", err)
			}
		}
	}
	j.files = slices.Delete(j.files, i, i+1)
	return removeFile(f) // what is left of it
}
