package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tinytwamp/services/logger/internal/folder"
)

// An index tells which events an ended file holds, without reading that: 8
// octets for each, of a hash of its id, sorted. So an event that comes again is
// found whenever that is, for no memory, and a read of 4 KiB for each file.
// Lost indexes are written anew from the files.
//
// Two ids of which one is taken for the other: with a billion events on disk,
// once in 18 billion events that come again.
const (
	indexMagic = "TWIDS\x00\x00\x01"
	headSize   = len(indexMagic) + 5*8 + 4
	idSize     = 8
	blockOfIDs = 512
)

var errIndex = errors.New("journal: not an index")

// summary is what is known of a file without reading it.
type summary struct {
	records          uint64
	minSeq, maxSeq   uint64
	minTime, maxTime int64 // when the stream stored them, Unix nanoseconds
}

func (s *summary) add(seq uint64, at time.Time) {
	t := at.UnixNano()
	if s.records == 0 {
		s.minSeq, s.minTime, s.maxTime = seq, t, t
	}
	s.records++
	s.minSeq, s.maxSeq = min(s.minSeq, seq), max(s.maxSeq, seq)
	s.minTime, s.maxTime = min(s.minTime, t), max(s.maxTime, t)
}

// indexSize is that of the index of an ended file.
func (s *summary) indexSize() int64 { return int64(headSize) + int64(s.records)*idSize }

// hash stands for an event's id. Nobody can make up an id with a given hash to
// have another's event taken for known.
func hash(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// writeIndex writes the index of a file, for good.
func writeIndex(f file, ids map[uint64]struct{}) error {
	sorted := make([]uint64, 0, len(ids))
	for id := range ids {
		sorted = append(sorted, id)
	}
	slices.Sort(sorted)
	b := make([]byte, 0, headSize+len(sorted)*idSize)
	b = append(b, indexMagic...)
	for _, v := range []uint64{uint64(len(sorted)), f.minSeq, f.maxSeq, uint64(f.minTime), uint64(f.maxTime)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	for _, id := range sorted {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	return replace(f.path+indexed, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// replace writes a file as a whole: under its name it is never there in part,
// also after a loss of power.
func replace(path string, write func(io.Writer) error) (err error) {
	h, err := os.OpenFile(path+unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("journal: %w", err), os.Remove(path+unfinished))
		}
	}()
	w := bufio.NewWriterSize(h, 256<<10)
	if err := write(w); err != nil {
		return errors.Join(err, h.Close())
	}
	if err := w.Flush(); err != nil {
		return errors.Join(err, h.Close())
	}
	if err := h.Sync(); err != nil {
		return errors.Join(err, h.Close())
	}
	if err := h.Close(); err != nil {
		return err
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return err
	}
	return folder.Sync(filepath.Dir(path))
}

// readSummary reads the head of a file's index.
func readSummary(f file) (summary, error) {
	h, err := os.Open(f.path + indexed)
	if err != nil {
		return summary{}, fmt.Errorf("journal: %w", err)
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return summary{}, fmt.Errorf("journal: %w", err)
	}
	head := make([]byte, headSize)
	if _, err := io.ReadFull(h, head); err != nil {
		return summary{}, fmt.Errorf("%w: %w", errIndex, err)
	}
	numbers, sum := head[:headSize-4], binary.BigEndian.Uint32(head[headSize-4:])
	if !bytes.HasPrefix(head, []byte(indexMagic)) || crc32.ChecksumIEEE(numbers) != sum {
		return summary{}, errIndex
	}
	at := func(n int) uint64 { return binary.BigEndian.Uint64(head[len(indexMagic)+8*n:]) }
	s := summary{records: at(0), minSeq: at(1), maxSeq: at(2), minTime: int64(at(3)), maxTime: int64(at(4))}
	if s.records > math.MaxInt32 || info.Size() != s.indexSize() {
		return summary{}, errIndex
	}
	return s, nil
}

// holds looks for hashes in a file's index, and puts those that it holds into
// found.
func (f file) holds(hashes []uint64, found map[uint64]struct{}) error {
	h, err := os.Open(f.path + indexed)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer h.Close()
	ids := sortedIDs{r: h, n: int(f.records)}
	if len(hashes)*blockOfIDs >= ids.n { // then one read is cheaper
		b := make([]byte, f.indexSize())
		if _, err := io.ReadFull(h, b); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		ids.r = bytes.NewReader(b)
	}
	for _, id := range hashes {
		in, err := ids.has(id)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		if in {
			found[id] = struct{}{}
		}
	}
	return nil
}

// sortedIDs are the hashes in an index.
type sortedIDs struct {
	r     io.ReaderAt
	n     int
	block [blockOfIDs * idSize]byte
}

// has searches by interpolation: hashes are spread evenly, so that the first
// block that is read is nearly always the right one.
func (s *sortedIDs) has(id uint64) (bool, error) {
	low, high := 0, s.n                           // it is in [low, high), if at all
	lowID, highID := 0.0, float64(math.MaxUint64) // what stands around there
	for low < high {
		share := max(0, min(1, (float64(id)-lowID)/(highID-lowID+1)))
		from := low + int(share*float64(high-low)) - blockOfIDs/2
		from = max(low, min(from, high-blockOfIDs))
		block := s.block[:min(blockOfIDs, high-from)*idSize]
		if _, err := s.r.ReadAt(block, int64(headSize+from*idSize)); err != nil {
			return false, err
		}
		at := func(i int) uint64 { return binary.BigEndian.Uint64(block[i*idSize:]) }
		count := len(block) / idSize
		switch first, last := at(0), at(count-1); {
		case id < first:
			high, highID = from, float64(first)
		case id > last:
			low, lowID = from+count, float64(last)
		default:
			for a, z := 0, count; a < z; {
				switch m := (a + z) / 2; {
				case at(m) == id:
					return true, nil
				case at(m) < id:
					a = m + 1
				default:
					z = m
				}
			}
			return false, nil
		}
	}
	return false, nil
}
