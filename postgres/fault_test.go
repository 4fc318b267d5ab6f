package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/ulid"
)

// TestSplit: a batch whose answer was lost may have been served, and so may each
// call of it that is served alone after that.
func TestSplit(t *testing.T) {
	s := openAt(t, pgtest.Database(t))
	ids := fill(t, s, 3)
	begun, full := make(chan struct{}), make(chan struct{})
	var served []string
	l := startLine(s, 1, prepareSwap, func(ctx context.Context, conn *pgconn.PgConn, batch []*call[swap], repeated bool) error {
		served = append(served, fmt.Sprint(len(batch), " ", repeated))
		switch len(served) {
		case 1: // alone, until two more wait
			close(begun)
			<-full
		case 2:
			_ = conn.Close(ctx)
			return io.ErrUnexpectedEOF
		case 3:
			return &pgconn.PgError{Code: codeLockTimeout, SeverityUnlocalized: "ERROR"}
		}
		return nil
	})
	var asked sync.WaitGroup
	ask := func(id ulid.ID) {
		asked.Go(func() {
			if _, err := l.ask(t.Context(), swap{id: id}); err != nil {
				t.Error(err)
			}
		})
	}
	ask(ids[0])
	<-begun
	ask(ids[1])
	ask(ids[2])
	for l.waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	close(full)
	asked.Wait()
	l.stop()
	if got := strings.Join(served, ", "); got != "1 false, 2 false, 2 true, 1 true, 1 true" {
		t.Error(got)
	}
}

// TestNoConnectionLeft: who finds all connections taken is told so, and does not
// wait until one is let go, which on a dead network may take too long.
func TestNoConnectionLeft(t *testing.T) {
	s := openAt(t, pgtest.Database(t))
	release := make(chan struct{})
	var inside, holders sync.WaitGroup
	for range maxConns {
		inside.Add(1)
		entered := sync.OnceFunc(inside.Done)
		holders.Go(func() {
			_ = s.View(t.Context(), func(auth.Tx) error { entered(); <-release; return nil })
		})
	}
	inside.Wait()
	told := make(chan error, 1)
	go func() { told <- s.View(t.Context(), func(auth.Tx) error { return nil }) }()
	select {
	case err := <-told:
		if err == nil {
			t.Error("there was one more")
		}
	case <-time.After(time.Minute):
		t.Error("nobody was told")
	}
	close(release)
	holders.Wait()
}

// cutter is between a store and its database. Once armed, it ends all connections
// in place of passing on the next answer: what was asked for was done, and nobody
// is told.
type cutter struct {
	net.Listener
	armed atomic.Bool
	cuts  atomic.Int64
	mu    sync.Mutex
	conns []net.Conn
}

// cut returns the URL of a database with a cutter before it.
func cut(t *testing.T, at string) (*cutter, string) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l}
	go c.serve(u.Host)
	t.Cleanup(func() {
		_ = l.Close()
		c.endAll()
	})
	u.Host = l.Addr().String()
	return c, u.String()
}

func (c *cutter) serve(host string) {
	for {
		near, err := c.Accept()
		if err != nil {
			return
		}
		far, err := new(net.Dialer).DialContext(context.Background(), "tcp", host)
		if err != nil {
			_ = near.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, near, far)
		c.mu.Unlock()
		go func() {
			_, _ = io.Copy(far, near)
			_ = far.Close()
		}()
		go func() {
			b := make([]byte, 64<<10)
			for {
				n, err := far.Read(b)
				if n > 0 && c.armed.CompareAndSwap(true, false) {
					c.cuts.Add(1)
					c.endAll()
				}
				if _, err2 := near.Write(b[:n]); err != nil || err2 != nil {
					_ = near.Close()
					return
				}
			}
		}()
	}
}

func (c *cutter) endAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func stored(t *testing.T, s *Store, of session.Session) session.Session {
	t.Helper()
	st, err := s.ReadSession(t.Context(), of.ID)
	if err != nil {
		t.Fatal(err)
	}
	return st.Session
}

// TestLostAnswers: a swap whose answer was lost is told from one that was not
// carried out, and one that somebody else was first to is not taken for it.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	direct := pgtest.Database(t)
	c, through := cut(t, direct)
	beside, s := openAt(t, direct), openAt(t, through)
	ids := fill(t, beside, 20)
	for i, id := range ids {
		st, err := s.ReadSession(t.Context(), id) // and there is a connection
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := s.SwapSession(t.Context(), st.Session, refreshed(st.Session)); !ok || err != nil {
			t.Fatal(ok, err)
		}
		old := stored(t, s, st.Session)
		next := refreshed(old)
		if i%2 == 1 { // somebody else was first
			if ok, err := beside.SwapSession(t.Context(), old, refreshed(old)); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		c.armed.Store(true)
		ok, err := s.SwapSession(t.Context(), old, next)
		if want := i%2 == 0; ok != want || err != nil {
			t.Errorf("%d: swapped %v, %v; want %v", i, ok, err, want)
		}
		if got := stored(t, beside, old); ok != (got.Parent == next.Parent) || got.Generation != next.Generation {
			t.Errorf("%d: stored is generation %d, want %d", i, got.Generation, next.Generation)
		}
	}
	if n := c.cuts.Load(); n != int64(len(ids)) {
		t.Errorf("%d connections were cut, want %d", n, len(ids))
	}
}

// TestUnknownCommit: an Update whose commit was not answered is not run again,
// and says that it does not know; one whose connection broke before is.
func TestUnknownCommit(t *testing.T) {
	t.Parallel()
	direct := pgtest.Database(t)
	c, through := cut(t, direct)
	beside, s := openAt(t, direct), openAt(t, through)
	key := throttle.Key{1}
	count := func() (n int) {
		t.Helper()
		if err := beside.View(t.Context(), func(tx auth.Tx) error {
			v, err := tx.Count(key)
			n = v.Failures
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	add := func(armFirst, armLast bool) (runs int, err error) {
		err = s.Update(t.Context(), func(tx auth.Tx) error {
			runs++
			if armFirst && runs == 1 {
				c.armed.Store(true)
			}
			v, err := tx.Count(key)
			if err != nil {
				return err
			}
			v.Failures++
			v.Since = time.UnixMilli(1)
			err = tx.SetCount(key, v, time.UnixMilli(1))
			c.armed.Store(armLast)
			return err
		})
		return runs, err
	}
	if runs, err := add(true, false); runs != 2 || err != nil || count() != 1 {
		t.Errorf("cut in the middle: %d runs, %v, the count is %d; want 2, nil and 1", runs, err, count())
	}
	runs, err := add(false, true)
	var unknown *unknownError
	if runs != 1 || !errors.As(err, &unknown) || count() != 2 {
		t.Errorf("cut at the commit: %d runs, %v, the count is %d; want 1, that it is not known, and 2", runs, err, count())
	}
}

// TestDatabaseComesBack: whatever ends the database, nothing that was answered is
// lost, and a store that is open goes on with it.
func TestDatabaseComesBack(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	at, err := c.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := openAt(t, at)
	ids := fill(t, s, 16)
	for _, end := range []func() error{
		func() error { return c.Stop(pgtest.Fast) }, func() error { return c.Stop(pgtest.Immediate) }, c.Kill,
	} {
		over := make(chan struct{})
		var wg sync.WaitGroup
		for _, id := range ids {
			wg.Go(func() {
				var acked, tried uint32
				for {
					st, err := s.ReadSession(t.Context(), id)
					if err == nil {
						if g := st.Session.Generation; g != acked && g != tried && acked != 0 {
							t.Errorf("generation %d is stored; %d was answered and %d tried", g, acked, tried)
							return
						}
						acked = st.Session.Generation
						next := refreshed(st.Session)
						tried = next.Generation
						var ok bool
						if ok, err = s.SwapSession(t.Context(), st.Session, next); ok {
							acked = tried
						} else if err == nil {
							t.Error("a swap that nobody else was before failed")
							return
						}
					}
					select {
					case <-over:
						if err == nil { // it has come back
							return
						}
					default:
					}
				}
			})
		}
		if err := errors.Join(end(), c.Start()); err != nil {
			t.Error(err)
		}
		close(over)
		wg.Wait()
		if err := s.View(t.Context(), func(tx auth.Tx) error { _, err := tx.Keys(); return err }); err != nil {
			t.Error(err)
		}
	}
}

// TestHeldSession: one session that somebody holds on to keeps no other waiting.
func TestHeldSession(t *testing.T) {
	t.Parallel()
	at := pgtest.Database(t)
	s, other := openAt(t, at), openAt(t, at)
	ids := fill(t, s, 20)
	held, release := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Go(func() {
		err := other.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.Session(ids[0])
			close(held)
			<-release
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	first := make(chan error, 1)
	go func() { first <- refresh(t.Context(), s, ids[0]) }()
	var wg sync.WaitGroup
	for _, id := range ids[1:] {
		wg.Go(func() {
			if err := refresh(t.Context(), s, id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := <-first; code(err) != codeLockTimeout {
		t.Errorf("the one that is held: %v", err)
	}
	close(release)
	holder.Wait()
	if err := refresh(t.Context(), s, ids[0]); err != nil {
		t.Errorf("once it was let go: %v", err)
	}
}

// TestCircle: two Updates that wait for each other both come to their end.
func TestCircle(t *testing.T) {
	t.Parallel()
	s := openAt(t, pgtest.Database(t))
	ids := fill(t, s, 2)
	var met sync.WaitGroup
	met.Add(2)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			first := true
			err := s.Update(t.Context(), func(tx auth.Tx) error {
				_, err := tx.Session(ids[i])
				if first {
					first = false
					met.Done()
					met.Wait()
				}
				if err != nil {
					return err
				}
				_, err = tx.Session(ids[1-i])
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
