package service_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tinytwamp/shared/service"
)

func TestBytes(t *testing.T) {
	tests := []struct {
		text string
		want service.Bytes
		back string
	}{
		{"0", 0, "0"},
		{"512", 512, "512"},
		{"512B", 512, "512"},
		{"1024", 1024, "1KiB"},
		{"100kB", 100_000, "100000"},
		{"100KB", 100_000, "100000"},
		{"3MB", 3_000_000, "3000000"},
		{"64MiB", 64 << 20, "64MiB"},
		{"64 MiB", 64 << 20, "64MiB"},
		{"1536KiB", 1536 << 10, "1536KiB"},
		{"2GiB", 2 << 30, "2GiB"},
		{"1TiB", 1 << 40, "1TiB"},
		{"8388607TiB", 8388607 << 40, "8388607TiB"},
	}
	for _, test := range tests {
		var b service.Bytes
		if err := b.UnmarshalText([]byte(test.text)); err != nil || b != test.want || b.String() != test.back {
			t.Errorf("%s: got %d, %s, %v; want %d, %s", test.text, int64(b), b, err, int64(test.want), test.back)
		}
	}
	for _, text := range []string{"", "x", "MiB", "-1", "1.5GiB", "1 2", "0x10", "8388608TiB", "9223372036854775808", "5XB", "+1"} {
		b := service.Bytes(7)
		if err := b.UnmarshalText([]byte(text)); err == nil || b != 7 || !strings.HasPrefix(err.Error(), "must be ") {
			t.Errorf("%q: got %d, %v", text, b, err)
		}
	}
}

func TestURLHidesItsUserPart(t *testing.T) {
	const text = "nats://me:hunter2@a:4222, tls://token@b"
	const shown = "nats://a:4222,tls://b"
	var u service.URL
	if err := u.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if string(u) != text {
		t.Errorf("holds %q", string(u))
	}
	asJSON, err := json.Marshal(map[string]any{"url": u})
	if err != nil {
		t.Fatal(err)
	}
	var textLog, jsonLog strings.Builder
	slog.New(slog.NewTextHandler(&textLog, nil)).Info("x", "url", u, "in", struct{ U service.URL }{u})
	slog.New(slog.NewJSONHandler(&jsonLog, nil)).Info("x", "url", u, "in", struct{ U service.URL }{u})
	for _, got := range []string{
		u.String(), string(asJSON), textLog.String(), jsonLog.String(),
		fmt.Sprintf("%v", u), fmt.Sprintf("%#v", u), fmt.Sprintf("%+v", struct{ U service.URL }{u}),
	} {
		if !strings.Contains(got, shown) || strings.Contains(got, "hunter2") || strings.Contains(got, "token") {
			t.Errorf("shows %s", got)
		}
	}
	if service.URL("").String() != "" || service.URL("nats://me:hunter2@[").String() != "(not a URL)" {
		t.Error("an empty or bad URL")
	}
}
