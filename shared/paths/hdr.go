package paths

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"tinytwamp/shared/events"
)

// The form of an HDR histogram is in the HdrHistogram libraries:
// V2EncodingCookieBase and V2CompressedEncodingCookieBase, with the word size
// 0x10 (LEB128). The decoder is our own because the library's allocates half a
// megabyte for each histogram, or what a stranger's header asks for, to count
// some ten buckets; it judges the result in the tests.
const (
	cookieV2           = 0x1c849303 | 0x10
	cookieV2Compressed = 0x1c849304 | 0x10
	headerSize         = 40
	outerSize          = 8
	digits             = 3    // as the contract has it
	halfRow            = 1024 // buckets of a doubling with so many digits

	maxBuckets = (64 - 10) * halfRow // that int64 values fall into
	maxPlain   = headerSize + maxBuckets*binary.MaxVarintLen64
)

// maxCount bounds the values of a report: 10,000 packets/s for three years. It
// keeps sums of many reports within int64, whatever a report claims.
const maxCount = 1 << 40

var (
	errHDR   = errors.New("paths: not an HDR histogram of 3 digits, V2 compressed in base64")
	errCount = errors.New("paths: more values than a report can have")
)

// decoder holds what decoding needs, to be used again: the decompressor alone
// is 40 KB.
type decoder struct {
	plain []byte
	zlib  io.ReadCloser // nil: not used yet
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// read adds the values of a report's histogram to h.
func (h *Histogram) read(from *events.Histogram) error {
	return Values(from, func(ns float64, times uint64) { h.Add(ns/1e9, times) })
}

// Values gives the values of a report's histogram to add, from the smallest up:
// each, within 0.1 % above the base, as many times as it occurred. After an error
// add may have had some of them.
func Values(from *events.Histogram, add func(ns float64, times uint64)) error {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	if err := d.unpack(from.HDR); err != nil {
		return fmt.Errorf("%w: %w", errHDR, err)
	}
	return readCounts(float64(from.BaseNs), d.plain[headerSize:], add)
}

// unpack decompresses a histogram into d.plain, and checks its header.
func (d *decoder) unpack(text string) error {
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	if len(packed) < outerSize || binary.BigEndian.Uint32(packed) != cookieV2Compressed {
		return errors.New("another outer form")
	}
	source := bytes.NewReader(packed[outerSize:])
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(source)
	} else {
		err = d.zlib.(zlib.Resetter).Reset(source, nil)
	}
	if err != nil {
		return err
	}
	plain := bytes.NewBuffer(d.plain[:0])
	n, err := plain.ReadFrom(io.LimitReader(d.zlib, maxPlain+1))
	if err != nil {
		return err
	}
	d.plain = plain.Bytes()
	if n < headerSize || n > maxPlain || binary.BigEndian.Uint32(d.plain) != cookieV2 {
		return errors.New("another inner form")
	}
	const sizeAt, offsetAt, digitsAt, lowestAt = 4, 8, 12, 16
	if int64(binary.BigEndian.Uint32(d.plain[sizeAt:])) != n-headerSize ||
		binary.BigEndian.Uint32(d.plain[offsetAt:]) != 0 ||
		binary.BigEndian.Uint32(d.plain[digitsAt:]) != digits ||
		binary.BigEndian.Uint64(d.plain[lowestAt:]) != 1 {
		return errors.New("another header")
	}
	return nil
}

// readCounts gives away the counts of buckets above base, in nanoseconds. A
// negative one is a run of empty buckets.
func readCounts(base float64, b []byte, add func(ns float64, times uint64)) error {
	var at, total uint64
	for len(b) > 0 {
		count, n := binary.Varint(b)
		if n <= 0 {
			return fmt.Errorf("%w: a count is cut off", errHDR)
		}
		b = b[n:]
		if count < 0 {
			at += min(uint64(-count), maxBuckets)
			continue
		}
		if at >= maxBuckets {
			return fmt.Errorf("%w: a value is beyond int64", errHDR)
		}
		if total += min(uint64(count), maxCount+1); total > maxCount {
			return errCount
		}
		if count > 0 {
			add(base+middle(at), uint64(count))
		}
		at++
	}
	return nil
}

// middle is the value that stands for a bucket.
func middle(bucket uint64) float64 {
	shift := max(bucket/halfRow, 1) - 1
	return float64((bucket-shift*halfRow)<<shift + 1<<shift/2)
}
