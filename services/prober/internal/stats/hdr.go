package stats

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
	"sync"
	"time"
)

// HDR histograms of 3 significant digits over unit 1: every value below 2048
// has a bucket, above that each doubling has halfRow of them.
//
// The encoder is our own because the library's takes 350 us and 0.8 MB of
// garbage for ten values, most of it for a new compressor, where this one takes
// 7 us: with 5,000 sessions that would be the prober's main work. The library
// judges the result in the tests.
const (
	halfRow = 1024
	digits  = 3
)

// bucket is where a value is counted.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-11, 0)
	return shift*halfRow + int(v>>shift)
}

// middle is the value that stands for a bucket.
func middle(bucket int) uint64 {
	shift := max(bucket/halfRow-1, 0)
	return uint64(bucket-shift*halfRow)<<shift + 1<<shift/2
}

// The encoding's constants are not in a standard but in the HdrHistogram
// libraries: V2EncodingCookieBase and V2CompressedEncodingCookieBase, with the
// word size 0x10 (LEB128).
const (
	cookieV2           = 0x1c849303 | 0x10
	cookieV2Compressed = 0x1c849304 | 0x10
	headerSize         = 40
	outerSize          = 8
)

// usualRange is the range that histograms state, the same in all of them so
// that a consumer can add them; a histogram with a larger value states all of
// int64.
const usualRange = int64(time.Hour)

// encoder holds what encoding needs, to be used again: the compressor alone is
// 0.7 MB.
type encoder struct {
	plain  []byte
	packed bytes.Buffer
	zlib   *zlib.Writer
}

// encoders is shared because sessions report one after the other.
var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	// Huffman codes alone come within a few percent of the best size here, and
	// need no search. Only an unknown level is an error.
	e.zlib, _ = zlib.NewWriterLevel(&e.packed, zlib.HuffmanOnly)
	return e
}}

// encodeHDR records the values, which must ascend from base or above to
// largest or below, less the base, and encodes them: V2, compressed, base64.
func encodeHDR(base, largest int64, values iter.Seq2[int64, uint64]) string {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)

	highest := usualRange
	if subtract(largest, base) > usualRange {
		highest = math.MaxInt64
	}
	e.plain = append(e.plain[:0], make([]byte, headerSize)...)
	e.plain = appendCounts(e.plain, base, values)
	putHeader(e.plain, highest)

	e.packed.Reset()
	e.packed.Write(make([]byte, outerSize))
	e.zlib.Reset(&e.packed)
	// Neither fails: a buffer takes all.
	_, _ = e.zlib.Write(e.plain)
	_ = e.zlib.Close()
	out := e.packed.Bytes()
	binary.BigEndian.PutUint32(out[0:], cookieV2Compressed)
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-outerSize))
	return base64.StdEncoding.EncodeToString(out)
}

// putHeader fills the first headerSize octets of plain, which is otherwise
// complete.
func putHeader(plain []byte, highest int64) {
	const normalizingIndexOffset, lowest, conversionRatio = 0, 1, 1.0
	binary.BigEndian.PutUint32(plain[0:], cookieV2)
	binary.BigEndian.PutUint32(plain[4:], uint32(len(plain)-headerSize))
	binary.BigEndian.PutUint32(plain[8:], normalizingIndexOffset)
	binary.BigEndian.PutUint32(plain[12:], digits)
	binary.BigEndian.PutUint64(plain[16:], lowest)
	binary.BigEndian.PutUint64(plain[24:], uint64(highest))
	binary.BigEndian.PutUint64(plain[32:], math.Float64bits(conversionRatio))
}

// appendCounts appends the counts of all buckets up to the last that holds a
// value. A run of empty buckets is one negative number, a single one is 0. The
// format's ZigZag LEB128 is Go's varint, for all counts below 2^55.
func appendCounts(b []byte, base int64, values iter.Seq2[int64, uint64]) []byte {
	at, held := 0, uint64(0) // the bucket that is being filled
	flush := func() {
		if held > 0 {
			b = binary.AppendVarint(b, int64(held))
			at, held = at+1, 0
		}
	}
	for v, count := range values {
		i := bucket(min(uint64(v)-uint64(base), math.MaxInt64))
		if i != at {
			flush()
		}
		switch empty := i - at; {
		case empty == 1:
			b = binary.AppendVarint(b, 0)
		case empty > 1:
			b = binary.AppendVarint(b, -int64(empty))
		}
		at = i
		held += count
	}
	flush()
	return b
}
