package udptest

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/udp"
)

// until reads at b and says what came, and when the read returned since the
// start of the bubble's time.
func (p *pair) until(d time.Duration) (payload string, after time.Duration) {
	p.Helper()
	in := []udp.Message{{Buf: make([]byte, 100)}}
	end := time.Time{}
	if d != 0 {
		end = p.start.Add(d)
	}
	n, _, err := p.b.ReadUntil(in, nil, end)
	if err != nil {
		p.Fatal(err)
	}
	if n > 0 {
		payload = string(in[0].Buf[:in[0].N])
	}
	return payload, time.Since(p.start)
}

func TestReadUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Delay(10*ms))
		p.send("x")
		time.Sleep(time.Nanosecond)
		p.send("y")
		for _, step := range []struct {
			until, after time.Duration
			payload      string
		}{
			{3 * ms, 3 * ms, ""},
			{2 * ms, 3 * ms, ""}, // past: nothing is there yet
			{10 * ms, 10 * ms, "x"},
			{20 * ms, 10*ms + 1, "y"},
			{20 * ms, 20 * ms, ""},
		} {
			if payload, after := p.until(step.until); payload != step.payload || after != step.after {
				t.Errorf("until %v: %q after %v, want %q after %v", step.until, payload, after, step.payload, step.after)
			}
		}
		p.send("z")
		time.Sleep(10 * ms)
		if payload, _ := p.until(ms); payload != "z" {
			t.Errorf("past, and one is there: %q", payload)
		}
	})
}

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Delay(10*ms))
		p.b.Wake()
		p.b.Wake()
		if payload, after := p.until(0); payload != "" || after != 0 {
			t.Errorf("before: %q after %v", payload, after)
		}
		if payload, after := p.until(2 * ms); payload != "" || after != 2*ms { // two count as one
			t.Errorf("again: %q after %v", payload, after)
		}
		time.AfterFunc(3*ms, p.b.Wake)
		if payload, after := p.until(0); payload != "" || after != 5*ms {
			t.Errorf("during: %q after %v", payload, after)
		}
		p.send("x")
		time.Sleep(10 * ms)
		p.b.Wake()
		if payload, _ := p.until(0); payload != "x" { // what is there comes first
			t.Errorf("got %q", payload)
		}
		if payload, after := p.until(0); payload != "" || after != 15*ms {
			t.Errorf("after a datagram: %q after %v", payload, after)
		}
	})
}

func TestTransmitStampsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Instant)
		p.a = p.listen(udp.Config{Local: netip.AddrPortFrom(here, 0), TxTimestamps: true, TxOnDemand: true})
		out := make([]udp.Message, 5)
		for i := range out {
			out[i] = message(p.b.local, "x")
			out[i].WantTx, out[i].TxID = i%2 == 1, 77
		}
		if _, err := p.a.Write(out); err != nil {
			t.Fatal(err)
		}
		evs := make([]udp.Event, 5)
		_, e, err := p.a.Read(nil, evs)
		if e != 2 || err != nil || evs[0].TxID != out[1].TxID || evs[1].TxID != out[3].TxID {
			t.Errorf("%+v, %v", evs[:e], err)
		}
		if out[0].TxID != 0 || out[1].TxID == 0 {
			t.Errorf("ids %d and %d", out[0].TxID, out[1].TxID)
		}
		p.read(len(out)) // all were sent
	})
}
