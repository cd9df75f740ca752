package service

import (
	"fmt"
	"strings"
)

// helpWidth is the width of a terminal that -h is readable on.
const helpWidth = 80

// help is the text of -h.
func (p Program) help(list []setting) string {
	var b strings.Builder
	synopsis := p.Synopsis
	if synopsis == "" {
		synopsis = "[flag]..."
	}
	fmt.Fprintf(&b, "Usage: %s %s\n\n", p.Name, synopsis)
	for paragraph := range strings.SplitSeq(p.About, "\n\n") {
		wrap(&b, "", paragraph)
		b.WriteByte('\n')
	}
	p.examples(&b)
	wrap(&b, "", "Each setting is a flag and an environment variable. A flag wins over its variable.")
	for _, g := range grouped(list) {
		fmt.Fprintf(&b, "\n%s:\n", g[0].group)
		for _, s := range g {
			s.help(&b)
		}
	}
	b.WriteString("\nAlso:\n")
	fmt.Fprintf(&b, "  %-36s %s\n", "-h", "Print this help and exit.")
	fmt.Fprintf(&b, "  %-36s %s\n", "-version", "Print the version and exit.")
	fmt.Fprintf(&b, "  %-36s %s\n", p.Name+" healthcheck", "Ask the instance at -admin: exit 0 if")
	fmt.Fprintf(&b, "  %-36s %s\n", "", "it is ready, else 1.")
	for _, s := range p.Sections {
		s.help(&b)
	}
	return b.String()
}

// examples writes the command lines, which come first: they tell most.
func (p Program) examples(b *strings.Builder) {
	if len(p.Examples) == 0 {
		return
	}
	b.WriteString("Examples:\n")
	for _, example := range p.Examples {
		fmt.Fprintf(b, "  %s\n", strings.ReplaceAll(example, "\n", "\n  "))
	}
	b.WriteByte('\n')
}

// help writes a section below its title.
func (s Section) help(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s:\n", s.Title)
	for i, paragraph := range strings.Split(s.Text, "\n\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if strings.HasPrefix(paragraph, " ") {
			b.WriteString(paragraph + "\n")
		} else {
			wrap(b, "  ", paragraph)
		}
	}
}

// help writes a setting: its flag and variable, then its sentence.
func (s setting) help(b *strings.Builder) {
	name := strings.TrimSpace("-" + s.flag + " " + s.placeholder())
	fmt.Fprintf(b, "  %-36s %s\n", name, s.variable)
	text := s.field.Tag.Get("help")
	if d := s.defaultText(); d != "" {
		text += " Default: " + d
	}
	wrap(b, "      ", text)
}

// grouped sorts the settings by their groups, in order of first appearance.
func grouped(list []setting) [][]setting {
	var groups [][]setting
	index := map[string]int{}
	for _, s := range list {
		i, ok := index[s.group]
		if !ok {
			i = len(groups)
			index[s.group] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

// wrap writes text in lines of helpWidth, each behind indent.
func wrap(b *strings.Builder, indent, text string) {
	width := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case width == 0:
			b.WriteString(indent)
			width = len(indent)
		case width+1+n > helpWidth:
			b.WriteString("\n" + indent)
			width = len(indent)
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += n
	}
	b.WriteByte('\n')
}
