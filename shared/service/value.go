package service

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// fill sets the setting from the texts by variable. If that fails the setting
// has its default, and the error says what is allowed. An empty text empties
// what can be empty; else a variable counts as not set, and a flag is wrong.
func (s setting) fill(texts map[string]string, byFlag bool) error {
	text, given := texts[s.variable]
	if given && text == "" {
		if s.clear() {
			return nil
		}
		if byFlag {
			return errors.New("needs a value")
		}
	}
	if s.isList() {
		text = tidyList(text)
	}
	own := map[string]string{} // never nil, for which env takes the process's environment
	if given {
		own[s.variable] = text
	}
	err := s.parse(own)
	if err == nil {
		return nil
	}
	_ = s.parse(map[string]string{}) // the rules of Check then see the default
	return s.explain(err, text)
}

// parse has env parse the setting, alone in a struct: env names a field that
// it cannot parse by its Go name, which is not unique. What a type reads by
// itself goes past env, which copies the process's environment each time: a
// file can hold 100,000 settings.
func (s setting) parse(texts map[string]string) error {
	if text := texts[s.variable]; text != "" && s.unmarshalsText() {
		return s.unmarshal(text)
	}
	only := reflect.StructField{Name: s.field.Name, Type: s.field.Type, Tag: s.field.Tag}
	alone := reflect.New(reflect.StructOf([]reflect.StructField{only}))
	if err := env.ParseWithOptions(alone.Interface(), env.Options{Prefix: s.prefix, Environment: texts}); err != nil {
		return err
	}
	s.value.Set(alone.Elem().Field(0))
	return nil
}

// clear empties the setting, unless its type or its tag does not let it be
// empty.
func (s setting) clear() bool {
	if strings.Contains(s.field.Tag.Get("env"), ",notEmpty") {
		return false
	}
	if s.unmarshalsText() {
		return s.unmarshal("") == nil
	}
	if k := s.value.Kind(); k != reflect.String && k != reflect.Slice && k != reflect.Map {
		return false
	}
	s.value.SetZero()
	return true
}

// unmarshal has the setting's type read the text, into a value of its own: some
// types add to what they hold.
func (s setting) unmarshal(text string) error {
	fresh := reflect.New(s.field.Type)
	if err := fresh.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return err
	}
	s.value.Set(fresh.Elem())
	return nil
}

// tidyList takes spaces and empty elements out of a list.
func tidyList(text string) string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ",")
}

// explain turns env's error into a sentence that says what is allowed. Types
// of our own say it themselves.
func (s setting) explain(err error, text string) error {
	if _, ok := errors.AsType[env.VarIsNotSetError](err); ok {
		return errors.New("must be given")
	}
	if _, ok := errors.AsType[env.EmptyVarError](err); ok {
		return errors.New("must not be empty")
	}
	t := s.field.Type
	if s.isList() || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if a := allowed(t); a != "" {
		must := "must be"
		if s.isList() {
			must = "must each be"
		}
		return fmt.Errorf("%s %s, not %q", must, a, text)
	}
	if parse, ok := errors.AsType[env.ParseError](err); ok {
		return parse.Err
	}
	return err
}

// allowed says what a setting of a common type may be.
func allowed(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a time such as 500us, 100ms, 2s or 5m"
	case reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	case reflect.TypeFor[netip.Addr]():
		return "an address such as 192.0.2.1 or 2001:db8::1"
	case reflect.TypeFor[netip.AddrPort]():
		return "ADDRESS:PORT such as 192.0.2.1:862 or [2001:db8::1]:862"
	case reflect.TypeFor[netip.Prefix]():
		return "a prefix such as 192.0.2.0/24 or 2001:db8::/32"
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return ""
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint8:
		return "a whole number from 0 to 255"
	case reflect.Uint16:
		return "a whole number from 0 to 65535"
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return ""
}
