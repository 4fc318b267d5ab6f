// Package postgres keeps everything in a PostgreSQL database, which any number
// of servers share. All of them are equal, and none keeps anything that another
// one would miss.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

// Store is an [auth.Store] in a PostgreSQL database. A function given to View or
// Update must use the store through its transaction only.
type Store struct {
	settings settings
	pool     *pgxpool.Pool // for Views and Updates
	reads    *line[read]
	swaps    *line[swap]
	stretch  int // how many sessions a purge looks at
	purged   position

	mu      sync.Mutex
	closed  bool
	closing chan struct{}
	guests  sync.WaitGroup // calls that Close waits for
}

var _ auth.Store = (*Store)(nil)

const (
	// openPatience is how long Open waits for a database that does not answer: one
	// that is started together with the server, or is just failing over.
	openPatience = 10 * time.Second
	// patience is how long a call is tried again for. A database that restarts, or
	// a standby that is ready to take over, is back by then; for one that is not,
	// the caller is told, and its client tries again.
	patience = 2 * time.Second
)

type config struct {
	checkOnly bool
	patience  time.Duration
}

// Option changes how a database is opened.
type Option func(*config)

// CheckOnly makes Open leave the schema alone, and refuse one, with a
// [*SchemaError], that this program cannot work with as it is.
func CheckOnly() Option { return func(c *config) { c.checkOnly = true } }

// Patience sets how long Open waits for a database that does not answer; 10 s
// unless it is set.
func Patience(d time.Duration) Option { return func(c *config) { c.patience = d } }

// Open connects to the database that a URL names (postgres://, as libpq has it;
// several hosts for one that fails over), and makes or brings up to date the
// schema "doorward" in it. ctx is for the opening alone. No error holds the
// password.
func Open(ctx context.Context, url string, options ...Option) (*Store, error) {
	cfg := config{patience: openPatience}
	for _, o := range options {
		o(&cfg)
	}
	set, err := parse(url)
	if err != nil {
		return nil, err
	}
	s := &Store{settings: set, stretch: defaultStretch, closing: make(chan struct{})}
	if err := s.open(ctx, cfg); err != nil {
		return nil, fmt.Errorf("cannot open the database %s: %w", set, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, cfg config) (err error) {
	err = persist(ctx, cfg.patience, func() (bool, error) { return s.prepare(ctx, cfg) })
	if err != nil {
		return err
	}
	if s.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), s.settings.pool); err != nil {
		return err
	}
	s.reads = startLine(s, readers, prepareRead, serveReads)
	s.swaps = startLine(s, swappers, prepareSwap, serveSwaps)
	return nil
}

// prepare looks at the database, and after its schema, on a connection of its
// own.
func (s *Store) prepare(ctx context.Context, cfg config) (again bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, s.settings.pool.ConnConfig.Copy())
	if err != nil {
		return lost(err, nil), notConnected(err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what was done is committed
	var waits, version string
	err = conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), version()`).Scan(&waits, &version)
	if err == nil {
		err = suits(version)
	}
	if err == nil && waits == "off" {
		// An answer that was sent must be true after a crash, too.
		s.settings.wait()
	}
	if err == nil {
		err = migrate(ctx, conn, cfg.checkOnly)
	}
	return lost(err, conn.PgConn()) || undone(err), err
}

// suits refuses a server that takes the statements and does not do what they say.
func suits(version string) error {
	if strings.HasPrefix(version, "CockroachDB") {
		return errors.New("postgres: this is CockroachDB, whose advisory locks do nothing; the order of the log of revocations rests on them")
	}
	return nil
}

// persist tries again what may succeed another time, until time is up or ctx
// ends.
func persist(ctx context.Context, most time.Duration, try func() (again bool, err error)) error {
	started := time.Now()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		again, err := try()
		if err == nil || !again || time.Since(started) > most {
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
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
	s.reads.stop()
	s.swaps.stop()
	s.guests.Wait()
	s.pool.Close()
	return nil
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

// View implements [auth.Store].
func (s *Store) View(ctx context.Context, fn func(auth.Tx) error) error {
	return s.transact(ctx, false, fn)
}

// Update implements [auth.Store]. Once fn has begun, ctx can no longer end it.
func (s *Store) Update(ctx context.Context, fn func(auth.Tx) error) error {
	return s.transact(ctx, true, fn)
}

func (s *Store) transact(ctx context.Context, write bool, fn func(auth.Tx) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return persist(ctx, patience, func() (again bool, err error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		return s.attempt(ctx, write, fn)
	})
}

const (
	beginView   = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	beginUpdate = `BEGIN ISOLATION LEVEL READ COMMITTED`
	commit      = `COMMIT`
	rollback    = `ROLLBACK`
)

// attempt runs fn in one transaction. It asks for another one if nothing was
// written and it may go better.
func (s *Store) attempt(ctx context.Context, write bool, fn func(auth.Tx) error) (again bool, err error) {
	// While the network is dead, those that came before may have all connections.
	waiting, cancel := context.WithTimeout(ctx, connectTime)
	c, err := s.pool.Acquire(waiting)
	cancel()
	if err != nil {
		return lost(err, nil), notConnected(err)
	}
	t := &tx{store: s, conn: c.Conn(), ctx: ctx, write: write}
	defer func() {
		t.over = true
		t.leave()
		c.Release()
	}()
	begin := beginView
	if write {
		begin = beginUpdate
	}
	if err := t.control(begin); err != nil {
		return lost(err, t.conn.PgConn()), err
	}
	err = fn(t)
	switch {
	case t.failed != nil && (undone(t.failed) || lost(t.failed, t.conn.PgConn())):
		return true, t.failed
	case err != nil:
		return false, err
	case t.failed != nil: // fn made light of it
		return false, t.failed
	case !write:
		return false, nil
	}
	return t.commit()
}

// control runs a statement about the transaction itself.
func (t *tx) control(sql string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), answerTime)
	defer cancel()
	_, err := t.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// leave ends a transaction that was not committed. Where that fails, the
// connection is thrown away.
func (t *tx) leave() {
	if c := t.conn.PgConn(); !c.IsClosed() && c.TxStatus() != 'I' {
		_ = t.control(rollback)
	}
}

var errRolledBack = errors.New("postgres: the transaction was rolled back")

func (t *tx) commit() (again bool, err error) {
	b := new(pgx.Batch)
	t.queueRevocations(b)
	b.Queue(commit)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), answerTime)
	defer cancel()
	results := t.conn.SendBatch(ctx, b)
	var tag pgconn.CommandTag
	for range b.Len() {
		var err2 error
		if tag, err2 = results.Exec(); err == nil {
			err = err2
		}
	}
	if err2 := results.Close(); err == nil {
		err = err2
	}
	var e *pgconn.PgError
	switch {
	case err == nil && tag.String() == rollback:
		return false, errRolledBack
	case err == nil:
		return false, nil
	case undone(err):
		return true, err
	case errors.As(err, &e) && e.SeverityUnlocalized == "ERROR":
		return false, err // and nothing was written
	}
	// That the server ends, too, can be said after the commit.
	return false, &unknownError{err}
}

// ReadSession implements [auth.Store].
func (s *Store) ReadSession(ctx context.Context, id ulid.ID) (auth.Standing, error) {
	r, err := s.reads.ask(ctx, read{id: id})
	if err != nil {
		return auth.Standing{}, err
	}
	if !r.found {
		return auth.Standing{}, auth.ErrNotFound
	}
	return r.standing, nil
}

// SwapSession implements [auth.Store].
func (s *Store) SwapSession(ctx context.Context, old, next session.Session) (bool, error) {
	w, err := s.swaps.ask(ctx, swap{id: old.ID, from: old.Generation, next: next})
	return w.done, err
}

// Check implements [auth.Store]. It asks a database that takes writes.
func (s *Store) Check(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return notConnected(err)
	}
	defer c.Release()
	var standby bool
	if err := c.QueryRow(ctx, `SELECT pg_is_in_recovery()`).Scan(&standby); err != nil {
		return err
	}
	if standby {
		_ = c.Conn().Close(ctx) // the next one goes elsewhere
		return errors.New("postgres: the database is a standby and takes no writes")
	}
	return nil
}

// position is how far a purge has looked.
type position struct {
	mu sync.Mutex
	id ulid.ID
}

func (p *position) get() ulid.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

func (p *position) set(id ulid.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id = id
}
