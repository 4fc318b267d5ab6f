// Package sqlite keeps everything in one SQLite file. Several processes may
// have it open at once: a command works beside a running server.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

// ErrClosed is returned by every call once a store was closed.
var ErrClosed = errors.New("sqlite: the store is closed")

// Store is an [auth.Store] in a file. A function given to View or Update must
// use the store through its transaction only.
type Store struct {
	path    string
	writer  *writer
	readers chan *conn // those that are free
	stats   counters
	growth  broadcast // of the log of revocations
	stretch int64     // how many sessions a purge looks at
	purged  ulid.ID   // how far it has looked; used within Updates

	mu      sync.Mutex
	closed  bool
	closing chan struct{}
	guests  sync.WaitGroup // calls with a connection of their own
}

var _ auth.Store = (*Store)(nil)

const (
	defaultPatience = 5 * time.Second
	numReaders      = 4
)

type config struct {
	patience  time.Duration
	checkOnly bool
}

// Option changes how a database is opened.
type Option func(*config)

// CheckOnly makes Open refuse what it would otherwise mend: a file that does
// not exist, and, with a [*SchemaError], a schema that is older than the
// program's.
func CheckOnly() Option { return func(c *config) { c.checkOnly = true } }

// Patience sets how long a write waits while another process holds the lock;
// 5 s unless it is set.
func Patience(d time.Duration) Option { return func(c *config) { c.patience = d } }

// Open opens the database in a file, creates it where there is none, readable
// by its owner only, and brings its schema up to date. ctx is for the opening
// alone. The path is a plain one: no URI, no ":memory:".
func Open(ctx context.Context, path string, options ...Option) (*Store, error) {
	cfg := config{patience: defaultPatience}
	for _, o := range options {
		o(&cfg)
	}
	s, err := open(ctx, path, cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot open the database %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, cfg config) (_ *Store, err error) {
	if path == "" {
		return nil, errors.New("sqlite: the path is empty")
	}
	path, err = filepath.Abs(path) // "file:x" and ":memory:" become names of files
	if err != nil {
		return nil, err
	}
	if cfg.checkOnly {
		_, err = os.Stat(path)
	} else {
		err = create(path)
	}
	if err != nil {
		return nil, err
	}
	c, err := dial(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, readers: make(chan *conn, numReaders), stretch: defaultStretch, closing: make(chan struct{})}
	defer func() {
		if err != nil {
			_ = errors.Join(s.closeReaders(len(s.readers)), c.close())
		}
	}()
	if err := persist(ctx, cfg.patience, func() error { return prepareFile(c, cfg) }, nil); err != nil {
		return nil, err
	}
	for range cap(s.readers) {
		r, err := s.dialReader()
		if err != nil {
			return nil, err
		}
		s.readers <- r
	}
	s.writer = startWriter(s, c, cfg.patience)
	return s, nil
}

var creating sync.Mutex

// create makes an empty file, if there is none, that only its owner can read.
// SQLite gives the files beside it the same permissions.
//
// A file that exists is not opened, because to close it would drop the POSIX
// locks that SQLite holds on it anywhere in this process. Hence the mutex too:
// nobody else can have opened what was made just now.
func create(path string) error {
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return f.Close()
}

// prepareFile makes the connection the one that writes, and the file one that
// is ours and up to date. It can be tried again.
func prepareFile(c *conn, cfg config) error {
	if err := claim(c); err != nil {
		return err
	}
	mode, err := one(c.prepare(`PRAGMA journal_mode = WAL`), func(s *stmt) string { return s.textAt(0) })
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("sqlite: the file system cannot share memory between processes, which write-ahead logging needs (journal mode %q)", mode)
	}
	if err := c.script(writerSettings); err != nil {
		return err
	}
	return migrate(c, cfg.checkOnly)
}

// Memory-mapped reads are off, as is the default: SQLite drops the map with
// every commit of another connection, and a read error would be a signal that
// ends the process.
const (
	commonSettings = `
		PRAGMA foreign_keys = ON;
		PRAGMA trusted_schema = OFF;
		PRAGMA temp_store = MEMORY;`
	writerSettings = commonSettings + `
		PRAGMA synchronous = FULL;        -- a commit waits for the disk
		PRAGMA fullfsync = ON;            -- on macOS too, whose fsync does not
		PRAGMA checkpoint_fullfsync = ON;
		PRAGMA cache_size = -8192;        -- 8 MiB: more is no faster at 100,000 sessions
		PRAGMA wal_autocheckpoint = 4000; -- pages
		PRAGMA journal_size_limit = 67108864;`
	readerSettings = commonSettings + `
		PRAGMA query_only = ON;`
)

func (s *Store) dialReader() (*conn, error) {
	c, err := dial(s.path)
	if err != nil {
		return nil, err
	}
	c.busyFor(int32(defaultPatience.Milliseconds()))
	if err := c.script(readerSettings); err != nil {
		_ = c.close()
		return nil, err
	}
	return c, nil
}

// persist tries again what the lock of another process is in the way of, until
// its patience or ctx ends. In between it does something else.
//
// SQLite could wait by itself, but it looks less and less often, and meets the
// moments between the commits of a busy server hardly ever.
func persist(ctx context.Context, patience time.Duration, try func() error, meanwhile func()) error {
	started := time.Now()
	for {
		err := try()
		if !is(err, sqlite3.SQLITE_BUSY) {
			return err
		}
		if time.Since(started) > patience {
			return fmt.Errorf("sqlite: another process has held the lock for %v: %w", patience, err)
		}
		if meanwhile != nil {
			meanwhile()
		}
		select {
		case <-time.After(time.Duration(500+rand.IntN(1000)) * time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close waits until what was asked for is done, and until nobody is in a View.
// The second time it returns [ErrClosed].
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	s.writer.stop()
	s.guests.Wait()
	err := s.closeReaders(cap(s.readers))
	// The last to close empties the log into the file and removes it.
	return errors.Join(err, s.writer.c.close())
}

func (s *Store) closeReaders(n int) (err error) {
	for range n {
		err = errors.Join(err, (<-s.readers).close())
	}
	return err
}

// enter begins a call that Close must wait for; leave ends it.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.guests.Add(1)
	return nil
}

func (s *Store) leave() { s.guests.Done() }

// borrow returns a connection to read with. It goes back into readers.
func (s *Store) borrow(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-s.closing:
		return nil, ErrClosed
	default:
	}
	select {
	case c := <-s.readers:
		return c, nil
	case <-s.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// View implements [auth.Store].
func (s *Store) View(ctx context.Context, fn func(auth.Tx) error) error {
	c, err := s.borrow(ctx)
	if err != nil {
		return err
	}
	defer func() { s.readers <- c }()
	if err := c.prepare(begin).run(); err != nil {
		return err
	}
	t := &tx{store: s, c: c, ctx: ctx}
	defer func() {
		t.over = true
		_ = c.prepare(rollback).run() // nothing was written
	}()
	return fn(t)
}

// Update implements [auth.Store]. Once fn has begun, ctx can no longer end it.
func (s *Store) Update(ctx context.Context, fn func(auth.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ch := &change{turn: make(chan *tx), keep: make(chan bool)}
	ch.done = make(chan error, 1)
	if err := s.writer.askChange(ch); err != nil {
		return err
	}
	for gone := ctx.Done(); ; {
		select {
		case t := <-ch.turn:
			if err := ch.use(t, fn); err != nil {
				return err
			}
			return <-ch.done
		case err := <-ch.done: // the batch came to an end before its turn
			return err
		case <-gone:
			if ch.leave() {
				return ctx.Err()
			}
			gone = nil
		}
	}
}

// Reads and swaps are many; what carries them is used again. One that was left
// in a queue is not.
var (
	idleReads = sync.Pool{New: func() any { return &read{ticket: ticket{done: make(chan error, 1)}} }}
	idleSwaps = sync.Pool{New: func() any { return &change{ticket: ticket{done: make(chan error, 1)}} }}
)

// ReadSession implements [auth.Store].
func (s *Store) ReadSession(ctx context.Context, id ulid.ID) (auth.Standing, error) {
	if err := ctx.Err(); err != nil {
		return auth.Standing{}, err
	}
	r := idleReads.Get().(*read)
	r.state.Store(waiting)
	r.id = id
	if err := s.writer.askRead(r); err != nil {
		return auth.Standing{}, err
	}
	if finished, err := r.wait(ctx); !finished || err != nil {
		return auth.Standing{}, err
	}
	standing, missing := r.standing, r.missing
	r.standing = auth.Standing{}
	idleReads.Put(r)
	if missing {
		return auth.Standing{}, auth.ErrNotFound
	}
	return standing, nil
}

// SwapSession implements [auth.Store].
func (s *Store) SwapSession(ctx context.Context, old, next session.Session) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ch := idleSwaps.Get().(*change)
	ch.state.Store(waiting)
	ch.id, ch.from, ch.next = old.ID, old.Generation, next
	if err := s.writer.askChange(ch); err != nil {
		return false, err
	}
	if finished, err := ch.wait(ctx); !finished || err != nil {
		return false, err
	}
	swapped := ch.swapped
	idleSwaps.Put(ch)
	return swapped, nil
}

// Check implements [auth.Store].
func (s *Store) Check(ctx context.Context) error {
	return s.View(ctx, func(t auth.Tx) error {
		_, err := schemaVersion(t.(*tx).c)
		return err
	})
}
