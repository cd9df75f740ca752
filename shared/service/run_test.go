package service_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/service"
)

func TestRunEndsAllAfterTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		ended := false
		err := service.Run(t.Context(),
			service.Task{Name: "one-shot", Run: func(context.Context) error { return nil }},
			service.Task{Name: "worker", Run: func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // tidies up
				ended = true
				return ctx.Err()
			}},
			service.Task{Name: "reader", Run: func(context.Context) error {
				time.Sleep(time.Minute)
				return broken
			}},
		)
		if !errors.Is(err, broken) || err.Error() != "reader: broken" {
			t.Errorf("got %v", err)
		}
		if !ended {
			t.Error("did not wait for the worker")
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := service.WithSignal(t.Context())
		go func() {
			time.Sleep(time.Minute)
			end(syscall.SIGTERM)
		}()
		err := service.Run(ctx,
			service.Task{Name: "a", Run: func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("wait: %w", ctx.Err()) }},
			service.Task{Name: "b", Run: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }},
			service.Task{Name: "c", Run: func(ctx context.Context) error { <-ctx.Done(); return nil }},
		)
		if err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunReportsAFailureWhileEnding(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := service.Run(ctx, service.Task{Name: "store", Run: func(context.Context) error { return errors.New("disk full") }})
	if err == nil || err.Error() != "store: disk full" {
		t.Errorf("got %v", err)
	}
}

func TestRunDoesNotSwallowACancellationOfItsOwn(t *testing.T) {
	err := service.Run(t.Context(), service.Task{Name: "a", Run: func(context.Context) error { return context.Canceled }})
	if err == nil {
		t.Error("a task that gave up is no failure")
	}
}
