package page

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"tinytwamp/shared/service"
)

const (
	cookieName = "tinytwamp_page"
	cookieAge  = 30 * 24 * time.Hour
	maxForm    = 4 << 10
	// leastToken is long enough that guessing over a network is hopeless.
	leastToken = 16
)

// ErrToken marks a token file that cannot be used.
var ErrToken = errors.New("page token")

// ReadToken reads the file of the token.
func ReadToken(path string, log *slog.Logger) (string, error) {
	text, err := service.ReadSecretFile(path, log)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrToken, err)
	}
	token := string(bytes.TrimSpace(text))
	if len(token) < leastToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%w: %s must hold one word of at least %d characters; openssl rand -hex 24 makes one", ErrToken, path, leastToken)
	}
	return token, nil
}

type loginView struct {
	layout
	Next  string
	Wrong bool
}

func (p *Page) loginForm(w http.ResponseWriter, r *http.Request) {
	next := localTarget(r.URL.Query().Get("next"))
	if p.mayRead(r) || p.Token == "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	p.render(w, http.StatusOK, "login.html", loginView{layout: p.layout("Log in", ""), Next: next})
}

func (p *Page) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.refuse(refusedRequest)
		p.fail(w, r, http.StatusBadRequest, "The form could not be read.")
		return
	}
	next := localTarget(r.PostForm.Get("next"))
	if p.Token == "" || !same(strings.TrimSpace(r.PostForm.Get("token")), p.Token) {
		p.refuse(refusedToken)
		p.render(w, http.StatusForbidden, "login.html", loginView{layout: p.layout("Log in", ""), Next: next, Wrong: true})
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name:     cookieName,
		Value:    p.cookieValue(),
		Path:     "/",
		MaxAge:   int(cookieAge / time.Second),
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
		Secure:   r.Header.Get("X-Forwarded-Proto") == "https", // who makes it up keeps himself out
	})
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// localTarget is where a login leads to: a page of this server, whatever the
// address says.
func localTarget(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || len(next) > 2000 {
		return "/"
	}
	return next
}
