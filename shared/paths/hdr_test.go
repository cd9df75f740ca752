package paths

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"testing"
)

// pack packs plain octets as an encoded histogram, which they need not be.
func pack(t testing.TB, plain []byte) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	w.Close()
	outer := binary.BigEndian.AppendUint32(nil, cookieV2Compressed)
	outer = binary.BigEndian.AppendUint32(outer, uint32(b.Len()))
	return base64.StdEncoding.EncodeToString(append(outer, b.Bytes()...))
}

// header is that of an encoded histogram, and its counts.
func header(digits uint32, lowest uint64, counts ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, cookieV2)
	b = binary.BigEndian.AppendUint32(b, uint32(len(counts)))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, digits)
	b = binary.BigEndian.AppendUint64(b, lowest)
	b = append(b, make([]byte, 16)...)
	return append(b, counts...)
}
