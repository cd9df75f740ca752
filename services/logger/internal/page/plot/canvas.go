package plot

import (
	"html"
	"strconv"
)

// canvas is an SVG drawing that grows. Looks come from classes, which the
// style sheets know; texts are escaped.
type canvas struct{ b []byte }

// begin opens the drawing. Readers that cannot see it are told its title.
func (c *canvas) begin(class string, width, height float64, title, style string) {
	c.raw(`<svg xmlns="http://www.w3.org/2000/svg" role="img" class="`, class, `" viewBox="0 0 `)
	c.number(width)
	c.raw(" ")
	c.number(height)
	c.raw(`" aria-label="`, html.EscapeString(title), `">`)
	if style != "" { // a file of its own: it has a size, and its looks with it
		c.raw("<title>", html.EscapeString(title), "</title><style>", style, "</style>")
		c.rect("ground", 0, 0, width, height, "")
	}
}

func (c *canvas) end() []byte {
	c.raw("</svg>")
	return c.b
}

func (c *canvas) raw(texts ...string) {
	for _, t := range texts {
		c.b = append(c.b, t...)
	}
}

// number writes v to a tenth, which is finer than a pixel.
func (c *canvas) number(v float64) {
	c.b = strconv.AppendFloat(c.b, v, 'f', 1, 64)
	if n := len(c.b); c.b[n-1] == '0' {
		c.b = c.b[:n-2]
	}
}

func (c *canvas) attribute(name string, v float64) {
	c.raw(" ", name, `="`)
	c.number(v)
	c.raw(`"`)
}

// rect draws a rectangle, which tells its title to who points at it.
func (c *canvas) rect(class string, x, y, width, height float64, title string) {
	c.raw(`<rect class="`, class, `"`)
	c.attribute("x", x)
	c.attribute("y", y)
	c.attribute("width", width)
	c.attribute("height", height)
	if title == "" {
		c.raw("/>")
		return
	}
	c.raw("><title>", html.EscapeString(title), "</title></rect>")
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.raw(`<line class="`, class, `"`)
	c.attribute("x1", x1)
	c.attribute("y1", y1)
	c.attribute("x2", x2)
	c.attribute("y2", y2)
	c.raw("/>")
}

// text writes at a point; anchor is start, middle or end.
func (c *canvas) text(class, anchor string, x, y float64, s string) {
	c.raw(`<text class="`, class, `" text-anchor="`, anchor, `"`)
	c.attribute("x", x)
	c.attribute("y", y)
	c.raw(">", html.EscapeString(s), "</text>")
}

// shape draws a closed shape, or an open line, through points.
func (c *canvas) shape(class string, points []point, closed bool) {
	if len(points) == 0 {
		return
	}
	c.raw(`<path class="`, class, `" d="`)
	for i, p := range points {
		if i == 0 {
			c.raw("M")
		} else {
			c.raw("L")
		}
		c.number(p.x)
		c.raw(" ")
		c.number(p.y)
	}
	if closed {
		c.raw("Z")
	}
	c.raw(`"/>`)
}

type point struct{ x, y float64 }
