package relay

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	vnetHeader = 10 // octets of struct virtio_net_hdr before each frame
	frameRoom  = vnetHeader + 1<<16
	// controlRoom holds one control message, the time of arrival.
	controlRoom = 64
	// priority is that of SCHED_FIFO. The relay is to be as punctual as a wire,
	// whatever else the machine does.
	priority = 20
)

// pending is a frame on its way.
type pending struct {
	arrived, due time.Time
	frame        []byte // with its virtio header
}

// Direction takes frames from one socket to another. Apart from the account all
// is its thread's.
type Direction struct {
	account
	in, out int
	path    Path
	buf     []byte
	control []byte
	queue   []pending // by due
}

func newDirection(in, out int, path Path) *Direction {
	return &Direction{in: in, out: out, path: path, buf: make([]byte, frameRoom), control: make([]byte, controlRoom)}
}

// run relays until the other end of pipe stop is closed.
func (d *Direction) run(stop int) {
	runtime.LockOSThread() // never unlocked: the thread ends with this
	// Refused, they leave the relay less punctual.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority}, 0)
	fds := []unix.PollFd{{Fd: int32(d.in), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
	for {
		// Its one error is EINTR, by the Go scheduler's signals: go round.
		_, _ = unix.Ppoll(fds, d.timeout(), nil)
		if fds[1].Revents != 0 {
			return
		}
		d.receive()
		d.send()
	}
}

// timeout is how long the thread may sleep; nil: for ever.
func (d *Direction) timeout() *unix.Timespec {
	if len(d.queue) == 0 {
		return nil
	}
	ts := unix.NsecToTimespec(max(0, time.Until(d.queue[0].due).Nanoseconds()))
	return &ts
}

// receive queues the frames that are there. Errors other than that there are
// none tell once that the link is down: it goes on when it is up again.
func (d *Direction) receive() {
	for {
		n, oobn, _, _, err := unix.Recvmsg(d.in, d.buf, d.control, 0)
		if err != nil {
			return
		}
		if n > vnetHeader {
			d.accept(arrival(d.control[:oobn]), slices.Clone(d.buf[:n]))
		}
	}
}

// arrival is when the kernel had a frame: however late it was read, it leaves
// in time.
func arrival(control []byte) time.Time {
	_, data, _, err := unix.ParseOneSocketControlMessage(control)
	var ts unix.Timespec
	if _, short := binary.Decode(data, binary.NativeEndian, &ts); err != nil || short != nil {
		return time.Now()
	}
	return time.Unix(ts.Unix())
}

// accept does to a frame what the path does, and queues what is left of it.
func (d *Direction) accept(arrived time.Time, frame []byte) {
	p := pending{arrived, arrived.Add(d.path.Delay), frame}
	if d.path.Jitter > 0 {
		p.due = p.due.Add(rand.N(d.path.Jitter))
	}
	ip, ok := udpPacket(frame[vnetHeader:])
	if !ok {
		d.enqueue(p)
		return
	}
	i := d.count(&d.counts.Arrived)
	if oneIn(d.path.Drop, i) {
		d.count(&d.counts.Dropped)
		return
	}
	if d.path.Hop {
		hop(ip)
	}
	if d.path.Remark != 0 {
		remark(ip, d.path.Remark)
	}
	if oneIn(d.path.Hold, i) {
		d.count(&d.counts.Held)
		p.due = p.due.Add(d.path.HoldFor)
	}
	d.enqueue(p)
	if oneIn(d.path.Duplicate, i) {
		d.count(&d.counts.Duplicated)
		d.enqueue(p)
	}
}

// enqueue puts a frame behind those that are due no later.
func (d *Direction) enqueue(p pending) {
	i, _ := slices.BinarySearchFunc(d.queue, p.due, func(p pending, due time.Time) int {
		return cmp.Or(p.due.Compare(due), -1) // equal: before it
	})
	d.queue = slices.Insert(d.queue, i, p)
}

// send sends the frames that are due. One that is refused is lost.
func (d *Direction) send() {
	for len(d.queue) > 0 && time.Until(d.queue[0].due) <= 0 {
		p := d.queue[0]
		d.queue = slices.Delete(d.queue, 0, 1)
		delay := time.Since(p.arrived)
		if _, err := unix.Write(d.out, p.frame); err != nil {
			continue
		}
		if ip, ok := udpPacket(p.frame[vnetHeader:]); ok {
			d.deliver(Delivery{payload(ip), delay})
		}
	}
}
