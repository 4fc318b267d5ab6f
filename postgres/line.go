package postgres

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// maxBatch is how many calls go into one statement at most. More of them make
// one no cheaper, and all wait for the last.
const maxBatch = 64

// line is where calls of one kind wait while statements for others are on their
// way. Each of its workers has a connection of its own and takes all that wait,
// up to maxBatch, as soon as it is free: one that comes alone does not wait.
type line[T any] struct {
	store   *Store
	prepare func(context.Context, *pgconn.PgConn) error
	serve   func(ctx context.Context, conn *pgconn.PgConn, batch []*call[T], repeated bool) error
	workers sync.WaitGroup
	calls   atomic.Int64 // that were served
	batches atomic.Int64 // in how many statements
	down    atomic.Bool  // the database could not be reached the last time

	mu      sync.Mutex
	arrived sync.Cond
	queue   []*call[T]
	closed  bool
}

// call is one that waits. Whoever waits for the outcome can leave as long as no
// worker has taken it.
type call[T any] struct {
	what  T
	state atomic.Int32
	done  chan error // with room for the one outcome
}

const (
	waiting int32 = iota
	taken
	left
)

func startLine[T any](s *Store, workers int, prepare func(context.Context, *pgconn.PgConn) error,
	serve func(context.Context, *pgconn.PgConn, []*call[T], bool) error) *line[T] {
	l := &line[T]{store: s, prepare: prepare, serve: serve}
	l.arrived.L = &l.mu
	for range workers {
		l.workers.Go(func() { (&worker[T]{line: l}).run() })
	}
	return l
}

// ask waits in the line and returns what came of it. Where ctx ends before a
// worker takes the call, nothing is done.
func (l *line[T]) ask(ctx context.Context, what T) (T, error) {
	if err := ctx.Err(); err != nil {
		return what, err
	}
	c := &call[T]{what: what, done: make(chan error, 1)}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return what, ErrClosed
	}
	l.queue = append(l.queue, c)
	l.mu.Unlock()
	l.arrived.Signal()
	var err error
	select {
	case err = <-c.done:
	case <-ctx.Done():
		if c.state.CompareAndSwap(waiting, left) {
			return what, ctx.Err()
		}
		err = <-c.done
	}
	return c.what, err
}

// stop lets in nobody more and returns once all who wait are served.
func (l *line[T]) stop() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.arrived.Broadcast()
	l.workers.Wait()
}

// waiting returns how many wait to be taken.
func (l *line[T]) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// take waits for calls and adds them to batch. It adds none when there will be
// none any more.
func (l *line[T]) take(batch []*call[T]) []*call[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(batch) == 0 {
		for len(l.queue) == 0 {
			if l.closed {
				return batch
			}
			l.arrived.Wait()
		}
		// Who was answered just now may be about to ask for more, and who was let
		// in with the first may come second: to let them run makes batches larger.
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
		n := len(l.queue)
		if n > maxBatch && !l.down.Load() { // while it is down, all of them are told
			n = maxBatch
		}
		for _, c := range l.queue[:n] {
			if c.state.CompareAndSwap(waiting, taken) {
				batch = append(batch, c)
			}
		}
		rest := copy(l.queue, l.queue[n:])
		clear(l.queue[rest:])
		l.queue = l.queue[:rest]
	}
	return batch
}

// worker serves a line on one connection.
type worker[T any] struct {
	line *line[T]
	conn *pgconn.PgConn // nil until it is needed, and after it broke
}

func (w *worker[T]) run() {
	defer w.drop()
	var batch []*call[T]
	for {
		batch = w.line.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		for rest := batch; len(rest) > 0; {
			n := min(maxBatch, len(rest))
			repeated, err := w.persist(rest[:n], false)
			if code(err) == codeLockTimeout && n > 1 {
				// Somebody holds on to one of the sessions. The others are not to
				// wait for it.
				for i := range n {
					_, err := w.persist(rest[i:i+1], repeated)
					rest[i].done <- err
				}
			} else {
				for _, c := range rest[:n] {
					c.done <- err
				}
			}
			rest = rest[n:]
		}
		clear(batch)
	}
}

// persist serves a batch, on another connection where one breaks. While the
// database is down it does not try for long: what waits is told so. Repeated says
// whether the batch, or one that it was part of, was sent before and may have been
// served; it returns the same of what comes after it.
func (w *worker[T]) persist(batch []*call[T], repeated bool) (bool, error) {
	most := patience
	if w.line.down.Load() {
		most = 0
	}
	err := persist(context.Background(), most, func() (again bool, err error) {
		sent, err := w.try(batch, repeated)
		broken := lost(err, w.conn)
		if broken {
			w.drop()
			repeated = repeated || sent
		}
		w.line.down.Store(broken)
		return broken || undone(err), err
	})
	return repeated, err
}

// try serves a batch once. It reports whether anything was sent: what became of
// that is not known then, if the connection breaks.
func (w *worker[T]) try(batch []*call[T], repeated bool) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), hotTime)
	defer cancel()
	if w.conn == nil {
		if err := w.connect(ctx); err != nil {
			return false, err
		}
	}
	w.line.calls.Add(int64(len(batch)))
	w.line.batches.Add(1)
	return true, w.line.serve(ctx, w.conn, batch, repeated)
}

func (w *worker[T]) connect(ctx context.Context) error {
	conn, err := pgconn.ConnectConfig(ctx, w.line.store.settings.hot)
	if err != nil {
		return notConnected(err)
	}
	w.conn = conn
	if err := w.line.prepare(ctx, conn); err != nil {
		w.drop()
		return err
	}
	return nil
}

func (w *worker[T]) drop() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = w.conn.Close(ctx)
	w.conn = nil
}
