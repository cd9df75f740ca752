package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/service"
)

// SIGHUP has the log file opened anew: what logrotate moved away stays as it is.
func TestHangup(t *testing.T) {
	dir := t.TempDir()
	logFile := filepath.Join(dir, "test.log")
	i := launch(t, "-nats-embedded", filepath.Join(dir, "store"), "-nats-url", "nats://127.0.0.1:0", "-data", filepath.Join(dir, "data"), "-log-file", logFile)
	client := open(t, "nats://"+i.logged("nats server is running"))
	written := func(message string) {
		t.Helper()
		if left := publish(client, message, deadline); left > 0 {
			t.Fatalf("%d events not published", left)
		}
		for end := time.Now().Add(deadline); !contains(logFile, message); {
			if time.Now().After(end) {
				t.Fatalf("no %q in the log file", message)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	written("first")
	if err := os.Rename(logFile, logFile+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	i.line(i.stderr, "log file opened anew")
	written("second")
	if contains(logFile+".1", "second") || contains(logFile, "first") {
		t.Error("a line is in the wrong file")
	}
	i.end(syscall.SIGTERM)
	i.exits(service.ExitOK)
}

func contains(file, text string) bool {
	content, err := os.ReadFile(file)
	return err == nil && bytes.Contains(content, []byte(text))
}
