package folder_test

import (
	"errors"
	"path/filepath"
	"testing"

	"tinytwamp/services/logger/internal/folder"
)

func TestClaimIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	release, err := folder.Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Claim(path); !errors.Is(err, folder.ErrTaken) {
		t.Fatalf("second claim: %v, want ErrTaken", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = folder.Claim(path)
	if err != nil {
		t.Fatalf("claim after release: %v", err)
	}
	release()
}
