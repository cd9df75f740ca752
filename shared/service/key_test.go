package service_test

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"tinytwamp/shared/service"
)

// words is a list with a text form of its own, which adds to what it holds.
type words []string

func (w *words) UnmarshalText(b []byte) error {
	if len(b) > 0 {
		*w = append(*w, string(b))
	}
	return nil
}

// filed is settings of each sort that a file can hold.
type filed struct {
	Count   int           `env:"COUNT" envDefault:"10"`
	Wait    time.Duration `env:"WAIT_TIME" envDefault:"1s"`
	Text    string        `env:"TEXT"`
	Source  netip.Addr    `env:"SOURCE"`
	Targets []string      `env:"TARGETS"`
	Words   words         `env:"WORDS" list:"true"`
	Store   struct {
		On bool `env:"ON"`
	} `envPrefix:"STORE_"`
}

func TestKeys(t *testing.T) {
	cfg := filed{Count: 3, Wait: time.Minute, Text: "old", Words: words{"old"}}
	type key struct {
		name string
		list bool
		kind reflect.Kind
	}
	var got []key
	keys := service.Keys(&cfg)
	for _, k := range keys {
		got = append(got, key{k.Name, k.List, k.Kind})
	}
	want := []key{
		{"count", false, reflect.Int},
		{"wait_time", false, reflect.Invalid},
		{"text", false, reflect.String},
		{"source", false, reflect.Invalid},
		{"targets", true, reflect.Invalid},
		{"words", true, reflect.Invalid},
		{"store_on", false, reflect.Bool},
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the keys are %v, want %v", got, want)
	}
	for i, text := range []string{"4", "5s", "", "192.0.2.1", " a, b", "new", "true"} {
		if err := keys[i].Set(text); err != nil {
			t.Errorf("%s: %v", keys[i].Name, err)
		}
	}
	set := filed{Count: 4, Wait: 5 * time.Second, Source: netip.MustParseAddr("192.0.2.1"), Targets: []string{"a", "b"}, Words: words{"new"}}
	set.Store.On = true
	if !reflect.DeepEqual(cfg, set) {
		t.Errorf("got %+v, want %+v", cfg, set)
	}
	if err := keys[5].Set(""); err != nil || len(cfg.Words) > 0 {
		t.Errorf("an emptied list is %v (%v)", cfg.Words, err)
	}
	for i, want := range map[int]string{
		0: `must be a whole number, not "x"`,
		1: `must be a time such as 500us, 100ms, 2s or 5m, not "x"`,
		3: `must be an address such as 192.0.2.1 or 2001:db8::1, not "x"`,
	} {
		if err := keys[i].Set("x"); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", keys[i].Name, err, want)
		}
	}
	if err := keys[0].Set(""); err == nil || err.Error() != "needs a value" {
		t.Errorf("an empty number: %v", err)
	}
	if key := (service.Problem{Var: "TWAMP_WAIT_TIME"}).Key(); key != "wait_time" {
		t.Errorf("the key of TWAMP_WAIT_TIME is %s", key)
	}
	if key := (service.Problem{Var: "COUNT"}).Key(); key != "count" {
		t.Errorf("the key of COUNT is %s", key)
	}
}
