package stamp_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"tinytwamp/shared/stamp"
)

func TestMessageOnTheWire(t *testing.T) {
	got := stamp.AppendMessage([]byte("prefix"), "TWAMP test message")
	if want := "prefixTWAMP test message\x00"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMessage(t *testing.T) {
	longest := strings.Repeat("m", stamp.MaxMessage)
	tests := []struct {
		name, padding, want string
		ok                  bool
	}{
		{"with zero padding behind it", "hello\x00\x00\x00", "hello", true},
		{"with anything behind it", "hello\x00\xff\xfe", "hello", true},
		{"at the very end", "hello\x00", "hello", true},
		{"not ASCII", "größe 測試\x00", "größe 測試", true},
		{"control characters are for the caller to escape", "a\x1b[31mb\n\x00", "a\x1b[31mb\n", true},
		{"the longest", longest + "\x00", longest, true},
		{"one octet too long", longest + "m\x00", "", false},
		{"not ended", "hello", "", false},
		{"long and not ended", longest + longest, "", false},
		{"empty", "\x00hello\x00", "", false},
		{"no padding", "", "", false},
		{"zero padding", "\x00\x00\x00\x00", "", false},
		{"not UTF-8", "hell\xff\x00", "", false},
		{"character cut by the NUL", "gr\xc3\x00", "", false},
		{"TLVs", "\x80\x01\x00\x02hi", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := stamp.Message([]byte(tt.padding))
			if string(got) != tt.want || ok != tt.ok {
				t.Errorf("Message = %q, %v, want %q, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestMessageDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, stamp.MaxMessage+1)
	expectNoAllocations(t, func() {
		b := stamp.AppendMessage(buf, "TWAMP test message")
		if _, ok := stamp.Message(b); !ok {
			t.Error("message not found")
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("TWAMP test message\x00\x00"))
	f.Add([]byte("größe"))
	f.Add(bytes.Repeat([]byte{'m'}, 300))
	f.Fuzz(func(t *testing.T, b []byte) {
		if msg, ok := stamp.Message(b); ok {
			if !acceptable(msg) {
				t.Fatalf("%q is not a message", msg)
			}
			if again := stamp.AppendMessage(nil, string(msg)); !bytes.HasPrefix(b, again) {
				t.Fatalf("decoded and encoded: %q is not the start of %q", again, b)
			}
		}

		msg, ok := stamp.Message(stamp.AppendMessage(nil, string(b)))
		if acceptable(b) && (!ok || !bytes.Equal(msg, b)) {
			t.Fatalf("%q came back as %q, %v", b, msg, ok)
		}
	})
}

// acceptable is the definition of a message in other words.
func acceptable(msg []byte) bool {
	return len(msg) > 0 && len(msg) <= stamp.MaxMessage && utf8.Valid(msg) && !bytes.Contains(msg, []byte{0})
}
