package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// column is one of the figures of a row.
type column struct {
	name  string
	least int // columns of a terminal that has room for it
	of    func(*row) string
}

func delayColumn(name string, least int, of func(*row) int64) column {
	return column{name, least, func(r *row) string {
		if !r.delays {
			return "-"
		}
		return duration(of(r))
	}}
}

func lossColumn(name string, least int, of func(*row) *uint64) column {
	return column{name, least, func(r *row) string {
		switch n := of(r); {
		case r.lost == 0:
			return "0"
		case n == nil:
			return "-"
		default:
			return strconv.FormatUint(*n, 10)
		}
	}}
}

var columns = []column{
	{"sent", 150, func(r *row) string { return strconv.FormatUint(r.sent, 10) }},
	lossColumn("lost fwd", 150, func(r *row) *uint64 { return r.lostThere }),
	lossColumn("lost back", 150, func(r *row) *uint64 { return r.lostBack }),
	{"loss", 0, func(r *row) string { return percent(r.lost, r.sent) }},
	delayColumn("min", 120, func(r *row) int64 { return r.min }),
	delayColumn("p50", 0, func(r *row) int64 { return r.p50 }),
	delayColumn("p99", 0, func(r *row) int64 { return r.p99 }),
	delayColumn("max", 120, func(r *row) int64 { return r.max }),
	delayColumn("jitter", 100, func(r *row) int64 { return r.jit }),
}

// What a table has room for beside its figures, at least and if it can be.
const (
	leastLabel  = 16
	remarksRoom = 20 // with what separates it
)

// table shows rows in at most so many lines; what does not fit is counted.
func table(rows []*row, most int, s style) []string {
	var shown []column
	for _, c := range columns {
		if s.columns >= c.least {
			shown = append(shown, c)
		}
	}
	var hidden []*row
	if len(rows) > most-1 {
		rows, hidden = rows[:max(0, most-2)], rows[max(0, most-2):]
	}
	labels := labelRoom(rows, s.columns-figureWidth*len(shown)-remarksRoom)
	lines := []string{tableHead(labels, shown, s)}
	for _, r := range rows {
		lines = append(lines, r.line(labels, shown, s))
	}
	if len(hidden) > 0 {
		lines = append(lines, s.paint(faint, more(hidden)))
	}
	return lines
}

func tableHead(labels int, shown []column, s style) string {
	var b strings.Builder
	b.WriteString(left("target", labels))
	for _, c := range shown {
		b.WriteString(right(c.name, figureWidth))
	}
	b.WriteString("  remarks")
	return s.paint(faint, b.String())
}

// labelRoom is as many columns as the longest label takes, at most room.
func labelRoom(rows []*row, room int) int {
	room = max(room, leastLabel)
	most := len("target")
	for _, r := range rows {
		if most >= room {
			return room
		}
		most = max(most, cells(r.label(room)))
	}
	return min(most, room)
}

// line shows the row, coloured by its trouble.
func (r *row) line(labels int, shown []column, s style) string {
	var b strings.Builder
	b.WriteString(left(r.label(labels), labels))
	if !r.known {
		b.WriteString(s.paint(faint, fit("  no report yet", s.columns-labels)))
		return b.String()
	}
	for _, c := range shown {
		cell := " " + right(c.of(r), figureWidth-1)
		if c.name == "loss" && r.lost > 0 {
			cell = s.paint(red, cell)
		}
		b.WriteString(cell)
	}
	if r.troubles > 0 {
		b.WriteString("  " + s.paint(yellow, r.shorts(s.columns-labels-figureWidth*len(shown)-2)))
	}
	return b.String()
}

// shorts are as many of the troubles as there is room for, each once, and the
// number of others.
func (r *row) shorts(room int) string {
	var words []string
	for _, m := range r.remarks {
		if m.short != "" && !slices.Contains(words, m.short) {
			words = append(words, m.short)
		}
	}
	text := strings.Join(words, ", ")
	for n := len(words) - 1; n > 0 && cells(text) > room; n-- {
		text = fmt.Sprintf("%s +%d", strings.Join(words[:n], ", "), len(words)-n)
	}
	return fit(text, room)
}

// more counts rows that are not shown.
func more(hidden []*row) string {
	bad := 0
	for _, r := range hidden {
		if !r.well() {
			bad++
		}
	}
	text := fmt.Sprintf("… and %s more, ", count(uint64(len(hidden))))
	switch bad {
	case 0:
		return text + "all well"
	case len(hidden):
		return text + "all in trouble"
	}
	return text + count(uint64(bad)) + " in trouble"
}

// remarked is the number of rows whose remarks follow a table.
const remarked = 10

// troubles are the remarks on the first rows that are in trouble.
func troubles(rows []*row, s style) []string {
	var lines []string
	shown, left := 0, 0
	for _, r := range rows {
		switch {
		case r.troubles == 0:
		case shown == remarked:
			left++
		default:
			shown++
			lines = append(lines, "", s.paint(bold, r.title(s.columns)))
			lines = append(lines, remarkLines(r.remarks, indent, s)...)
		}
	}
	if left > 0 {
		lines = append(lines, "", s.paint(faint, "and "+many(uint64(left), "more target")+" with remarks"))
	}
	return lines
}
