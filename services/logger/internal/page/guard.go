package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// policy lets a page load what this server has, and nothing run that is not a
// file of it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard sets the headers of all answers, and turns away what would change
// something or was meant for another host.
func (p *Page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead && !isLogin(r):
			p.refuse(refusedMethod)
			h.Set("Allow", "GET, HEAD")
			p.fail(w, r, http.StatusMethodNotAllowed, "This page can only be read.")
		case !p.isOurs(r):
			p.refuse(refusedHost)
			p.fail(w, r, http.StatusMisdirectedRequest, "This page answers to localhost and to loopback addresses only.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func isLogin(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == "/login" }

// isOurs tells whether a request names this host. Without it, a stranger's page
// in the user's browser could have its own name lead to a loopback address, and
// read here. Where a token or a proxy stands before the page that gains nothing,
// unless the proxy is on this host: nothing tells it from such a browser then.
func (p *Page) isOurs(r *http.Request) bool {
	if !p.loopback || p.Token != "" || len(p.Trusted) > 0 {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// admit lets those in who may read.
func (p *Page) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case p.mayRead(r):
			next.ServeHTTP(w, r)
		case p.Token == "":
			p.refuse(refusedToken)
			p.fail(w, r, http.StatusForbidden, "This page is read through its proxy only.")
		case wantsHTML(r):
			if _, err := r.Cookie(cookieName); err == nil {
				p.refuse(refusedToken) // an old one
			}
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			p.refuse(refusedToken)
			w.Header().Set("WWW-Authenticate", `Bearer realm="TinyTwamp"`)
			p.fail(w, r, http.StatusUnauthorized, "This page needs the token of the logger's -page-token-file, as Authorization: Bearer TOKEN.")
		}
	})
}

// mayRead tells whether a request comes from a proxy that is trusted or has the
// token. With neither set, the page is on loopback, and all there may read.
func (p *Page) mayRead(r *http.Request) bool {
	if p.Token == "" && len(p.Trusted) == 0 {
		return true
	}
	if p.fromProxy(r) {
		return true
	}
	if p.Token == "" {
		return false
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return same(bearer, p.Token)
	}
	cookie, err := r.Cookie(cookieName)
	return err == nil && same(cookie.Value, p.cookieValue())
}

func (p *Page) fromProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, prefix := range p.Trusted {
		if prefix.Contains(peer.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// same compares in a time that tells nothing, of texts of any length.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// cookieValue is derived from the token: who reads a browser's cookies does not
// have the token itself, and a new token ends all of them.
func (p *Page) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(p.Token))
	mac.Write([]byte("tinytwamp page cookie 1"))
	return hex.EncodeToString(mac.Sum(nil))
}

// wantsHTML tells whether a person asks.
func wantsHTML(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}
