package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Compress compresses the files that were ended long enough ago, until ctx ends.
// A file is there in one form or the other at every moment, and for a moment in
// both.
func (j *Journal) Compress(ctx context.Context) error {
	for ctx.Err() == nil {
		f, ok := j.toCompress(time.Now())
		if !ok {
			return nil
		}
		if err := compressFile(ctx, f); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := j.compressed(f); err != nil {
			return err
		}
	}
	return nil
}

// toCompress returns the oldest file that is to be compressed. It was ended
// before the file behind it was begun.
func (j *Journal) toCompress(now time.Time) (file, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.options.CompressAge <= 0 {
		return file{}, false
	}
	for i := range len(j.files) - 1 {
		if f := j.files[i]; !f.zipped && now.Sub(j.files[i+1].begun) >= j.options.CompressAge {
			return f, true
		}
	}
	return file{}, false
}

// compressFile writes the compressed form of a file beside it.
func compressFile(ctx context.Context, f file) error {
	from, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer from.Close()
	return replace(f.path+compressed, func(w io.Writer) error {
		// One file at a time and on one CPU: the measuring goes first.
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		if _, err := io.Copy(z, &interruptible{ctx, from}); err != nil {
			return errors.Join(err, z.Close())
		}
		return z.Close()
	})
}

// compressed takes note that a file has its compressed form, and removes the
// other one. Retention may have removed the file in the meantime.
func (j *Journal) compressed(done file) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.IndexFunc(j.files, func(f file) bool { return f.path == done.path })
	if i < 0 {
		return removeFile(done)
	}
	info, err := os.Stat(done.path + compressed)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	f := &j.files[i]
	f.zipped, f.size = true, info.Size()
	if err := os.Remove(done.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// interruptible is a reader that ends with ctx.
type interruptible struct {
	ctx  context.Context
	from io.Reader
}

func (r *interruptible) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(b)
}

// sweep removes what a crash left: files that were not finished, those that
// are there compressed as well, and indexes of files that are gone.
func sweep(dir string, files []file) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	zipped := make(map[string]bool, len(files)) // by name
	for _, f := range files {
		zipped[filepath.Base(f.path)] = f.zipped
	}
	for _, e := range entries {
		name := e.Name()
		stem := strings.TrimSuffix(name, unfinished)
		stem = strings.TrimSuffix(strings.TrimSuffix(stem, compressed), indexed)
		if !namePattern.MatchString(stem) {
			continue // not ours, or set aside
		}
		inZip, there := zipped[stem]
		if strings.HasSuffix(name, unfinished) || strings.HasSuffix(name, indexed) && !there || name == stem && inZip {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("journal: %w", err)
			}
		}
	}
	return nil
}
