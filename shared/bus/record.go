package bus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"time"

	"tinytwamp/shared/events"
)

// A record of the outbox on disk: a header, then id, subject and body.
//
//	 0  4  mark
//	 4  4  octets of the body
//	 8  8  when the event was accepted, Unix time in ns
//	16  4  CRC-32C of id, subject and body
//	20  2  octets of the subject
//	22  1  octets of the id
//	23  1  state, the only octet that is ever written again
//	24  4  CRC-32C of octets 0 to 22
//
// Numbers are big-endian.
const (
	headerSize  = 28
	stateOffset = 23
)

// mark begins each record. Its first octet is in no UTF-8 text, so that no
// event, whatever is in it, can look like a record of its own.
var mark = []byte{0xf5, 'e', 'v', 1}

// States of a record. A bit that flips makes none of them another one; a state
// that is none of them means that the event may have been tried.
const (
	stateFresh = 0x00 // not tried in the process that wrote it, as far as that one got
	stateTried = 0x0f // tried before it was written
	stateDone  = 0xff // acknowledged, or given up
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors of reader.next.
var (
	errTorn    = errors.New("bus: the last record is not whole")
	errCorrupt = errors.New("bus: checksum of a record does not fit")
)

// record is one event on disk.
type record struct {
	event    events.Encoded
	accepted time.Time
	state    byte
	size     int64 // octets on disk
}

// recordSize returns the octets of an event on disk, and false when it does not
// fit into a record.
func recordSize(e events.Encoded) (int64, bool) {
	ok := len(e.ID) <= math.MaxUint8 && len(e.Subject) <= math.MaxUint16 && len(e.Body) <= math.MaxInt32
	return headerSize + int64(len(e.ID)) + int64(len(e.Subject)) + int64(len(e.Body)), ok
}

// appendRecord appends an event that fits to b.
func appendRecord(b []byte, e events.Encoded, accepted time.Time, state byte) []byte {
	start := len(b)
	b = append(b, mark...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Body)))
	b = binary.BigEndian.AppendUint64(b, uint64(accepted.UnixNano()))
	sumAt := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Subject)))
	b = append(b, byte(len(e.ID)), state)
	headerSumAt := len(b)
	b = append(b, 0, 0, 0, 0)
	payload := len(b)
	b = append(b, e.ID...)
	b = append(b, e.Subject...)
	b = append(b, e.Body...)
	binary.BigEndian.PutUint32(b[sumAt:], crc32.Checksum(b[payload:], castagnoli))
	binary.BigEndian.PutUint32(b[headerSumAt:], crc32.Checksum(b[start:start+stateOffset], castagnoli))
	return b
}

// headerRecordSize returns the size that a header says, and false for what is
// no header.
func headerRecordSize(h []byte) (int64, bool) {
	if !bytes.HasPrefix(h, mark) || crc32.Checksum(h[:stateOffset], castagnoli) != binary.BigEndian.Uint32(h[24:]) {
		return 0, false
	}
	return headerSize + int64(binary.BigEndian.Uint32(h[4:])) + int64(binary.BigEndian.Uint16(h[20:])) + int64(h[22]), true
}

// parseRecord reads a record that b holds as a whole. The event does not alias b.
func parseRecord(b []byte) (record, bool) {
	if len(b) < headerSize {
		return record{}, false
	}
	size, ok := headerRecordSize(b)
	if !ok || size != int64(len(b)) || crc32.Checksum(b[headerSize:], castagnoli) != binary.BigEndian.Uint32(b[16:]) {
		return record{}, false
	}
	idEnd := headerSize + int(b[22])
	subjectEnd := idEnd + int(binary.BigEndian.Uint16(b[20:]))
	return record{
		event:    events.Encoded{ID: string(b[headerSize:idEnd]), Subject: string(b[idEnd:subjectEnd]), Body: bytes.Clone(b[subjectEnd:])},
		accepted: time.Unix(0, int64(binary.BigEndian.Uint64(b[8:]))),
		state:    b[stateOffset],
		size:     size,
	}, true
}

// readAhead is what a reader takes from its file at once.
const readAhead = 64 << 10

// reader reads the records of a file one after the other.
type reader struct {
	src io.ReaderAt
	off int64 // of the next record
	end int64 // of what may be read

	buf   []byte // octets of the file from start on
	start int64
}

// peek returns n octets from off on, fewer at the end. They are good until the
// next call.
func (r *reader) peek(off, n int64) ([]byte, error) {
	n = min(n, r.end-off)
	if off < r.start || off+n > r.start+int64(len(r.buf)) {
		want := min(max(n, readAhead), r.end-off)
		if int64(cap(r.buf)) < want || int64(cap(r.buf)) > 4*readAhead && want == readAhead { // one large event is no reason to keep as much for ever
			r.buf = make([]byte, want)
		}
		r.buf, r.start = r.buf[:want], off
		got, err := r.src.ReadAt(r.buf, off)
		r.buf = r.buf[:got]
		if err != nil && err != io.EOF || int64(got) < n {
			return nil, errors.Join(err, io.ErrUnexpectedEOF)
		}
	}
	return r.buf[off-r.start:][:n], nil
}

// next returns the next record and where it is, and goes behind it. io.EOF: there
// is none. After [errCorrupt] it goes on behind what is bad; after [errTorn] it
// is at the end, and the offset is where the torn record begins. Other errors
// are those of reading the file.
func (r *reader) next() (rec record, at int64, err error) {
	at = r.off
	h, err := r.peek(at, headerSize)
	switch {
	case err != nil:
		return record{}, at, err
	case len(h) == 0:
		return record{}, at, io.EOF
	case len(h) < headerSize:
		r.off = r.end
		return record{}, at, errTorn
	}
	size, ok := headerRecordSize(h)
	if !ok || size > r.end-at {
		if err := r.resync(at + 1); err != nil {
			return record{}, at, err
		}
		if ok && r.off == r.end {
			return record{}, at, errTorn
		}
		return record{}, at, errCorrupt
	}
	b, err := r.peek(at, size)
	if err != nil {
		return record{}, at, err
	}
	r.off = at + size
	if rec, ok = parseRecord(b); !ok {
		return record{}, at, errCorrupt
	}
	return rec, at, nil
}

// resync goes to the next header from off on, or to the end.
func (r *reader) resync(off int64) error {
	for r.end-off >= headerSize {
		if _, err := r.peek(off, headerSize); err != nil {
			return err
		}
		b := r.buf[off-r.start:] // all that was read: a file full of marks costs no more reading than another
		i := bytes.Index(b, mark)
		switch {
		case i < 0:
			off += int64(len(b) - len(mark) + 1)
		case len(b)-i < headerSize:
			off += int64(i)
		default:
			off += int64(i)
			if size, ok := headerRecordSize(b[i:]); ok && size <= r.end-off {
				r.off = off
				return nil
			}
			off++
		}
	}
	r.off = r.end
	return nil
}
