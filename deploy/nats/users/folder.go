package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"
)

const (
	// group is the one of the services in their containers. Only root can give
	// it the files; with another user's files the containers join that user's
	// group (TINYTWAMP_GROUP of docker-compose.yml).
	group = 65532

	seedSuffix = ".nk"

	tokenFile = "page.token"
)

// folder is where the files are.
type folder struct {
	dir string
	out io.Writer // what a person should know
}

func openFolder(dir string, out io.Writer) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder of the credentials, choose another with -dir: %w", err)
	}
	return &folder{dir, out}, nil
}

// makeSeed makes the key of a user, if there is none.
func (f *folder) makeSeed(id string) error {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	seed, err := pair.Seed()
	if err != nil {
		return err
	}
	return f.makeSecret(id+seedSuffix, seed)
}

// makeToken makes the word that the logger's page asks for, if there is none.
func (f *folder) makeToken() error { return f.makeSecret(tokenFile, []byte(rand.Text())) }

// makeSecret writes a secret, unless there is one.
func (f *folder) makeSecret(name string, secret []byte) error {
	path := filepath.Join(f.dir, name)
	if err := removeFolder(path); err != nil {
		return err
	}
	switch err := write(path, os.O_EXCL, append(secret, '\n')); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintf(f.out, "Made %s.\n", path)
	return nil
}

// users reads all keys in the folder, in the order of their files.
func (f *folder) users() ([]user, error) {
	paths, err := filepath.Glob(filepath.Join(f.dir, "*"+seedSuffix))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var users []user
	for _, path := range paths {
		u, err := parseUser(strings.TrimSuffix(filepath.Base(path), seedSuffix))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		seed, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		pair, err := nkeys.ParseDecoratedNKey(bytes.TrimSpace(seed))
		if err != nil {
			return nil, fmt.Errorf("%s holds no user's seed: remove it to have another made: %w", path, err)
		}
		if u.public, err = pair.PublicKey(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		users = append(users, u)
	}
	return users, nil
}

// writeConf writes what the server reads, but not over what a person wrote. It
// writes into the file that is there, which a container may have mounted.
func (f *folder) writeConf(name, text string) error {
	path := filepath.Join(f.dir, name)
	if err := removeFolder(path); err != nil {
		return err
	}
	have, err := os.ReadFile(path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && string(have) == text:
		return nil
	case err == nil && !untouched(string(have)):
		made := path + ".made"
		fmt.Fprintf(f.out, "%s was changed by hand and is left as it is; what it would be is in %s.\n", path, made)
		return write(made, os.O_TRUNC, []byte(text))
	}
	if err := write(path, os.O_TRUNC, []byte(text)); err != nil {
		return err
	}
	fmt.Fprintf(f.out, "Wrote %s. A NATS server that runs takes it over on SIGHUP, or when it is started again.\n", path)
	return nil
}

// removeFolder removes the empty folder that Docker makes of a file which it is
// to mount and cannot find.
func removeFolder(path string) error {
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("there is a folder in the place of %s: remove it: %w", path, err)
	}
	return nil
}

// write writes a file that its owner may write and its group may read,
// whatever the umask.
func write(path string, how int, content []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|how, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil && how == os.O_EXCL {
			os.Remove(path) // half a key is none
		}
	}()
	if os.Geteuid() == 0 {
		if err := file.Chown(0, group); err != nil {
			return err
		}
	}
	if err := file.Chmod(0o640); err != nil {
		return err
	}
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}
