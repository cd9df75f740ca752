package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"
)

// indexedFile makes the index of a file of n events.
func indexedFile(t testing.TB, name string, n int) (file, []uint64) {
	t.Helper()
	f := file{path: t.TempDir() + "/" + name}
	set := make(map[uint64]struct{}, n)
	var hashes []uint64
	for i := range n {
		f.add(uint64(i+1), time.Unix(int64(i), 0))
		h := hash(fmt.Sprintf("%s-%d", name, i))
		set[h] = struct{}{}
		hashes = append(hashes, h)
	}
	if err := writeIndex(f, set); err != nil {
		t.Fatal(err)
	}
	return f, hashes
}

func TestIndexHoldsWhatItWasMadeOf(t *testing.T) {
	for _, n := range []int{1, 2, blockOfIDs - 1, blockOfIDs, blockOfIDs + 1, 20_000} {
		f, hashes := indexedFile(t, "a", n)
		s, err := readSummary(f)
		if err != nil || s != f.summary {
			t.Fatalf("summary is %+v, %v; want %+v", s, err, f.summary)
		}
		step := max(1, n/500)
		for i := 0; i < n; i += step {
			for _, c := range []struct {
				ask []uint64
				in  int
			}{
				{hashes[i : i+1], 1},
				{[]uint64{hash(fmt.Sprintf("other-%d", i))}, 0},
				{[]uint64{hashes[i], ^hashes[i], 0, 1<<64 - 1}, 1},
			} {
				found := map[uint64]struct{}{}
				if err := f.holds(c.ask, found); err != nil || len(found) != c.in {
					t.Fatalf("of %d ids, the %dth: found %d of %d, %v", n, i, len(found), c.in, err)
				}
			}
		}
		found := map[uint64]struct{}{}
		if err := f.holds(hashes, found); err != nil || len(found) != n {
			t.Errorf("all of %d ids: found %d, %v", n, len(found), err)
		}
	}
}

func TestIndexThatIsDamagedIsNone(t *testing.T) {
	f, _ := indexedFile(t, "a", 100)
	b, err := os.ReadFile(f.path + indexed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range headSize {
		damaged := append([]byte(nil), b...)
		damaged[i] ^= 1
		if err := os.WriteFile(f.path+indexed, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSummary(f); !errors.Is(err, errIndex) {
			t.Fatalf("octet %d: %v", i, err)
		}
	}
	for cut := 0; cut < len(b); cut += 7 {
		if err := os.WriteFile(f.path+indexed, b[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSummary(f); !errors.Is(err, errIndex) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
	os.Remove(f.path + indexed)
	if _, err := readSummary(f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none at all: %v", err)
	}
}

// What an event costs that comes again, for each file that is there.
func BenchmarkKnown(b *testing.B) {
	f, hashes := indexedFile(b, "a", 150_000) // 64 MiB of short events
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n, "_in_a_batch"), func(b *testing.B) {
			ask := make([]uint64, n)
			for i := range ask {
				ask[i] = hash(fmt.Sprint("new", i))
			}
			ask[0] = hashes[0]
			for b.Loop() {
				if err := f.holds(ask, map[uint64]struct{}{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
