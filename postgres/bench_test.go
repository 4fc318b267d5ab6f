package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// fill adds accounts and n sessions of theirs, in the order of time, and returns
// the ids of the sessions.
func fill(t testing.TB, s *Store, n int) []ulid.ID {
	t.Helper()
	begun := time.Now().Add(-24 * time.Hour)
	owners, ids := make([]ulid.ID, n/4+1), make([]ulid.ID, n)
	some := func(n int, one func(tx auth.Tx, i int) error) {
		for from := 0; from < n; from += 1000 {
			err := s.Update(t.Context(), func(tx auth.Tx) error {
				for i := from; i < min(n, from+1000); i++ {
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

// refreshed returns the session after one more refresh.
func refreshed(s session.Session) session.Session {
	s.Generation++
	for i := range s.Parent {
		s.Parent[i], s.Attempt[i] = byte(rand.Uint32()), byte(rand.Uint32())
	}
	s.RotatedAt = time.Now().Truncate(time.Millisecond)
	return s
}

func refresh(ctx context.Context, s *Store, id ulid.ID) error {
	st, err := s.ReadSession(ctx, id)
	if err != nil {
		return err
	}
	if ok, err := s.SwapSession(ctx, st.Session, refreshed(st.Session)); !ok || err != nil {
		return fmt.Errorf("SwapSession: %v, %w", ok, err)
	}
	return nil
}

// refreshMany refreshes sessions n times, by so many at once, each with sessions
// of its own, taken at random.
func refreshMany(t testing.TB, s *Store, ids []ulid.ID, callers, n int) (took []time.Duration) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	all := make([][]time.Duration, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				begun := time.Now()
				if err := refresh(t.Context(), s, ids[rand.IntN(len(ids)/callers)*callers+c]); err != nil {
					t.Error(err)
					return
				}
				all[c] = append(all[c], time.Since(begun))
			}
		})
	}
	wg.Wait()
	return slices.Sorted(slices.Values(slices.Concat(all...)))
}

// number asks the database for one.
func number(t testing.TB, url, sql string) (n int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // it was read from
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// cpu returns the processor time of this process so far.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkRefresh is what a refresh costs the store: a session is read and
// swapped, and the commit waits for the disk.
func BenchmarkRefresh(b *testing.B) {
	c := pgtest.Start(b, "fsync=on", "shared_buffers=512MB")
	for _, sessions := range []int{64, 20_000} {
		url, err := c.CreateDatabase(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s := openAt(b, url)
		ids := fill(b, s, sessions)
		for _, callers := range []int{1, 32, 64} {
			b.Run(fmt.Sprintf("sessions=%d/callers=%d", sessions, callers), func(b *testing.B) {
				before, used, theirs := s.Stats(), cpu(), c.CPU()
				wal := number(b, url, "SELECT pg_current_wal_insert_lsn() - '0/0'")
				size := number(b, url, "SELECT pg_total_relation_size('doorward.session')")
				b.ResetTimer()
				started := time.Now()
				took := refreshMany(b, s, ids, callers, b.N)
				wall := time.Since(started)
				b.StopTimer()
				after, n := s.Stats(), float64(b.N)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(n/wall.Seconds(), "ops/s")
				b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/n, "µs-cpu/op")
				b.ReportMetric(float64((c.CPU()-theirs).Nanoseconds())/1e3/n, "µs-cpu-postgres/op")
				b.ReportMetric(n/float64(after.SwapBatches-before.SwapBatches), "swaps/statement")
				b.ReportMetric(took[len(took)/2].Seconds()*1e3, "ms-p50")
				b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "ms-p99")
				b.ReportMetric(float64(number(b, url, "SELECT pg_current_wal_insert_lsn() - '0/0'")-wal)/n, "wal-B/op")
				b.ReportMetric(float64(number(b, url, "SELECT pg_total_relation_size('doorward.session')")-size)/n, "growth-B/op")
			})
		}
	}
}
