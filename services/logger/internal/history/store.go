package history

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"
	boltErrors "go.etcd.io/bbolt/errors"

	"tinytwamp/services/logger/internal/journal"
)

// What is in the database.
var (
	bucketPoints = []byte("points") // by key: buckets
	bucketPaths  = []byte("paths")  // by pathID: what is known of a path, as JSON
	bucketLatest = []byte("latest") // by pathID: the last report
	bucketParts  = []byte("parts")  // by name of a file of the journal: how far it has been read
)

const (
	fileName    = "history-v1.db" // another form gets another name, and is made anew
	openTimeout = time.Second     // for another process to leave the database
)

// Errors of the methods of a [Store].
var (
	ErrPath  = errors.New("history: no such path")
	ErrRange = errors.New("history: a range must begin before it ends, and be asked for in at least two points or one bar")
)

// source is the journal, as far as it is used.
type source interface{ Parts() []journal.Part }

// Options are what a [Store] works with.
type Options struct {
	Journal source
	Keep    time.Duration // how long
	Limit   int           // of paths; 0: MaxPaths
	Metrics prometheus.Registerer
}

// MaxPaths is how many paths a history has by default.
const MaxPaths = 5000

// Store is a history. It is derived from the files of the journal: it reads them
// as they grow, and keeps how far it has come together with what it has made of
// it, so that a report counts once whatever happens. It is safe for concurrent
// use; Run is called once.
type Store struct {
	// set once
	journal source
	keep    time.Duration
	tiers   []tier
	limit   int
	log     *slog.Logger
	db      *bolt.DB
	metrics *metrics
	unread  atomic.Int64 // ended parts that have more to be read

	// owned by Run
	progress map[string]int64 // see bucketParts; wholeRead: all of it
	cursor   *journal.Cursor  // of a part that is made up for; nil: none
	reading  string           // its name
	turn     string           // the part that was read last
	swept    time.Time        // when old buckets were last looked for
	saidFull bool             // that there are too many paths

	mu    sync.RWMutex // guards all below
	paths map[pathID]*state
	wake  map[chan struct{}]struct{}
}

// state is a path as it stands. It is replaced, never changed.
type state struct {
	Path // with a Spark that may hold more than the last hour
}

// Open opens the history in a folder that no other process uses, or makes one.
// One that cannot be read is made anew: all that it held is in the journal.
func Open(dir string, o Options, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	s := &Store{
		journal: o.Journal, keep: o.Keep, tiers: tiersFor(o.Keep), limit: o.Limit, log: log,
		wake: make(map[chan struct{}]struct{}),
	}
	if s.limit == 0 {
		s.limit = MaxPaths
	}
	if err := s.openDB(filepath.Join(dir, fileName)); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(o.Metrics, s)
	return s, nil
}

func (s *Store) openDB(path string) error {
	err := s.tryOpen(path)
	if err == nil || !isDamage(err) {
		return err
	}
	s.log.Warn("the history cannot be read, it is made anew from the files of events", "file", path, "err", err)
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return s.tryOpen(path)
}

// isDamage tells whether a database cannot be read for what is in it.
func isDamage(err error) bool {
	var system syscall.Errno
	return !errors.As(err, &system) && !errors.Is(err, boltErrors.ErrTimeout)
}

// tryOpen opens a database. A damaged one is not to keep a logger from starting.
func (s *Store) tryOpen(path string) error {
	var db *bolt.DB
	err := guarded(func() (err error) {
		db, err = bolt.Open(path, 0o640, &bolt.Options{Timeout: openTimeout, FreelistType: bolt.FreelistMapType})
		return err
	})
	if err != nil {
		return fmt.Errorf("history: %s: %w", path, err)
	}
	err = guarded(func() error {
		if err := db.View(isWhole); err != nil {
			return err
		}
		if err := db.Update(makeBuckets); err != nil {
			return err
		}
		return db.View(s.load)
	})
	if err != nil {
		return errors.Join(fmt.Errorf("history: %s: %w", path, err), db.Close())
	}
	s.db = db
	return nil
}

func makeBuckets(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketPoints, bucketPaths, bucketLatest, bucketParts} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the history, when Run has ended.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// size is that of the database.
func (s *Store) size() float64 {
	info, err := os.Stat(s.db.Path())
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

// Paths returns all paths, by prober and target. What they point to is shared
// and not to be changed.
func (s *Store) Paths() []Path {
	hour := time.Now().Add(-time.Hour)
	s.mu.RLock()
	all := make([]Path, 0, len(s.paths))
	for _, p := range s.paths {
		all = append(all, p.since(hour))
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Path) int {
		return cmp.Or(cmp.Compare(a.Prober, b.Prober), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Address, b.Address))
	})
	return all
}

// Path returns a path, likewise.
func (s *Store) Path(id string) (Path, bool) {
	k, ok := parseID(id)
	if !ok {
		return Path{}, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.paths[k]
	if p == nil {
		return Path{}, false
	}
	return p.since(time.Now().Add(-time.Hour)), true
}

// since is the path with a spark from a time on.
func (p *state) since(from time.Time) Path {
	path := p.Path
	for len(path.Spark) > 0 && !path.Spark[0].End.After(from) {
		path.Spark = path.Spark[1:]
	}
	return path
}

// Loading returns how many event files are still to be read in, beside the one
// that is being written: until it is 0 the history may lack older times.
func (s *Store) Loading() int { return int(s.unread.Load()) }

// Subscribe tells when something is new, until it is cancelled: there is then
// one token in the channel, however much is new.
func (s *Store) Subscribe() (news <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake[c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.wake, c)
	}
}
