package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

func addSessions(t testing.TB, s *Store, n int) []session.Session {
	t.Helper()
	owner := addUser(t, s, "owner")
	sessions := make([]session.Session, n)
	err := s.Update(t.Context(), func(tx auth.Tx) error {
		for i := range sessions {
			at := owner.CreatedAt.Add(time.Duration(i) * time.Second)
			sessions[i] = session.Start(ulid.New(at), owner.ID, []string{"pwd"}, "Firefox on Linux", "192.0.2.17", at)
			if err := tx.InsertSession(sessions[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

func refreshed(s session.Session) session.Session {
	s.Generation++
	s.Parent[0]++
	s.Attempt[0]++
	s.RotatedAt = s.RotatedAt.Add(time.Minute)
	return s
}

func generation(t testing.TB, s *Store, id ulid.ID) uint32 {
	t.Helper()
	st, err := s.ReadSession(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return st.Session.Generation
}

// lock takes the write lock as another process would.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.script(beginImmediate); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(c.script(rollback), c.close()); err != nil {
			t.Error(err)
		}
	}
}

// untilWaiting returns once so many wait.
func untilWaiting(t *testing.T, s *Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.Stats().Waiting != n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d", s.Stats().Waiting, n)
		}
	}
}

func TestWaitersShareACommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	sessions := addSessions(t, s, 50)
	before := s.Stats()
	unlock := lock(t, path)
	var wg sync.WaitGroup
	for i, old := range sessions {
		wg.Go(func() {
			if i%10 == 0 {
				err := s.Update(t.Context(), func(tx auth.Tx) error {
					_, err := tx.EndSession(old.ID, session.End{At: old.CreatedAt, Reason: session.EndLogout})
					return err
				})
				if err != nil {
					t.Error(err)
				}
				return
			}
			if ok, err := s.SwapSession(t.Context(), old, refreshed(old)); !ok || err != nil {
				t.Errorf("SwapSession: %v, %v", ok, err)
			}
		})
	}
	untilWaiting(t, s, len(sessions))
	unlock()
	wg.Wait()
	after := s.Stats()
	if batches, changes := after.Batches-before.Batches, after.Changes-before.Changes; batches != 1 || changes != 50 {
		t.Errorf("%d changes in %d commits, want 50 in one", changes, batches)
	}
	if after.LockTime <= before.LockTime || after.CommitTime <= before.CommitTime || after.Failed != 0 || after.Waiting != 0 {
		t.Errorf("%+v", after)
	}
}

// TestBatchIsBounded: a batch is no longer than it may be, and all are served.
func TestBatchIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	const n = 2*maxBatch + 10
	sessions := addSessions(t, s, n)
	before := s.Stats()
	unlock := lock(t, path)
	var wg sync.WaitGroup
	for _, old := range sessions {
		wg.Go(func() {
			if ok, err := s.SwapSession(t.Context(), old, refreshed(old)); !ok || err != nil {
				t.Errorf("SwapSession: %v, %v", ok, err)
			}
		})
	}
	untilWaiting(t, s, n)
	unlock()
	wg.Wait()
	after := s.Stats()
	if batches, changes := after.Batches-before.Batches, after.Changes-before.Changes; batches != 3 || changes != n {
		t.Errorf("%d changes in %d commits", changes, batches)
	}
}

// TestLockOfAnotherProcess: while another process writes for long, reads are
// answered, and who does not want to wait leaves.
func TestLockOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	sessions := addSessions(t, s, 2)
	unlock := lock(t, path)

	impatient, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Update(impatient, func(auth.Tx) error { t.Error("the Update ran"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("who left was told %v", err)
		}
	})
	wg.Go(func() {
		if ok, err := s.SwapSession(impatient, sessions[0], refreshed(sessions[0])); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("who left was told %v, %v", ok, err)
		}
	})
	swapped := make(chan bool)
	go func() {
		ok, err := s.SwapSession(t.Context(), sessions[1], refreshed(sessions[1]))
		swapped <- ok && err == nil
	}()
	untilWaiting(t, s, 3)
	if g := generation(t, s, sessions[0].ID); g != 1 {
		t.Errorf("generation %d was read while another process wrote", g)
	}
	hasUser(t, s, user.User{ID: sessions[0].User})
	cancel()
	wg.Wait()
	select {
	case <-swapped:
		t.Error("a swap was answered while another process held the lock")
	default:
	}
	unlock()
	if !<-swapped {
		t.Error("the swap that waited was not done")
	}
	if g := generation(t, s, sessions[0].ID); g != 1 {
		t.Errorf("the swap of who left was done: generation %d", g)
	}
}

func TestPatienceEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path, Patience(20*time.Millisecond))
	old := addSessions(t, s, 1)[0]
	unlock := lock(t, path)
	ok, err := s.SwapSession(t.Context(), old, refreshed(old))
	if ok || !is(err, sqlite3.SQLITE_BUSY) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("SwapSession: %v, %v", ok, err)
	}
	if err := s.Update(t.Context(), func(auth.Tx) error { t.Error("the Update ran"); return nil }); !is(err, sqlite3.SQLITE_BUSY) {
		t.Errorf("Update: %v", err)
	}
	unlock()
	if ok, err := s.SwapSession(t.Context(), old, refreshed(old)); !ok || err != nil {
		t.Errorf("afterwards: %v, %v", ok, err)
	}
}

// TestIdleHoldsNoLock: another process can write as soon as a commit is done.
func TestIdleHoldsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	old := addSessions(t, s, 1)[0]
	for range 20 {
		next := refreshed(old)
		if ok, err := s.SwapSession(t.Context(), old, next); !ok || err != nil {
			t.Fatalf("SwapSession: %v, %v", ok, err)
		}
		lock(t, path)()
		old = next
	}
}

// TestNoSpace: when a file can grow no more, everybody in the batch is told,
// nothing of it is there, and all is well once there is space.
func TestNoSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	sessions := addSessions(t, s, 20)
	limit := func(pages string) {
		err := s.Update(t.Context(), func(tx auth.Tx) error {
			return connOf(tx).script("PRAGMA max_page_count = " + pages)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // as many as there are
	unlock := lock(t, path)
	var wg sync.WaitGroup
	for i, old := range sessions {
		wg.Go(func() {
			if i == 10 {
				err := s.Update(t.Context(), func(tx auth.Tx) error {
					u := user.User{Name: strings.Repeat("x", 100_000)}
					for n := range 100 {
						u.ID[0], u.EmailKey = byte(n), fmt.Sprint(n)
						if err := tx.InsertUser(u); err != nil {
							return err
						}
					}
					return nil
				})
				if !is(err, sqlite3.SQLITE_FULL) {
					t.Errorf("Update: %v", err)
				}
				return
			}
			if ok, err := s.SwapSession(t.Context(), old, refreshed(old)); ok != (err == nil) {
				t.Errorf("SwapSession: %v, %v", ok, err)
			} else if stored := generation(t, s, old.ID); stored == 2 != ok {
				t.Errorf("SwapSession: %v, %v, but generation %d is stored", ok, err, stored)
			}
		})
	}
	untilWaiting(t, s, len(sessions))
	unlock()
	wg.Wait()
	limit("1000000")
	addUser(t, s, "after")
	for _, old := range sessions {
		st, err := s.ReadSession(t.Context(), old.ID)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := s.SwapSession(t.Context(), st.Session, refreshed(st.Session)); !ok || err != nil {
			t.Errorf("afterwards: %v, %v", ok, err)
		}
	}
}

func connOf(transaction auth.Tx) *conn { return transaction.(*tx).c }
