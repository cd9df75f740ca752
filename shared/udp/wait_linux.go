package udp

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// roomPause is how long a writer leaves the kernel to drain a full send buffer
// while it cannot be waited for.
const roomPause = 100 * time.Microsecond

// An ordinary thread's wait in poll(2) may end late by 0.1 % of it, however
// fine its timer slack is (select_estimate_accuracy in the kernel's
// fs/select.c). So one longer than coarseWait is begun that much shorter. It
// ends at its instant then, or a little before: the rest is waited for anew.
const (
	coarseWait  = time.Millisecond
	coarseShare = 1000
)

// bell is an eventfd(2). Rung, it ends waits in poll(2) until it is reset.
type bell int

func newBell() (bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return bell(fd), os.NewSyscallError("eventfd", err)
}

func (b bell) ring() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(int(b), one[:]) // fails only if it was rung 2^64-2 times
}

func (b bell) reset() {
	var count [8]byte
	_, _ = unix.Read(int(b), count[:])
}

// await waits until there is something to receive. False: there is nothing,
// but the time is up (zero: it never is) or the bell was rung.
func (r *reader) await(fd int, datagrams bool, until time.Time) bool {
	// Events always count. Datagrams that are not to be taken must not, or
	// else there would be no wait.
	r.fds[0] = unix.PollFd{Fd: int32(fd)}
	if datagrams {
		r.fds[0].Events = unix.POLLIN
	}
	r.fds[1] = unix.PollFd{Fd: int32(r.bell), Events: unix.POLLIN}
	for {
		var timeout *unix.Timespec
		if !until.IsZero() {
			left := time.Until(until)
			if left <= 0 {
				return false
			}
			if left > coarseWait {
				left -= left / coarseShare
			}
			ts := unix.NsecToTimespec(int64(left))
			timeout = &ts
		}
		ready, _ := unix.Ppoll(r.fds[:], timeout, nil)
		if ready <= 0 { // EINTR, or the time is up
			continue
		}
		if r.fds[0].Revents != 0 {
			return true
		}
		r.bell.reset()
		return false
	}
}

// awaitRoom waits until the send buffer has room, or the bell was rung.
func (w *writer) awaitRoom(fd int) {
	w.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	w.fds[1] = unix.PollFd{Fd: int32(w.bell), Events: unix.POLLIN}
	ready, _ := unix.Ppoll(w.fds[:], nil, nil)
	if ready > 0 && w.fds[0].Revents&unix.POLLOUT == 0 && w.fds[1].Revents == 0 {
		// An event that nobody has read yet ends the wait, too. At real-time
		// priority, going round without a pause would keep the kernel from
		// sending.
		pause := unix.NsecToTimespec(int64(roomPause))
		_, _ = unix.Ppoll(w.fds[1:], &pause, nil)
	}
}
