package sqlite

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

// writer owns the one connection that writes. What arrives while a commit is
// on its way to the disk goes into the next commit together, and waits for the
// disk once.
//
// It reads single sessions too, those that wait together in one go: whenever
// another connection commits, SQLite drops what a connection has cached, so
// only the connection that does all the writing has a cache that lasts.
type writer struct {
	store    *Store
	c        *conn
	patience time.Duration // with the lock of another process
	done     chan struct{}

	mu      sync.Mutex
	arrived sync.Cond
	reads   queue[*read]
	changes queue[*change]
	closed  bool
}

// maxBatch bounds how long one transaction keeps waiting what came after it.
const maxBatch = 256

// ticket is held by what waits in a queue. Whoever waits for the outcome can
// leave as long as the writer has not taken it.
type ticket struct {
	state atomic.Int32
	done  chan error // with room for the one outcome
}

const (
	waiting int32 = iota
	taken
	left
)

func (t *ticket) take() bool  { return t.state.CompareAndSwap(waiting, taken) }
func (t *ticket) leave() bool { return t.state.CompareAndSwap(waiting, left) }

// wait returns the outcome. Where ctx ends before the writer took the ticket,
// it is not finished: nothing was done and nothing will be.
func (t *ticket) wait(ctx context.Context) (finished bool, err error) {
	select {
	case err := <-t.done:
		return true, err
	case <-ctx.Done():
		if t.leave() {
			return false, ctx.Err()
		}
		return true, <-t.done
	}
}

// read asks for one session.
type read struct {
	ticket
	id       ulid.ID
	standing auth.Standing
	missing  bool
}

// change is a swap or, where turn is not nil, a closure.
type change struct {
	ticket

	id      ulid.ID
	from    uint32 // the generation that must be stored
	next    session.Session
	swapped bool

	// A closure runs in the goroutine of its caller, whose panic it is then and
	// not the writer's. It is handed the transaction on turn, and hands it back
	// with whether to keep what it wrote.
	turn chan *tx
	keep chan bool
}

// queue is a list that is filled while what was in it is being worked on.
type queue[T interface{ take() bool }] struct{ filling, working []T }

// next returns what waited longest, at most n, less what has left.
func (q *queue[T]) next(n int) []T {
	q.filling, q.working = q.working[:0], q.filling
	if len(q.working) > n {
		q.filling = append(q.filling, q.working[n:]...)
		clear(q.working[n:])
		q.working = q.working[:n]
	}
	q.working = slices.DeleteFunc(q.working, func(v T) bool { return !v.take() })
	return q.working
}

func (q *queue[T]) empty() bool { return len(q.filling) == 0 }

func startWriter(s *Store, c *conn, patience time.Duration) *writer {
	w := &writer{store: s, c: c, patience: patience, done: make(chan struct{})}
	w.arrived.L = &w.mu
	go w.run()
	return w
}

// stop lets in nobody more and returns once all who wait are served.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.arrived.Signal()
	<-w.done
}

func (w *writer) askRead(r *read) error { return ask(w, &w.reads, r) }

func (w *writer) askChange(ch *change) error { return ask(w, &w.changes, ch) }

func ask[T interface{ take() bool }](w *writer, q *queue[T], v T) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	q.filling = append(q.filling, v)
	w.arrived.Signal()
	return nil
}

func (w *writer) run() {
	defer close(w.done)
	for w.wait() {
		// Who was answered just now may be about to ask for more: a session that
		// was read is swapped next. To let them run first makes batches larger.
		runtime.Gosched()
		w.serveReads()
		runtime.Gosched()
		w.serveChanges()
	}
}

// wait returns false when nothing is to be done and nothing will come.
func (w *writer) wait() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.reads.empty() && w.changes.empty() {
		if w.closed {
			return false
		}
		w.arrived.Wait()
	}
	return true
}

// waiting returns how many wait to be taken.
func (w *writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.reads.filling) + len(w.changes.filling)
}

func (w *writer) nextReads() []*read {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reads.next(maxBatch)
}

func (w *writer) nextChanges() []*change {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes.next(maxBatch)
}

// serveReads answers the reads that wait. It is called outside of every
// transaction, so they see what is durable and nothing else.
func (w *writer) serveReads() {
	batch := w.nextReads()
	if len(batch) == 0 {
		return
	}
	err := persist(context.Background(), w.patience, func() error { return w.readAll(batch) }, nil)
	w.store.stats.reads.Add(int64(len(batch)))
	w.store.stats.readBatches.Add(1)
	for _, r := range batch {
		r.done <- err
	}
}

func (w *writer) readAll(batch []*read) error {
	if len(batch) > 1 {
		// To take a snapshot costs as much as to read a session.
		if err := w.c.prepare(begin).run(); err != nil {
			return err
		}
		defer func() { _ = w.c.prepare(rollback).run() }()
	}
	for _, r := range batch {
		var err error
		r.standing, err = one(w.c.prepare(selectStanding).id(r.id), scanStanding)
		if r.missing = errors.Is(err, auth.ErrNotFound); err != nil && !r.missing {
			return err
		}
	}
	return nil
}

// serveChanges takes what waits once it has the lock, and commits it.
func (w *writer) serveChanges() {
	w.mu.Lock()
	idle := w.changes.empty()
	w.mu.Unlock()
	if idle {
		return
	}
	started := time.Now()
	// Another process may hold the lock for long. Reads need not wait for it,
	// and who leaves meanwhile is not in the batch.
	err := persist(context.Background(), w.patience, w.begin, w.serveReads)
	locked := time.Now()
	batch := w.nextChanges()
	revoked := false
	if err == nil {
		revoked, err = w.commit(batch)
	}
	w.store.stats.batch(len(batch), err, locked.Sub(started), time.Since(locked))
	for _, ch := range batch {
		ch.done <- err
	}
	if revoked {
		w.store.growth.announce()
	}
}

func (w *writer) begin() error {
	if w.c.inTransaction() {
		if err := w.c.prepare(rollback).run(); err != nil {
			return err
		}
	}
	return w.c.prepare(beginImmediate).run()
}

// commit makes the changes durable, or none of them. It reports whether the
// log of revocations grew.
func (w *writer) commit(batch []*change) (revoked bool, err error) {
	for _, ch := range batch {
		if ch.turn == nil {
			ch.swapped, err = w.swap(ch)
		} else {
			var grew bool
			grew, err = w.lend(ch)
			revoked = revoked || grew
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = w.c.prepare(commit).run()
	}
	if w.c.inTransaction() {
		// What failed says more than why it cannot be undone; a transaction
		// that is still there is rolled back before the next one.
		_ = w.c.prepare(rollback).run()
	}
	return revoked && err == nil, err
}

func (w *writer) swap(ch *change) (bool, error) {
	n := &ch.next
	err := w.c.prepare(swapSession).int(int64(n.Generation)).blob(n.Parent[:]).blob(n.Attempt[:]).time(n.RotatedAt).
		id(ch.id).int(int64(ch.from)).run()
	return err == nil && w.c.changes() == 1, err
}

// lend runs a closure within a savepoint: what it wrote can be undone without
// the rest of the batch.
func (w *writer) lend(ch *change) (revoked bool, err error) {
	if err := w.c.prepare(savepoint).run(); err != nil {
		return false, err
	}
	t := &tx{store: w.store, c: w.c}
	ch.turn <- t
	keep := <-ch.keep
	if !w.c.inTransaction() {
		return false, errUndone
	}
	if !keep {
		if err := w.c.prepare(rollbackTo).run(); err != nil {
			return false, err
		}
	}
	return keep && t.revoked, w.c.prepare(release).run()
}

// errUndone is what the others of a batch are told when SQLite gave up the
// transaction in the middle of a closure: no space, no memory, a failing disk.
var errUndone = errors.New("sqlite: the transaction was given up because another change in it met a failing disk")

const (
	begin          = `BEGIN`
	beginImmediate = `BEGIN IMMEDIATE`
	commit         = `COMMIT`
	rollback       = `ROLLBACK`
	savepoint      = `SAVEPOINT change`
	rollbackTo     = `ROLLBACK TO change`
	release        = `RELEASE change`
)

// use runs fn with the transaction and hands it back, whatever fn does.
func (ch *change) use(t *tx, fn func(auth.Tx) error) error {
	keep := false
	defer func() {
		t.over = true
		ch.keep <- keep
	}()
	err := fn(t)
	keep = err == nil
	return err
}
