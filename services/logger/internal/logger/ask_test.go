package logger_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"
)

// acknowledged waits until the durable has dealt with all messages up to seq.
func (f *fleet) acknowledged(durable string, seq uint64) {
	f.Helper()
	f.until(fmt.Sprintf("message %d is acknowledged", seq), func() bool { return f.acknowledgedUpTo(durable) >= seq })
}

// acknowledgedUpTo asks the server itself: a consumer of ours would take
// messages away.
func (f *fleet) acknowledgedUpTo(durable string) uint64 {
	f.Helper()
	var info struct {
		AckFloor struct {
			Seq uint64 `json:"stream_seq"`
		} `json:"ack_floor"`
	}
	f.ask("CONSUMER.INFO.TWAMP."+durable, &info)
	return info.AckFloor.Seq
}

// lastSequence is that of the last message in the stream.
func (f *fleet) lastSequence() uint64 {
	f.Helper()
	var info struct {
		State struct {
			Last uint64 `json:"last_seq"`
		} `json:"state"`
	}
	f.ask("STREAM.INFO.TWAMP", &info)
	return info.State.Last
}

// ask asks JetStream itself.
func (f *fleet) ask(subject string, answer any) {
	f.Helper()
	line := f.speak("SUB answer 1\r\nPUB $JS.API."+subject+" answer 0\r\n\r\n", "{")
	if err := json.Unmarshal([]byte(line), answer); err != nil {
		f.Fatal(err)
	}
}

// speak sends commands of the NATS protocol, for what no client of ours is to
// be made to do, and returns the line of the answer that begins with a prefix.
func (f *fleet) speak(commands, prefix string) string {
	f.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.server.URL(), "nats://"))
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(deadline))
	fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true}\r\n%sPING\r\n", commands)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), prefix) {
			return lines.Text()
		}
	}
	f.Fatalf("the server did not answer %q", commands)
	return ""
}
