package service

import (
	"encoding"
	"reflect"
	"strings"
)

// prefix is what the variable of every setting begins with.
const prefix = "TWAMP_"

// setting is one setting: a field with an env tag.
type setting struct {
	variable string // TWAMP_LOG_FILE
	flag     string // log-file
	group    string // heading in -h
	field    reflect.StructField
	value    reflect.Value
	prefix   string // of the variable, before the field's own key
}

// settings lists the settings of a struct and of the structs in it, in order.
func settings(cfg any) []setting {
	return walk(reflect.ValueOf(cfg).Elem(), prefix, "Settings")
}

func walk(v reflect.Value, prefix, group string) []setting {
	var list []setting
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !v.Field(i).CanSet() {
			continue
		}
		group := group
		if g := field.Tag.Get("group"); g != "" {
			group = g
		}
		key, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case key != "":
			variable := prefix + key
			list = append(list, setting{variable, flagName(variable), group, field, v.Field(i), prefix})
		case field.Type.Kind() == reflect.Struct:
			list = append(list, walk(v.Field(i), prefix+field.Tag.Get("envPrefix"), group)...)
		}
	}
	return list
}

// flagName returns the flag of a variable: log-file for TWAMP_LOG_FILE.
func flagName(variable string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, prefix)), "_", "-")
}

// checker is a struct of settings with rules of its own.
type checker interface{ Check() []Problem }

// checkers returns the structs that check themselves, inner ones first: outer
// ones may rest on what they completed.
func checkers(v reflect.Value) []checker {
	var list []checker
	for i := range v.NumField() {
		if f := v.Field(i); f.CanSet() && f.Kind() == reflect.Struct {
			list = append(list, checkers(f)...)
		}
	}
	if c, ok := v.Addr().Interface().(checker); ok {
		list = append(list, c)
	}
	return list
}

// isBool tells whether the flag needs no value.
func (s setting) isBool() bool { return s.field.Type.Kind() == reflect.Bool }

// isList tells whether the setting takes several values, with commas.
func (s setting) isList() bool {
	return s.field.Type.Kind() == reflect.Slice && !s.unmarshalsText()
}

func (s setting) unmarshalsText() bool {
	_, ok := s.value.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

// defaultText returns the default as it is shown: in words where it is not a
// fixed text. Empty: none.
func (s setting) defaultText() string {
	if words := s.field.Tag.Get("default"); words != "" {
		return words
	}
	return s.field.Tag.Get("envDefault")
}

// placeholder returns what stands for the flag's value.
func (s setting) placeholder() string {
	switch arg := s.field.Tag.Get("arg"); {
	case s.isBool():
		return ""
	case arg != "":
		return arg
	case s.isList():
		return "LIST"
	}
	return "VALUE"
}
