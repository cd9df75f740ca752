package twamp_test

import (
	"strings"
	"testing"

	"tinytwamp/shared/twamp"
)

func TestPassphraseFile(t *testing.T) {
	p, err := twamp.ParsePassphrases([]byte("# of the lab\n\njoe open sesame\r\n  jane\t\t p#ss  word!\n#x y\n"))
	if err != nil || p.Len() != 2 {
		t.Fatalf("%d passphrases, %v", p.Len(), err)
	}
	for id, want := range map[string]string{"joe": "open sesame", "jane": "p#ss  word!"} {
		if got, ok := p.Lookup(id); !ok || got != want {
			t.Errorf("%s has %q, %v", id, got, ok)
		}
	}
	if _, ok := p.Lookup("#x"); ok {
		t.Error("a comment is a key")
	}
	if _, only := p.Only(); only {
		t.Error("two are the only one")
	}
	if p, err = twamp.ParsePassphrases([]byte("joe open sesame")); err != nil {
		t.Fatal(err)
	}
	if id, only := p.Only(); !only || id != "joe" {
		t.Errorf("the only one is %q, %v", id, only)
	}
}

// Each fault is named by its line, all at once, and none is quoted.
func TestBadPassphraseFiles(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                      {"no passphrase in it"},
		"# nothing\n":                           {"no passphrase in it"},
		"geheim\n":                              {"line 1: must be a key id, a space and a passphrase"},
		"joe \n":                                {"line 1: the passphrase must have"},
		"joe geheim \n":                         {"line 1: the passphrase must not end with white space"},
		"joe gehe\x01im\n":                      {"line 1: the passphrase must be of printable ASCII"},
		"joe gehéim\n":                          {"line 1: the passphrase must be of printable ASCII"},
		"joe geheim\njane x\n\njoe geheim2":     {"line 4: the key id is that of line 1"},
		strings.Repeat("k", 81) + " geheim":     {"line 1: the key id must be UTF-8 of at most 80"},
		"\xff geheim":                           {"line 1: the key id must be UTF-8"},
		"joe " + strings.Repeat("geheim", 200):  {"line 1: the passphrase must have 1 to 1024"},
		"geheim\njoe ok\n\x80 geheim":           {"line 1:", "line 3:"},
		strings.Repeat("geheim geheim\n", 5000): {"line 2: the key id is that of line 1", "more than 4096"},
	} {
		_, err := twamp.ParsePassphrases([]byte(text))
		if err == nil {
			t.Errorf("%.40q is taken", text)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%.40q: %.200s, want %q", text, err.Error(), w)
			}
		}
		if strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: the error quotes it, or has lines: %.200s", text, err.Error())
		}
	}
}

func FuzzParsePassphrases(f *testing.F) {
	f.Add("# x\njoe open sesame\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := twamp.ParsePassphrases([]byte(text))
		if (err == nil) != (p.Len() > 0) {
			t.Errorf("%d passphrases, %v", p.Len(), err)
		}
	})
}
