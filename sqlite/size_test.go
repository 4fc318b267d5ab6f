package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// fill adds accounts and n sessions of theirs, in the order of time, and
// returns the ids of the sessions.
func fill(t testing.TB, s *Store, n int) []ulid.ID {
	t.Helper()
	begun := time.Now().Add(-24 * time.Hour)
	owners, ids := make([]ulid.ID, n/4+1), make([]ulid.ID, n)
	some := func(n int, one func(tx auth.Tx, i int) error) {
		for from := 0; from < n; from += 2000 {
			err := s.Update(t.Context(), func(tx auth.Tx) error {
				for i := from; i < min(n, from+2000); i++ {
					if err := one(tx, i); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	some(len(owners), func(tx auth.Tx, i int) error {
		owners[i] = ulid.New(begun)
		email := fmt.Sprintf("person.%d@example.com", i)
		return tx.InsertUser(user.User{ID: owners[i], Email: email, EmailKey: email, Name: "Some Body", State: user.Active,
			Password:  "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaaaaaaaaaaaaaaaa",
			CreatedAt: begun, PasswordAt: begun, StateAt: begun, StateBy: "user"})
	})
	some(len(ids), func(tx auth.Tx, i int) error {
		at := begun.Add(time.Duration(i) * time.Millisecond)
		ids[i] = ulid.New(at)
		owner := owners[rand.IntN(len(owners))]
		return tx.InsertSession(session.Start(ids[i], owner, []string{"pwd"}, "Chrome on Windows", "198.51.100.217", at))
	})
	return ids
}

// refreshAll refreshes each of the sessions once.
func refreshAll(t *testing.T, s *Store, ids []ulid.ID) {
	t.Helper()
	const callers = 64
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < len(ids); i += callers {
				st, err := s.ReadSession(t.Context(), ids[i])
				if err != nil {
					t.Error(err)
					return
				}
				if ok, err := s.SwapSession(t.Context(), st.Session, refreshed(st.Session)); !ok || err != nil {
					t.Errorf("SwapSession: %v, %v", ok, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestSize: a session is small, and to refresh it makes the file grow at most
// once: when its generation, 1 at first, takes its first byte.
func TestSize(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	ids := fill(t, s, n)
	// sizes returns the bytes of the sessions and of the whole file.
	sizes := func() (sessions, file int64) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(path)
		if err != nil {
			t.Fatal(err)
		}
		if sessions, err = number(c, "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'session%'"); err != nil {
			t.Fatal(err)
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		s = openAt(t, path)
		return sessions, info.Size()
	}
	fresh, _ := sizes()
	refreshAll(t, s, ids)
	used, before := sizes()
	refreshAll(t, s, ids)
	refreshAll(t, s, ids)
	_, after := sizes()
	t.Logf("a session takes %.1f bytes when it begins and %.1f when it was refreshed", float64(fresh)/float64(n), float64(used)/float64(n))
	if used > 250*int64(n) {
		t.Errorf("a session takes %d bytes", used/int64(n))
	}
	if after != before {
		t.Errorf("%d refreshes made the file grow from %d to %d bytes", 2*n, before, after)
	}
}
