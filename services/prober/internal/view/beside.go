package view

import (
	"io"
	"math"
)

// Beside gives a writer to the same terminal, for other lines than the view's:
// they do not mix with those that it draws anew.
func (v *View) Beside(w io.Writer) io.Writer { return &neighbour{v, w} }

type neighbour struct {
	view *View
	w    io.Writer
}

// Write writes whole lines.
func (n *neighbour) Write(b []byte) (int, error) {
	n.view.mu.Lock()
	defer n.view.mu.Unlock()
	return n.view.screen.beside(n.w, b)
}

// Fd is that of the terminal, by which a logger tells that it is one.
func (n *neighbour) Fd() uintptr {
	if f, ok := n.w.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return math.MaxUint
}
