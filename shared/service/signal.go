package service

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// Main runs a program and ends the process with the code that run returns.
// SIGINT and SIGTERM end run's context; a second one ends the process at once.
func Main(run func(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int) {
	ctx, end := WithSignal(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() { // lives as long as the process
		end((<-signals).(syscall.Signal))
		os.Exit(SignalExit((<-signals).(syscall.Signal)))
	}()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// WithSignal returns a context and the function that ends it as a signal to
// the process does. Tests use it to send their program a signal.
func WithSignal(parent context.Context) (ctx context.Context, end func(syscall.Signal)) {
	ctx, cancel := context.WithCancelCause(parent)
	return ctx, func(s syscall.Signal) { cancel(signalError{s}) }
}

// Signal tells which signal ended ctx, if it was one.
func Signal(ctx context.Context) (syscall.Signal, bool) {
	var s signalError
	ok := errors.As(context.Cause(ctx), &s)
	return s.signal, ok
}

// SignalExit returns the exit code of a program that a signal cut short: 130
// for SIGINT, 143 for SIGTERM.
func SignalExit(s syscall.Signal) int { return 128 + int(s) }

// OnHangup returns a task that calls f at each SIGHUP, the signal that asks a
// service to reopen and reread its files. From this call on it no longer ends
// the process; after the task it does again.
//
// It is also the signal that the terminal of the process is gone: that ends the
// program as SIGTERM does.
func OnHangup(f func()) Task {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	terminals := slices.DeleteFunc([]*os.File{os.Stdin, os.Stdout, os.Stderr}, func(f *os.File) bool { return !IsTerminal(f) })
	return Task{Name: "hangup", Run: func(ctx context.Context) error {
		defer signal.Stop(hangups)
		for {
			select {
			case <-hangups:
				if slices.ContainsFunc(terminals, func(f *os.File) bool { return !IsTerminal(f) }) {
					_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
					continue
				}
				f()
			case <-ctx.Done():
				return nil
			}
		}
	}}
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return "ended by signal: " + e.signal.String() }
