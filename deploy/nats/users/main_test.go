package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nkeys"
)

// makeUsers runs the command on a folder, and returns what it said.
func makeUsers(t *testing.T, dir string, users ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(append([]string{"-dir", dir}, users...), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestOneUserForEachRole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "credentials")
	makeUsers(t, dir)
	conf := read(t, dir, "users.conf")
	for _, role := range roles {
		seed := read(t, dir, role+".nk")
		pair, err := nkeys.ParseDecoratedNKey([]byte(seed))
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(conf, strings.TrimSpace(seed)) {
			t.Errorf("the seed of %s is in users.conf", role)
		}
		if !nkeys.IsValidPublicUserKey(public) || strings.Count(conf, "nkey: "+public) != 1 {
			t.Errorf("%s: %s is not once in users.conf:\n%s", role, public, conf)
		}
	}
}

// Nobody but the owner and the group of the containers reads a seed, whatever
// the umask.
func TestModes(t *testing.T) {
	for _, mask := range []int{0o000, 0o077} {
		old := syscall.Umask(mask)
		dir := filepath.Join(t.TempDir(), "credentials")
		makeUsers(t, dir)
		syscall.Umask(old)
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) != len(roles)+3 { // two of the server, and the page's token
			t.Fatalf("files are %v, %v", files, err)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != 0o640 {
				t.Errorf("umask %03o: mode of %s is %v, want 0640", mask, file, info.Mode())
			}
			want := uint32(os.Getgid())
			if os.Geteuid() == 0 {
				want = group
			}
			if got := info.Sys().(*syscall.Stat_t).Gid; got != want {
				t.Errorf("group of %s is %d, want %d", file, got, want)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("folder: %v, %v, want 0700", info.Mode(), err)
		}
	}
}

func TestSecondRunChangesNothing(t *testing.T) {
	dir := t.TempDir()
	makeUsers(t, dir)
	before := os.DirFS(dir)
	had := map[string]string{}
	for _, name := range []string{"reflector.nk", "prober.nk", "logger.nk", "init.nk", "users.conf", "users-shared.conf"} {
		content, err := fs.ReadFile(before, name)
		if err != nil {
			t.Fatal(err)
		}
		had[name] = string(content)
	}
	if said := makeUsers(t, dir); said != "" {
		t.Errorf("it said %q", said)
	}
	for name, want := range had {
		if read(t, dir, name) != want {
			t.Errorf("%s was written again", name)
		}
	}
}

// Another user joins those that are there, and goes with its file.
func TestUsersComeAndGo(t *testing.T) {
	dir := t.TempDir()
	makeUsers(t, dir)
	alone := read(t, dir, "users.conf")
	seed := read(t, dir, "reflector.nk")
	makeUsers(t, dir, "reflector-paris", "logger-archive")
	conf := read(t, dir, "users.conf")
	for _, want := range []string{
		`"twamp.v1.log.reflector"`, `"twamp.v1.log.paris"`, `"_INBOX_paris.>"`,
		`"$JS.API.CONSUMER.CREATE.TWAMP.archive"`, `"$JS.ACK.TWAMP.archive.>"`,
	} {
		if !strings.Contains(conf, want) {
			t.Errorf("no %s in\n%s", want, conf)
		}
	}
	if read(t, dir, "reflector.nk") != seed {
		t.Error("the key of another user has changed")
	}
	for _, name := range []string{"reflector-paris.nk", "logger-archive.nk"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	makeUsers(t, dir)
	if read(t, dir, "users.conf") != alone {
		t.Error("users whose files are gone are still let in")
	}
}

func TestPermissionsChangedByHandAreKept(t *testing.T) {
	dir := t.TempDir()
	makeUsers(t, dir)
	const narrow = "twamp.v1.rtt.*.*.00000000000000000000000000000001-862"
	changed := strings.Replace(read(t, dir, "users.conf"), "twamp.v1.rtt.*.*.*", narrow, 1)
	if err := os.WriteFile(filepath.Join(dir, "users.conf"), []byte(changed), 0o640); err != nil {
		t.Fatal(err)
	}
	if said := makeUsers(t, dir, "prober-lab"); !strings.Contains(said, "changed by hand") {
		t.Errorf("it said %q", said)
	}
	if read(t, dir, "users.conf") != changed {
		t.Error("what was changed by hand is lost")
	}
	if !strings.Contains(read(t, dir, "users.conf.made"), "_INBOX_lab.>") {
		t.Error("users.conf.made does not have the new user")
	}
}

// Docker makes empty folders of files that it is to mount and cannot find.
func TestFoldersOfDockerAreReplaced(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"logger.nk", "users.conf"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	makeUsers(t, dir)
	if !strings.HasPrefix(read(t, dir, "logger.nk"), "SU") {
		t.Error("logger.nk holds no seed")
	}
	read(t, dir, "users.conf")
}

func TestWhatIsNoUser(t *testing.T) {
	for _, user := range []string{"router", "", "reflector-", "reflector-a.b", "reflector-*", "reflector-../x", "prober-" + strings.Repeat("x", 64)} {
		dir := filepath.Join(t.TempDir(), "credentials")
		if err := run([]string{"-dir", dir, user}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "is no user") {
			t.Errorf("%q: error %v", user, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%q: something was made", user)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "prober.nk"), []byte("SUNOSEED\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-dir", dir}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "prober.nk holds no user's seed") {
		t.Errorf("a file without a seed: error %v", err)
	}
	if read(t, dir, "prober.nk") != "SUNOSEED\n" {
		t.Error("it was written over")
	}
}
