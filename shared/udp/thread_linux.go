package udp

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// realtimePriority is above everything that is not real-time, and below what
// the kernel itself runs so.
const realtimePriority = 10

// OwnThread gives the calling goroutine a thread of its own until it ends, in
// which [Conn.ReadUntil] returns as near to its instant as the kernel can. If
// so wanted, it asks for real-time priority (SCHED_FIFO) for it. Its error says
// what the host wants for that; the goroutine then goes on at ordinary
// priority.
func OwnThread(realtime bool) error {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	// Timers of this thread are otherwise up to 50 us late. Refused, they stay so.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	if !realtime {
		return nil
	}
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: realtimePriority,
	}, 0)
	if err != nil {
		return fmt.Errorf("udp: this host refuses real-time priority; it needs CAP_SYS_NICE, or a limit for it (ulimit -r %d): %w", realtimePriority, err)
	}
	return nil
}
