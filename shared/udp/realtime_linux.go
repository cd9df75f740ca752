package udp

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// realtimePriority is above everything that is not real-time, and below what
// the kernel itself runs so.
const realtimePriority = 10

// RealtimeThread gives the calling goroutine a thread of its own until it ends,
// and asks for real-time priority (SCHED_FIFO) for it. Its error says what the
// host wants for that; the goroutine then goes on at ordinary priority. A
// socket that it reads is to be opened with Config.OwnThread: the runtime's
// poller would wake it through a thread without priority.
func RealtimeThread() error {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: realtimePriority,
	}, 0)
	if err != nil {
		return fmt.Errorf("udp: this host refuses real-time priority; it needs CAP_SYS_NICE, or a limit for it (ulimit -r %d): %w", realtimePriority, err)
	}
	return nil
}
