package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"tinytwamp/shared/bus/bustest"
)

// A server that comes back without its stream, as it does with one in memory, or
// with another one of that name, goes on answering as if nothing had been. Who
// consumes has to know: sequences begin again, and nothing comes from a stream
// that is not there.
func TestConsumerOfAStreamThatIsGone(t *testing.T) {
	for name, again := range map[string]bool{"gone": false, "made anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for a look at the consumer
			server := bustest.NewServer(t)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			conn, err := connect(server, "logger")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(conn.Close)
			init := func() {
				if err := conn.Init(ctx, StreamConfig{Storage: StorageMemory}, ConsumerConfig{Durable: "d"}); err != nil {
					t.Fatal(err)
				}
			}
			init()
			c, err := conn.Consumer(ctx, "d")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			server.Stop()
			server.Restart()
			if again {
				init()
			}
			if _, err := c.Next(ctx); !errors.Is(err, ErrMissing) {
				t.Errorf("consumer ends with %v, want %v", err, ErrMissing)
			}
		})
	}
}
