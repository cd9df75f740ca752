//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// hostile is the message in each test packet.
const hostile = `"><script>document.title='owned'</script><img src=x onerror="document.title='owned'">`

// shown is a fleet with a page.
type shown struct {
	url       string // of the page
	nats      string
	reflector *standing
	lossy     string // port of the relay to the reflector
}

// showFleet runs a logger with its page, a reflector, and a relay before it that
// loses every tenth packet to it. Nothing is tested yet.
func showFleet(t *testing.T) *shown {
	t.Helper()
	dir, nats, page, admin := t.TempDir(), "nats://"+freeAddress(t), freeAddress(t), freeAddress(t)
	background(t, "logger", "-nats-embedded", filepath.Join(dir, "nats"), "-nats-url", nats, "-data", filepath.Join(dir, "events"), "-page", page, "-admin", admin, "-log-file", filepath.Join(dir, "log"))
	eventually(t, time.Minute, "the logger is ready", func() string {
		if out, err := exec.Command(binary("logger"), "healthcheck", "-admin", admin).CombinedOutput(); err != nil {
			return string(out)
		}
		return ""
	})
	r := stand(t, "-nats-url", nats, "-log-packets", "sampled")
	return &shown{url: "http://" + page, nats: nats, reflector: r, lossy: losing(t, r.port, 10)}
}

// background runs a service until the test ends.
func background(t *testing.T, service string, args ...string) {
	t.Helper()
	c := exec.Command(binary(service), args...)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	})
}

// test begins to test the reflector, the same with losses, and a port where
// nobody answers.
func (s *shown) test(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "targets.yaml")
	targets := fmt.Sprintf(`targets:
  - {name: good, address: "127.0.0.1:%s", labels: {site: lab}}
  - {name: lossy, address: "127.0.0.1:%s", labels: {site: lab, role: edge}}
  - {name: silent, address: "127.0.0.1:%s"}
`, s.reflector.port, s.lossy, freePort(t))
	if err := os.WriteFile(file, []byte(targets), 0o644); err != nil {
		t.Fatal(err)
	}
	background(t, "prober", "-continuous", "-interval", "20ms", "-report-interval", "1s", "-timeout", "500ms", "-message", hostile, "-nats-url", s.nats, "-targets-file", file, "-quiet")
}

// losing passes packets on to a port of this host and back, but each nth packet
// to it. It returns its own port.
func losing(t *testing.T, port string, nth int) string {
	t.Helper()
	near, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.Dial("udp4", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	go func() {
		back, buf := false, make([]byte, 2048)
		for n := 1; ; n++ {
			size, from, err := near.ReadFrom(buf)
			if err != nil {
				return
			}
			if !back { // to where the first packet comes from: there is one prober
				back = true
				go passBack(near, far, from)
			}
			if n%nth != 0 {
				far.Write(buf[:size])
			}
		}
	}()
	_, own, _ := net.SplitHostPort(near.LocalAddr().String())
	return own
}

func passBack(near net.PacketConn, far net.Conn, to net.Addr) {
	for buf := make([]byte, 2048); ; {
		size, err := far.Read(buf)
		if err != nil {
			return
		}
		near.WriteTo(buf[:size], to)
	}
}

// TestPage is the page in a browser: from an empty fleet to the path that is
// bad, since when, and in which direction.
func TestPage(t *testing.T) {
	b := openBrowser(t)
	s := showFleet(t)
	b.do(t, chromedp.Navigate(s.url+"/"))
	b.until(t, `document.querySelector("#rows").innerText.includes("No results yet.")`)
	b.until(t, `document.querySelector("#link").innerText == "Live"`)
	b.picture(t, "fleet-empty")
	s.test(t)

	// Each with the page as the one before it left it.
	t.Run("fleet comes by itself", b.fleet)
	t.Run("three clicks", b.clicks)
	t.Run("ranges", b.ranges)
	t.Run("keyboard", b.keyboard)
	t.Run("events", func(t *testing.T) { b.events(t, s.url) })
	t.Run("dark", func(t *testing.T) { b.dark(t, s.url) })
	t.Run("phone", func(t *testing.T) { b.phone(t, s.url) })
	b.quiet(t)
	t.Run("without JavaScript", func(t *testing.T) { b.plain(t, s.url) })
}

func (b *browser) fleet(t *testing.T) {
	b.until(t, `["silent", "lossy", "good"].every((name, i) => document.querySelectorAll("#rows tr")[i]?.querySelector("th a").innerText == name)`)
	b.until(t, `document.querySelector("#rows tr:nth-child(2) .state").innerText.includes("loss") && document.querySelector("#rows tr:nth-child(2) .since").innerText.startsWith("forward since")`)
	b.until(t, `document.querySelectorAll("#rows svg.spark").length == 3`)
	b.until(t, `document.querySelector("#summary").innerText == "2 of 3 paths in trouble"`)
	b.picture(t, "fleet")
	b.do(t, chromedp.SetValue(chromedp.CSS(`select[name=label]`), "role=edge"), chromedp.Click(chromedp.CSS(`form.filter button`)))
	b.until(t, `document.location.search.includes("role") && document.querySelectorAll("#rows tr").length == 1 && document.querySelector("#rows a").innerText == "lossy"`)
}

func (b *browser) clicks(t *testing.T) {
	b.do(t, chromedp.Click(chromedp.CSS(`#rows th a`)))
	b.until(t, `/% of packets lost forward, on the way to the target since (before )?\d\d:\d\d/.test(document.querySelector("#verdict")?.innerText)`)
	b.until(t, `document.querySelectorAll(".wide svg.plot").length == 5`)
	b.until(t, `document.querySelectorAll(".wide .plot.loss rect.forward").length > 0 && document.querySelectorAll(".wide .plot.rtt path.median").length > 0`)
	b.until(t, `document.querySelector("#quantiles").innerText.includes("p99.9")`)
	b.picture(t, "path")
	b.do(t, chromedp.Click(chromedp.CSS(`details.numbers summary`)))
	b.until(t, `document.querySelector("#numbers tr td") && document.querySelector("details.numbers").open`)
}

func (b *browser) ranges(t *testing.T) {
	for _, name := range []string{"10m", "3h", "1d", "7d", "30d", "1h"} {
		b.do(t, chromedp.Click(chromedp.CSS(fmt.Sprintf(`.ranges a[href$="range=%s"]`, name))))
		b.until(t, fmt.Sprintf(`document.querySelector(".ranges a[aria-current]").innerText == %q && document.querySelectorAll(".wide .plot.rtt path.median").length > 0`, name))
		b.picture(t, "path-"+name)
	}
	seen := is[string](t, b, `document.querySelector("#facts time").dateTime`)
	b.until(t, fmt.Sprintf(`document.querySelector("#facts time").dateTime > %q`, seen)) // by itself
}

// keyboard: all that can be pressed can be reached, and shows that it was.
func (b *browser) keyboard(t *testing.T) {
	b.do(t, chromedp.KeyEvent("\t"))
	if text := is[string](t, b, `document.activeElement.innerText`); text != "Skip to the content" {
		t.Errorf("the first stop is %q", text)
	}
	b.do(t, chromedp.KeyEvent("\t"))
	if style := is[string](t, b, `getComputedStyle(document.activeElement).outlineStyle`); style != "solid" {
		t.Errorf("the focus is not seen: outline %s", style)
	}
	if n := is[int](t, b, `document.querySelectorAll("main input:not([type=hidden]):not(label input), main select:not(label select), svg.plot:not([aria-label]), th:not([scope])").length`); n > 0 {
		t.Errorf("%d elements without a label", n)
	}
}

func (b *browser) events(t *testing.T, url string) {
	b.do(t, chromedp.Navigate(url+"/events?kind=packet_received"))
	b.until(t, `document.querySelector("#lines").innerText.includes("<script>")`)
	first := is[string](t, b, `document.querySelector("#lines li").dataset.key`)
	b.until(t, fmt.Sprintf(`Number(document.querySelector("#lines li").dataset.key) > %s`, first)) // by itself
	if text := is[string](t, b, `document.querySelector("#lines li .text").innerText`); !strings.Contains(text, `<script>document.title='owned'</script><img src=x onerror=`) {
		t.Errorf("the message is shown as %s", text)
	}
	if n := is[int](t, b, `document.querySelectorAll("#lines script, #lines img").length`); n > 0 || is[string](t, b, `document.title`) != "Events · TinyTwamp" {
		t.Error("the message of a packet runs in the page")
	}
	b.picture(t, "events")
	b.do(t, chromedp.Navigate(url+"/events?service=prober&text=lossy"))
	b.until(t, `document.querySelectorAll("#lines li").length > 0 && Array.from(document.querySelectorAll("#lines .from")).every(e => e.innerText.startsWith("prober"))`)
}

func (b *browser) dark(t *testing.T, url string) {
	b.do(t, chromedp.Navigate(url+"/"))
	const ground = `getComputedStyle(document.documentElement).backgroundColor`
	b.looks(t, "light")
	light := is[string](t, b, ground)
	b.looks(t, "dark")
	if dark := is[string](t, b, ground); dark == light {
		t.Errorf("the ground is %s, light and dark", dark)
	}
	b.picture(t, "fleet-dark")
	b.do(t, chromedp.Click(chromedp.CSS(`#rows tr:nth-child(2) th a`)))
	b.until(t, `document.querySelectorAll(".wide svg.plot").length == 5`)
	b.picture(t, "path-dark")
	b.looks(t, "light")
}

func (b *browser) phone(t *testing.T, url string) {
	b.do(t, chromedp.EmulateViewport(390, 800))
	for name, path := range map[string]string{"fleet": "/", "events": "/events", "api": "/api"} {
		b.do(t, chromedp.Navigate(url+path))
		b.fits(t, name)
	}
	b.do(t, chromedp.Navigate(url+"/"), chromedp.Click(chromedp.CSS(`#rows tr:nth-child(2) th a`)))
	b.until(t, `document.querySelectorAll(".narrow svg.plot").length == 5 && getComputedStyle(document.querySelector(".wide")).display == "none"`)
	b.fits(t, "path")
	b.do(t, chromedp.EmulateViewport(1400, 900))
}

// fits fails if the page is wider than the screen.
func (b *browser) fits(t *testing.T, name string) {
	t.Helper()
	if n := is[int](t, b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
		t.Errorf("%s is %d wider than a phone", name, n)
	}
	b.picture(t, name+"-phone")
}

func (b *browser) plain(t *testing.T, url string) {
	if _, err := chromedp.Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.do(t, chromedp.Navigate(url+"/"), chromedp.SendKeys(chromedp.CSS(`input[name=text]`), "lossy\r"))
	b.until(t, `document.location.search.includes("text=lossy") && document.querySelectorAll("#rows tr").length == 1 && document.querySelector("#link").innerText == ""`)
	b.do(t, chromedp.Click(chromedp.CSS(`#rows th a`)))
	b.until(t, `document.querySelectorAll(".wide svg.plot").length == 5 && document.querySelector("#verdict").innerText.includes("lost forward")`)
	b.do(t, chromedp.Navigate(url+"/events"))
	b.until(t, `document.querySelectorAll("#lines li").length > 0`)
	b.picture(t, "events-plain")
}
