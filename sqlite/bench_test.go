package sqlite

import (
	"fmt"
	"math/rand/v2"

	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// cpu returns the processor time of this process so far.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func fill(b testing.TB, s *Store, n int) []ulid.ID {
	b.Helper()
	ids := make([]ulid.ID, n)
	begun := time.Now().Add(-24 * time.Hour)
	const perUser, chunk = 4, 2000
	for from := 0; from < n; from += chunk {
		err := s.Update(b.Context(), func(tx auth.Tx) error {
			var owner ulid.ID
			for i := from; i < min(n, from+chunk); i++ {
				at := begun.Add(time.Duration(i) * time.Millisecond)
				if i%perUser == 0 {
					owner = ulid.New(at)
					email := fmt.Sprintf("user%d@example.com", i)
					if err := tx.InsertUser(user.User{ID: owner, Email: email, EmailKey: email, Name: "Some Body", State: user.Active,
						Password:  "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaaaaaaaaaaaaaaaa",
						CreatedAt: at, PasswordAt: at, StateAt: at, StateBy: "user"}); err != nil {
						return err
					}
				}
				ids[i] = ulid.New(at)
				if err := tx.InsertSession(session.Start(ids[i], owner, []string{"pwd"}, "Firefox on Linux", "192.0.2.17", at)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return ids
}

var spin int
func TestSpin(t *testing.T) { t0 := time.Now(); for range 1000 {for k := range 60000 { spin += k*k } }; t.Log(time.Since(t0)/1000) }
func BenchmarkRefresh(b *testing.B) {
	for _, sessions := range []int{10_000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			s, err := Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			ids := fill(b, s, sessions)
			const callers = 32
			var left atomic.Int64
			left.Store(int64(b.N))
			before := s.Stats()
			b.ResetTimer()
			started, busy := time.Now(), cpu()
			took := make([][]time.Duration, callers)
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						id := ids[(rand.IntN(sessions/callers)*callers+c)%sessions]
						t0 := time.Now()
						st, err := s.ReadSession(b.Context(), id)
						if err != nil {
							b.Error(err)
							return
						}
						next := st.Session
						next.Generation++
						next.Parent[0]++
						next.RotatedAt = time.Now()
						if ok, err := s.SwapSession(b.Context(), st.Session, next); !ok || err != nil {
							b.Error(ok, err)
							return
						}
						took[c] = append(took[c], time.Since(t0))
						for k := range 60000 { spin += k*k }
					}
				})
			}
			wg.Wait()
			wall := time.Since(started)
			b.ReportMetric(float64((cpu()-busy).Microseconds())/float64(b.N), "µs-cpu/op")
			b.ReportMetric(float64(b.N)/wall.Seconds(), "ops/s")
			after := s.Stats()
			b.ReportMetric(float64(after.Changes-before.Changes)/float64(after.Batches-before.Batches), "changes/commit")
			all := slices.Sorted(slices.Values(slices.Concat(took...)))
			b.ReportMetric(all[len(all)/2].Seconds()*1e3, "ms-p50")
			b.ReportMetric(all[len(all)*99/100].Seconds()*1e3, "ms-p99")
			b.ReportMetric(0, "ns/op")
		})
	}
}
