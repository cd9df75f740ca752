package relay

import (
	"bytes"
	"encoding/hex"
	"testing"
)

const ethernet = "020000000001" + "020000000002"

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRewrite holds a packet to what a router with remarking makes of it: the
// IPv4 header is the well-known one with checksum b861.
func TestRewrite(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"IPv4": {
			"0800" + "4500007300004000" + "4011b861" + "c0a80001c0a800c7",
			"0800" + "4588007300004000" + "3f11b8d9" + "c0a80001c0a800c7",
		},
		"IPv4 with ECN": {
			"0800" + "45b9007300004000" + "4011b7a8" + "c0a80001c0a800c7",
			"0800" + "4589007300004000" + "3f11b8d8" + "c0a80001c0a800c7",
		},
		"IPv6": {
			"86dd" + "6b912345" + "000811ff" + "fd000000000000000000000000000001" + "fd000000000000000000000000000002",
			"86dd" + "68912345" + "000811fe" + "fd000000000000000000000000000001" + "fd000000000000000000000000000002",
		},
	} {
		t.Run(name, func(t *testing.T) {
			frame := unhex(t, ethernet+c.before)
			ip, ok := udpPacket(frame)
			if !ok {
				t.Fatal("no UDP packet")
			}
			remark(ip, 34)
			hop(ip)
			if want := unhex(t, ethernet+c.after); !bytes.Equal(frame, want) {
				t.Errorf("got  %x\nwant %x", frame, want)
			}
		})
	}
}

// TestOthers: what is no UDP is not touched.
func TestOthers(t *testing.T) {
	for name, frame := range map[string]string{
		"ARP":       ethernet + "0806" + "0001080006040001",
		"ICMP":      ethernet + "0800" + "4500007300004000" + "4001b871" + "c0a80001c0a800c7",
		"cut short": ethernet + "0800" + "4500007300004000" + "4011b861" + "c0a80001",
		"nothing":   "",
	} {
		if _, ok := udpPacket(unhex(t, frame)); ok {
			t.Errorf("%s is taken for UDP", name)
		}
	}
}
