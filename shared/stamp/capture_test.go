package stamp_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tinytwamp/shared/stamp"
)

// datagram is the payload of a UDP packet in a capture.
type datagram struct {
	file    string
	at      time.Time
	ttl     uint8
	payload []byte
}

// capturedTests returns the test packets in testdata, in the order of the wire:
// each request is followed by its reply.
func capturedTests(t testing.TB) []datagram {
	t.Helper()
	var all []datagram
	for _, file := range []string{"open.pcap", "open_short.pcap", "ipv6_dscp.pcap"} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range readPcap(b) {
			d.file = file
			all = append(all, d)
		}
	}
	return all
}

// readPcap reads the UDP packets of a little-endian pcap file of Ethernet
// frames. It trusts the file: the tests bring their own.
func readPcap(b []byte) (all []datagram) {
	const fileHeader, recordHeader, ethernetHeader, udpHeader = 24, 16, 14, 8
	b = b[fileHeader:]
	for len(b) > 0 {
		seconds, micros := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		end := recordHeader + binary.LittleEndian.Uint32(b[8:])
		frame := b[recordHeader:end]
		b = b[end:]

		d := datagram{at: time.Unix(int64(seconds), int64(micros)*1000)}
		ip := frame[ethernetHeader:]
		switch {
		case ip[0]>>4 == 4 && ip[9] == 17:
			d.ttl = ip[8]
			ip = ip[:binary.BigEndian.Uint16(ip[2:])]
			d.payload = ip[int(ip[0]&15)*4+udpHeader:]
		case ip[0]>>4 == 6 && ip[6] == 17:
			d.ttl = ip[7]
			d.payload = ip[40+udpHeader:]
		default:
			continue
		}
		all = append(all, d)
	}
	return all
}

// The whole of it, decoded by hand from the hex dump.
func TestCapturedPacketByHand(t *testing.T) {
	all := capturedTests(t)

	var request stamp.SenderPacket
	if err := request.UnmarshalBinary(all[0].payload); err != nil {
		t.Fatal(err)
	}
	wantRequest := stamp.SenderPacket{
		Timestamp:     0xeeadbcaa_b6dafd11,
		ErrorEstimate: 0x0001, // not synchronized
		SSID:          0xfc3d, // of TWAMP-Test: two octets of random padding
	}
	if request != wantRequest {
		t.Errorf("request: got %+v, want %+v", request, wantRequest)
	}

	var reply stamp.ReflectorPacket
	if err := reply.UnmarshalBinary(all[1].payload); err != nil {
		t.Fatal(err)
	}
	wantReply := stamp.ReflectorPacket{
		Timestamp:           0xeeadbcaa_b6e08f21,
		ErrorEstimate:       0x0001,
		ReceiveTimestamp:    0xeeadbcaa_b6dfa43f,
		SenderTimestamp:     0xeeadbcaa_b6dafd11,
		SenderErrorEstimate: 0x0001,
		SenderTTL:           255,
		TTLKnown:            true,
	}
	if reply != wantReply {
		t.Errorf("reply: got %+v, want %+v", reply, wantReply)
	}
}

// Every captured pair fits together, and its four instants are those at which
// the capture saw the packets.
//
// RFC 8972 3-3
func TestCapturedExchanges(t *testing.T) {
	all := capturedTests(t)
	if len(all) != 10 {
		t.Fatalf("%d packets in the captures, want 10", len(all))
	}
	for i := 0; i < len(all); i += 2 {
		checkExchange(t, all[i], all[i+1])
	}
}

func checkExchange(t *testing.T, sent, returned datagram) {
	t.Helper()
	var request stamp.SenderPacket
	if err := request.UnmarshalBinary(sent.payload); err != nil {
		t.Fatal(err)
	}
	var reply stamp.ReflectorPacket
	if err := reply.UnmarshalBinary(returned.payload); err != nil {
		t.Fatal(err)
	}

	if reply.SenderSequence != request.Sequence || reply.SenderTimestamp != request.Timestamp ||
		reply.SenderErrorEstimate != request.ErrorEstimate {
		t.Errorf("%s: reply %+v is not to request %+v", sent.file, reply, request)
	}
	if !reply.TTLKnown || reply.SenderTTL != sent.ttl {
		t.Errorf("%s: Sender TTL %d, sent with %d", sent.file, reply.SenderTTL, sent.ttl)
	}

	t1 := unixNano(t, request.Timestamp, request.ErrorEstimate)
	t2 := unixNano(t, reply.ReceiveTimestamp, reply.ErrorEstimate)
	t3 := unixNano(t, reply.Timestamp, reply.ErrorEstimate)
	instants := []int64{t1, sent.at.UnixNano(), t2, t3, returned.at.Add(time.Microsecond).UnixNano()}
	for i := range instants[1:] {
		// T1, captured, T2, T3, captured (cut to a microsecond): loopback takes
		// far less than a millisecond.
		if step := instants[i+1] - instants[i]; step < -int64(20*time.Microsecond) || step > int64(time.Millisecond) {
			t.Errorf("%s: step %d of T1, seen, T2, T3, seen is %d ns", sent.file, i, step)
		}
	}

	again := encode(t, nil, request)
	if !bytes.Equal(again[:stamp.LightSize], sent.payload[:stamp.LightSize]) {
		t.Errorf("%s: request encoded again:\n got %x\nwant %x", sent.file, again, sent.payload)
	}
	again = encode(t, nil, reply)
	if !bytes.Equal(again[:stamp.LightReplySize], returned.payload) {
		t.Errorf("%s: reply encoded again:\n got %x\nwant %x", sent.file, again, returned.payload)
	}
}

func unixNano(t *testing.T, ts stamp.Timestamp, e stamp.ErrorEstimate) int64 {
	t.Helper()
	if !e.Valid() || e.Format() != stamp.NTP {
		t.Errorf("error estimate %#04x: valid %v, format %v", uint16(e), e.Valid(), e.Format())
	}
	ns, ok := ts.UnixNano(e.Format())
	if !ok {
		t.Errorf("%#016x is no time", uint64(ts))
	}
	return ns
}
