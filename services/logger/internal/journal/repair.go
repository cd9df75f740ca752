package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"tinytwamp/services/logger/internal/folder"
)

// repair moves what a crash left of a record at the end of a file into a file
// of its own, beside it, and returns the size of what is whole. That is then
// as lasting as what was acknowledged: records that were written but not
// synced when the process died must not pass for stored.
func repair(dir string, f file, log *slog.Logger) (size int64, err error) {
	h, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("journal: repair: %w", err)
	}
	defer h.Close()
	whole, err := wholeSize(h, f.size)
	if err != nil {
		return 0, fmt.Errorf("journal: repair: %w", err)
	}
	if whole < f.size {
		aside := fmt.Sprintf("%s.torn-%s", f.path, time.Now().UTC().Format(stampLayout))
		if err := copyTail(aside, h, whole); err != nil {
			return 0, fmt.Errorf("journal: repair: %w", err)
		}
		if err := folder.Sync(dir); err != nil {
			return 0, fmt.Errorf("journal: repair: %w", err)
		}
		if err := h.Truncate(whole); err != nil {
			return 0, fmt.Errorf("journal: repair: %w", err)
		}
		log.Warn("moved a torn record aside", "file", f.path, "size", f.size-whole, "kept_in", aside)
	}
	if err := h.Sync(); err != nil {
		return 0, fmt.Errorf("journal: repair: %w", err)
	}
	return whole, nil
}

// wholeSize returns where the last whole record of a file of the given size
// ends: behind the last line break, unless that line is damaged.
func wholeSize(r io.ReaderAt, size int64) (int64, error) {
	end, err := lineBreakBefore(r, size)
	if err != nil || end == 0 {
		return 0, err
	}
	start, err := lineBreakBefore(r, end-1)
	if err != nil {
		return 0, err
	}
	line := make([]byte, end-start)
	if _, err := r.ReadAt(line, start); err != nil {
		return 0, err
	}
	if !json.Valid(line) {
		return start, nil
	}
	return end, nil
}

// lineBreakBefore returns the offset behind the last line break that is before
// end; 0: there is none.
func lineBreakBefore(r io.ReaderAt, end int64) (int64, error) {
	block := make([]byte, 64<<10)
	for end > 0 {
		n := min(int64(len(block)), end)
		if _, err := r.ReadAt(block[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// copyTail writes what is behind offset into a new file.
func copyTail(path string, from *os.File, offset int64) error {
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	defer to.Close()
	if _, err := from.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return to.Sync()
}
