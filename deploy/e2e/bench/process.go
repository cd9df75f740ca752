package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tinytwamp/shared/stamp"
)

// binaries is where `make build` leaves the services.
const binaries = "bin/"

// process is a program that was started to be measured, or measured against.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
}

// start runs a program on some CPUs until ctx ends or stop; on all of them when
// none is named.
func start(ctx context.Context, cpus []int, name string, args ...string) (*process, error) {
	p, err := command(ctx, cpus, name, args...)
	if err != nil {
		return nil, err
	}
	return p, p.Start()
}

// command prepares a program; without the settings of the caller's environment.
func command(ctx context.Context, cpus []int, name string, args ...string) (*process, error) {
	if len(cpus) > 0 {
		if _, err := exec.LookPath("taskset"); err != nil {
			return nil, notRun("no taskset (util-linux) in PATH to pin programs to CPUs")
		}
		args = append([]string{"-c", list(cpus), name}, args...)
		name = "taskset"
	}
	p := &process{Cmd: exec.CommandContext(ctx, name, args...)}
	p.Stderr = &p.stderr
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	p.WaitDelay = 5 * time.Second // then it is killed
	p.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TWAMP_") })
	return p, nil
}

// output runs a program to its end, and returns what it printed.
func output(ctx context.Context, cpus []int, name string, args ...string) ([]byte, *process, error) {
	p, err := command(ctx, cpus, name, args...)
	if err != nil {
		return nil, nil, err
	}
	out, err := p.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %s", strings.Join(p.Args, " "), err, p.stderr.String())
	}
	return out, p, nil
}

// stop ends a program that runs until it is told to.
func (p *process) stop() {
	_ = p.Cancel() // it may have ended
	deadline := time.AfterFunc(p.WaitDelay, func() { _ = p.Process.Kill() })
	defer deadline.Stop()
	_ = p.Wait() // its state is that of a signal
}

// reflector starts bin/reflector on a port of its own, and waits until it
// answers.
func reflector(ctx context.Context, cpus []int, flags ...string) (*process, string, error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	p, err := start(ctx, cpus, binaries+"reflector", append(flags, "-listen", "127.0.0.1:"+port)...)
	if err != nil {
		return nil, "", err
	}
	return p, port, p.answers(ctx, port)
}

// answers waits until a reflector on a port answers.
func (p *process) answers(ctx context.Context, port string) error {
	c, err := net.Dial("udp4", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	defer c.Close()
	request, _ := stamp.SenderPacket{ErrorEstimate: 1}.AppendBinary(nil) // never fails
	for begun := time.Now(); time.Since(begun) < 10*time.Second && ctx.Err() == nil; {
		_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond))
		_, err := c.Write(request)
		if err == nil {
			if _, err = c.Read(make([]byte, stamp.BaseSize)); err == nil {
				return nil
			}
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			time.Sleep(10 * time.Millisecond) // it has not bound yet
		}
	}
	p.stop()
	return fmt.Errorf("%s does not answer: %s", strings.Join(p.Args, " "), p.stderr.String())
}

func freePort() (string, error) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer c.Close()
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	return port, err
}

// cpuTime is the CPU time that a running process has used.
func (p *process) cpuTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on, see proc(5)
	var ticks int
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(string(f))
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ is 100 on all of Linux
}
