package service

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// secretsDir is where container runtimes mount secrets, often with modes that
// the user cannot choose.
const secretsDir = "/run/secrets"

// ReadSecretFile reads a file of keys, passphrases or credentials. A file that
// everybody may read, or that its group may write, is an error; under
// /run/secrets it is a warning.
func ReadSecretFile(path string, log *slog.Logger) ([]byte, error) {
	return readSecret(path, secretsDir, log)
}

func readSecret(path, mounted string, log *slog.Logger) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read secret: %w", err)
	}
	if fault := exposure(info.Mode()); fault != "" {
		if !strings.HasPrefix(filepath.Clean(path), mounted+"/") {
			return nil, fmt.Errorf("secret file %s %s: run chmod 600 %[1]s (or 640 for a group that may read it)", path, fault)
		}
		log.Warn("secret file has a loose mode", "file", path, "fault", fault)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read secret: %w", err)
	}
	return data, nil
}

// exposure says what is wrong with the mode of a secret file.
func exposure(mode fs.FileMode) string {
	const othersRead, othersWrite, groupWrite = 0o004, 0o002, 0o020
	switch {
	case mode&othersRead != 0:
		return "is readable by everybody"
	case mode&(groupWrite|othersWrite) != 0:
		return "is writable by others than its owner"
	}
	return ""
}
