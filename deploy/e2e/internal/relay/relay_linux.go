package relay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Relay is one at work, with two threads.
type Relay struct {
	Forward, Backward *Direction // from a to b, and from b to a

	sockets []int
	stop    *os.File // its other end ends the threads
	running sync.WaitGroup
}

// Start joins interfaces a and b of a network namespace, given by its file.
// The caller must [Relay.Close] it.
func Start(namespace, a, b string, forward, backward Path) (*Relay, error) {
	r := &Relay{}
	if err := inNamespace(namespace, func() error { return r.open(a, b) }); err != nil {
		r.closeSockets()
		return nil, fmt.Errorf("relay: %w", err)
	}
	stopped, stop, err := os.Pipe()
	if err != nil {
		r.closeSockets()
		return nil, fmt.Errorf("relay: %w", err)
	}
	r.stop = stop
	r.Forward = newDirection(r.sockets[0], r.sockets[1], forward)
	r.Backward = newDirection(r.sockets[1], r.sockets[0], backward)
	end := int(stopped.Fd())
	r.running.Go(func() { r.Forward.run(end) })
	r.running.Go(func() { r.Backward.run(end) })
	go func() {
		r.running.Wait()
		stopped.Close()
	}()
	return r, nil
}

// Close ends the relay. What is still on its way is lost.
func (r *Relay) Close() {
	r.stop.Close()
	r.running.Wait()
	r.closeSockets()
}

func (r *Relay) open(names ...string) error {
	for _, name := range names {
		fd, err := openSocket(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.sockets = append(r.sockets, fd)
	}
	return nil
}

func (r *Relay) closeSockets() {
	for _, fd := range r.sockets {
		unix.Close(fd)
	}
}

// inNamespace calls f in a network namespace. Its sockets stay there.
func inNamespace(file string, f func() error) error {
	namespace, err := os.Open(file)
	if err != nil {
		return err
	}
	defer namespace.Close()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here, it must not go on elsewhere
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter network namespace %s: %w", file, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// openSocket opens a packet socket on an interface, for whole frames.
func openSocket(name string) (fd int, err error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("packet socket: %w", err)
	}
	all := uint16(unix.ETH_P_ALL)
	err = errors.Join(
		// With its virtio header a frame tells which checksums its sender left
		// to the hardware, and is sent on with the same words.
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: ifi.Index}),
	)
	if err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("packet socket: %w", err)
	}
	return fd, nil
}
