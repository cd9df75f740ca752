// Consumer prints the result of every test: first those that the stream has,
// then each as it comes. The server remembers how far it is.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	url := cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL)
	if err := consume(context.Background(), url, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func consume(ctx context.Context, url string, out io.Writer) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, "TWAMP", jetstream.ConsumerConfig{Durable: "example", FilterSubject: "twamp.v1.rtt.>"})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		var event struct {
			ID   string
			Data struct {
				Target     struct{ Name string }
				Sent, Lost uint64
				RTT        *struct { // null: no reply
					P50 int64 `json:"p50_ns"`
				}
			}
		}
		if err := json.Unmarshal(m.Data(), &event); err != nil {
			log.Print(m.Subject(), ": ", err)
			if err := m.Term(); err != nil { // or it would come again for ever
				return err
			}
			continue
		}
		fmt.Fprint(out, event.ID, " ", event.Data.Target.Name, ": ", event.Data.Lost, " of ", event.Data.Sent, " lost")
		if rtt := event.Data.RTT; rtt != nil {
			fmt.Fprint(out, ", round trip ", rtt.P50, " ns")
		}
		fmt.Fprintln(out)
		if err := m.Ack(); err != nil { // else it comes again after 30 s
			return err
		}
	}
}
