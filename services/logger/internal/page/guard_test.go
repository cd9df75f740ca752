package page

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

const token = "0123456789abcdef0123"

func withToken(o *Options) { o.Token = token }

func TestHeadersOfEveryAnswer(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for _, target := range []string{"/", "/path/fra1", "/events", "/api", "/api/paths.json", "/path/fra1/rtt.svg", "/static/live.js", "/login", "/nothing"} {
		h := get(p, target).Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", target, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: headers %v", target, h)
		}
	}
}

func TestPageCanOnlyBeRead(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace, "PURGE"} {
		w := get(p, "/", func(r *http.Request) { r.Method = method })
		shows(t, w, http.StatusMethodNotAllowed)
		if w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", method, w.Header().Get("Allow"))
		}
	}
	if n := testutil.ToFloat64(p.metrics.refused.WithLabelValues(string(refusedMethod))); n != 7 {
		t.Errorf("%v counted as refused", n)
	}
}

// A stranger's name that leads to loopback is not answered.
func TestHostOnLoopback(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for host, status := range map[string]int{
		"127.0.0.1:8620": 200, "127.9.9.9": 200, "[::1]:8620": 200, "localhost:8620": 200, "LOCALHOST": 200, "[::ffff:127.0.0.1]:1": 200,
		"evil.example:8620": 421, "localhost.evil.example": 421, "192.0.2.1": 421, "": 421, "127.0.0.1.evil.example": 421,
	} {
		for _, target := range []string{"/", "/live/paths", "/static/page.css"} {
			if target == "/live/paths" && status == 200 {
				continue // does not end
			}
			if w := get(p, target, func(r *http.Request) { r.Host = host }); w.Code != status {
				t.Errorf("%s of host %q: %d, want %d", target, host, w.Code, status)
			}
		}
	}
}

func TestToken(t *testing.T) {
	p := testPage(fleet(time.Now()), withToken)
	bearer := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	machine := func(r *http.Request) { r.Header.Del("Accept") }
	shows(t, get(p, "/api/paths.json", bearer("Bearer "+token)), http.StatusOK, "fra-edge")
	for _, target := range []string{"/", "/path/fra1", "/path/fra1/rtt.svg", "/events", "/live/paths", "/live/lines", "/api", "/api/paths.json", "/api/path/fra1.csv"} {
		for _, value := range []string{"", "Bearer ", "Bearer " + token[1:], "Bearer " + token + " ", "Basic " + token, token, "Bearer " + p.cookieValue()} {
			w := get(p, target, machine, bearer(value))
			shows(t, w, http.StatusUnauthorized, "-page-token-file")
			if w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), "fra-edge") {
				t.Errorf("%s with %q: %v", target, value, w.Header())
			}
		}
	}
	if n := testutil.ToFloat64(p.metrics.refused.WithLabelValues(string(refusedToken))); n != 63 {
		t.Errorf("%v counted as refused, want 63", n)
	}
}

func TestLogin(t *testing.T) {
	p := testPage(fleet(time.Now()), withToken)
	w := get(p, "/path/fra1?range=3h")
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/login?next=%2Fpath%2Ffra1%3Frange%3D3h" {
		t.Fatalf("%d to %q", w.Code, to)
	}
	shows(t, get(p, w.Header().Get("Location")), http.StatusOK, `value="/path/fra1?range=3h"`, "<label>Token", `type="password"`)
	shows(t, get(p, "/static/page.css"), http.StatusOK)

	post := func(form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		p.handler().ServeHTTP(w, r)
		return w
	}
	w = post(url.Values{"token": {"wrong"}, "next": {"/events"}})
	shows(t, w, http.StatusForbidden, "That is not the token.", `value="/events"`)
	if len(w.Result().Cookies()) > 0 {
		t.Error("a cookie for a wrong token")
	}
	shows(t, post(url.Values{"token": {strings.Repeat("x", maxForm)}}), http.StatusBadRequest)

	for next, want := range map[string]string{"/path/fra1?range=3h": "/path/fra1?range=3h", "//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "": "/", "/\t/evil.example": "/"} {
		w = post(url.Values{"token": {token}, "next": {next}})
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != want {
			t.Errorf("login leads from %q to %q", next, to)
		}
	}
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure || strings.Contains(cookie.Value, token) {
		t.Errorf("cookie %+v", cookie)
	}
	shows(t, get(p, "/path/fra1", func(r *http.Request) { r.AddCookie(cookie) }), http.StatusOK, "fra-edge")

	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-Proto", "https") // by a proxy that only ends TLS, and is not trusted
	w = httptest.NewRecorder()
	p.handler().ServeHTTP(w, r)
	if list := w.Result().Cookies(); len(list) != 1 || !list[0].Secure {
		t.Errorf("cookies of a login by TLS: %v", list)
	}
	cookie.Value = strings.Repeat("0", len(cookie.Value))
	shows(t, get(p, "/path/fra1", func(r *http.Request) { r.AddCookie(cookie) }), http.StatusSeeOther)
}

func TestTrustedProxy(t *testing.T) {
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr, r.Host = address, "fleet.example" }
	}
	trust := func(o *Options) {
		o.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	}
	p := testPage(fleet(time.Now()), trust)
	shows(t, get(p, "/", from("192.0.2.7:4000")), http.StatusOK, "fra-edge")
	shows(t, get(p, "/", from("[::ffff:192.0.2.7]:4000")), http.StatusOK)
	shows(t, get(p, "/", from("[2001:db8::1]:4000")), http.StatusOK)
	w := get(p, "/", from("198.51.100.1:4000"), func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "192.0.2.7")
		r.Header.Set("Authorization", "Bearer ")
	})
	shows(t, w, http.StatusForbidden, "through its proxy only")

	p = testPage(fleet(time.Now()), trust, withToken)
	shows(t, get(p, "/", from("192.0.2.7:4000")), http.StatusOK)
	shows(t, get(p, "/", from("198.51.100.1:4000")), http.StatusSeeOther)
	shows(t, get(p, "/", from("198.51.100.1:4000"), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }), http.StatusOK)
}

func TestReadToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	log := slog.New(slog.DiscardHandler)
	for text, good := range map[string]bool{token: true, token + "\n": true, "short": false, "": false, token + " " + token: false} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadToken(file, log)
		if good != (err == nil) || good && got != token {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	os.Chmod(file, 0o644)
	if _, err := ReadToken(file, log); err == nil || !strings.Contains(err.Error(), "readable by everybody") {
		t.Errorf("a token that everybody may read: %v", err)
	}
}
