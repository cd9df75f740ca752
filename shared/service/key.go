package service

import (
	"reflect"
	"strings"
	"time"
)

// Key is a setting by the name that a file gives it: its variable in lower
// case without prefix, log_file for TWAMP_LOG_FILE.
type Key struct {
	Name string
	List bool         // takes several values, with commas: a slice, or a type with the tag list:"true"
	Kind reflect.Kind // String, Bool or that of a number; Invalid: the type has a text form of its own

	setting setting
}

// Keys lists the settings of cfg, a pointer to a struct, in order, so that a
// file can hold what the command line can.
func Keys(cfg any) []Key {
	var keys []Key
	for _, s := range settings(cfg) {
		k := Key{Name: Problem{Var: s.variable}.Key(), List: s.isList() || s.field.Tag.Get("list") == "true", setting: s}
		if !k.List && !s.unmarshalsText() && s.field.Type != reflect.TypeFor[time.Duration]() {
			k.Kind = s.field.Type.Kind()
		}
		keys = append(keys, k)
	}
	return keys
}

// Set fills the setting from the text as a flag does. If that fails the setting
// has its default, and the error says what is allowed: "must be ...".
func (k Key) Set(text string) error {
	return k.setting.fill(map[string]string{k.setting.variable: text}, true)
}

// Key is the name that a file gives to the problem's setting.
func (q Problem) Key() string {
	return strings.ToLower(strings.TrimPrefix(q.Var, prefix))
}
