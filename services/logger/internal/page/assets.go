package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"time"
)

//go:embed static
var staticFiles embed.FS

//go:embed templates
var templateFiles embed.FS

// templates are those of each page, with the frame around it.
var templates = parseTemplates("fleet.html", "path.html", "events.html", "api.html", "login.html", "fail.html")

func parseTemplates(names ...string) map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range names {
		all[name] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/"+name))
	}
	return all
}

// plotStyle is the sheet of plots that stand alone, and plotPolicy lets it in.
var plotStyle, plotPolicy = func() (style, policy string) {
	read := func(name string) string {
		b, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			panic(err) // it is part of the program
		}
		return string(b)
	}
	style = read("colours.css") + read("plot.css")
	hash := sha256.Sum256([]byte(style))
	return style, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; frame-ancestors 'none'"
}()

// static answers with a file of this program, and of nothing else.
func static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	b, err := staticFiles.ReadFile("static/" + path.Base("/"+name))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	hash := sha256.Sum256(b)
	w.Header().Set("ETag", `"`+hex.EncodeToString(hash[:8])+`"`)
	w.Header().Set("Cache-Control", "no-cache") // asked for each time, sent once
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}

// layout is what all pages have.
type layout struct {
	Title  string
	Logger string
	Here   string // of the links on top
	Zone   string
	Every  int    // seconds between two updates; 0: none
	Live   string // what the updates are of

	Loading int // event files that the history still lacks
}

func (p *Page) layout(title, here string) layout {
	return layout{Title: title, Logger: p.Name, Here: here, Zone: time.Now().In(p.Zone).Format("MST (-07:00)")}
}

// ofHistory is layout for a page that shows the history.
func (p *Page) ofHistory(title, here string) layout {
	l := p.layout(title, here)
	l.Loading = p.Store.Loading()
	return l
}

// render writes a page as a whole or not at all.
func (p *Page) render(w http.ResponseWriter, status int, name string, view any) {
	var b bytes.Buffer
	if err := templates[name].Execute(&b, view); err != nil {
		p.log.Error("cannot render the page", "page", name, "err", err)
		http.Error(w, "The page cannot be shown; see the log of the logger.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

type failView struct {
	layout
	Why string
}

// fail says what is wrong: as a page to people, as a line to programs.
func (p *Page) fail(w http.ResponseWriter, r *http.Request, status int, why string) {
	if wantsHTML(r) {
		p.render(w, status, "fail.html", failView{p.layout(http.StatusText(status), ""), why})
		return
	}
	http.Error(w, why, status)
}
