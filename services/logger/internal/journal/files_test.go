package journal

import (
	"os"
	"path/filepath"
	"testing"
)

// A reader has seen the names in the folder when the logger compresses a file:
// it reads that in its new form, and misses nothing.
func TestFileThatIsCompressedWhileTheFolderIsRead(t *testing.T) {
	dir := t.TempDir()
	name := "20250329T140901.000Z-00000000000000000042.ndjson"
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+compressed)); err != nil {
		t.Fatal(err)
	}
	files, err := filesOf(dir, entries)
	if err != nil || len(files) != 1 || !files[0].zipped {
		t.Errorf("files %v, %v", files, err)
	}
}
