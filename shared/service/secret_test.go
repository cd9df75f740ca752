package service

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecret(t *testing.T) {
	tests := []struct {
		mode  fs.FileMode
		fault string
	}{
		{0o600, ""},
		{0o400, ""},
		{0o640, ""},
		{0o440, ""},
		{0o644, "is readable by everybody"},
		{0o604, "is readable by everybody"},
		{0o660, "is writable by others than its owner"},
		{0o602, "is writable by others than its owner"},
		{0o666, "is readable by everybody"},
	}
	for _, test := range tests {
		t.Run(test.mode.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			var warnings strings.Builder
			log := slog.New(slog.NewTextHandler(&warnings, nil))

			data, err := ReadSecretFile(path, log)
			want := ""
			if test.fault != "" {
				want = "secret file " + path + " " + test.fault + ": run chmod 600 " + path + " (or 640 for a group that may read it)"
			}
			if got := errorText(err); got != want || (string(data) == "secret\n") != (want == "") || warnings.Len() > 0 {
				t.Errorf("got %q, %q, warnings %q; want %q", data, got, &warnings, want)
			}

			data, err = readSecret(path, filepath.Dir(path), log)
			if err != nil || string(data) != "secret\n" || !strings.Contains(warnings.String(), test.fault) || (warnings.Len() > 0) != (test.fault != "") {
				t.Errorf("mounted: got %q, %v, warnings %q", data, err, &warnings)
			}
		})
	}
}

func TestReadSecretMountedIsAFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secrets-not", "key")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(dir, "secrets") + "/../secrets-not/key"} {
		if _, err := readSecret(p, filepath.Join(dir, "secrets"), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s counts as mounted", p)
		}
	}
}

func TestReadSecretMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	_, err := ReadSecretFile(path, slog.New(slog.DiscardHandler))
	if want := "cannot read secret: open " + path + ": no such file or directory"; errorText(err) != want {
		t.Errorf("got %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
