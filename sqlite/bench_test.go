//go:build unix

package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	moderncsqlite "modernc.org/sqlite"

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

// measure reports processor time and speed of what fn does b.N times.
func measure(b *testing.B, fn func()) {
	b.Helper()
	b.ResetTimer()
	started, used := time.Now(), cpu()
	fn()
	wall := time.Since(started)
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(b.N), "µs-cpu/op")
	b.ReportMetric(float64(b.N)/wall.Seconds(), "ops/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRefresh is what a refresh costs the store, with 32 at once: a
// session is read and swapped.
func BenchmarkRefresh(b *testing.B) {
	for _, sessions := range []int{32, 10_000, 200_000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
			ids := fill(b, s, sessions)
			const callers = 32
			var left atomic.Int64
			left.Store(int64(b.N))
			took := make([][]time.Duration, callers)
			before := s.Stats()
			measure(b, func() {
				var wg sync.WaitGroup
				for c := range callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							// Every caller has sessions of its own.
							id := ids[rand.IntN(sessions/callers)*callers+c]
							begun := time.Now()
							st, err := s.ReadSession(b.Context(), id)
							if err != nil {
								b.Error(err)
								return
							}
							if ok, err := s.SwapSession(b.Context(), st.Session, refreshed(st.Session)); !ok || err != nil {
								b.Errorf("SwapSession: %v, %v", ok, err)
								return
							}
							took[c] = append(took[c], time.Since(begun))
						}
					})
				}
				wg.Wait()
			})
			after := s.Stats()
			b.ReportMetric(float64(after.Changes-before.Changes)/float64(after.Batches-before.Batches), "swaps/commit")
			all := slices.Sorted(slices.Values(slices.Concat(took...)))
			b.ReportMetric(all[len(all)/2].Seconds()*1e3, "ms-p50")
			b.ReportMetric(all[len(all)*99/100].Seconds()*1e3, "ms-p99")
		})
	}
}

// BenchmarkBareCommit is the floor: the same UPDATE and its COMMIT on a bare
// connection, with so many rows in each transaction.
func BenchmarkBareCommit(b *testing.B) {
	path, ids := benchFile(b)
	for _, rows := range []int{1, 16, 32, 256} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			c := benchConn(b, path)
			measure(b, func() {
				for done := 0; done < b.N; done += rows {
					err := c.prepare(beginImmediate).run()
					for range rows {
						err = errors.Join(err, swapAny(c, ids))
					}
					if err = errors.Join(err, c.prepare(commit).run()); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func benchFile(b *testing.B) (path string, ids []ulid.ID) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "bench.db")
	s := openAt(b, path)
	ids = fill(b, s, 10_000)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return path, ids
}

// BenchmarkInterface compares the ways to talk to SQLite from Go, by the two
// statements of a refresh on a cache that is warm: no commit, no disk.
func BenchmarkInterface(b *testing.B) {
	path, ids := benchFile(b)
	some := func() ulid.ID { return ids[rand.IntN(len(ids))] }
	var nonce [16]byte

	b.Run("conn/read", func(b *testing.B) {
		c := benchConn(b, path)
		if err := c.script(beginImmediate); err != nil {
			b.Fatal(err)
		}
		measure(b, func() {
			for range b.N {
				if _, err := one(c.prepare(selectStanding).id(some()), scanStanding); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("conn/swap", func(b *testing.B) {
		c := benchConn(b, path)
		if err := c.script(beginImmediate); err != nil {
			b.Fatal(err)
		}
		measure(b, func() {
			for range b.N {
				if err := swapAny(c, ids); err != nil {
					b.Fatal(err)
				}
			}
		})
	})

	b.Run("driver/read", func(b *testing.B) {
		st := benchStmt(b, path, selectStanding)
		row := make([]driver.Value, 17)
		measure(b, func() {
			for range b.N {
				id := some()
				rows, err := st.(driver.StmtQueryContext).QueryContext(b.Context(), named(id[:]))
				if err != nil {
					b.Fatal(err)
				}
				if err := rows.Next(row); err != nil {
					b.Fatal(err)
				}
				if err := rows.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("driver/swap", func(b *testing.B) {
		st := benchStmt(b, path, swapSession)
		measure(b, func() {
			for i := range b.N {
				id := some()
				args := named(int64(1), nonce[:], nonce[:], int64(i), id[:], int64(1))
				if _, err := st.(driver.StmtExecContext).ExecContext(b.Context(), args); err != nil {
					b.Fatal(err)
				}
			}
		})
	})

	b.Run("database_sql/read", func(b *testing.B) {
		st, done := benchSQL(b, path, selectStanding)
		defer done()
		measure(b, func() {
			for range b.N {
				id := some()
				var s session.Session
				var sid, owner, parent, attempt []byte
				var created, rotated, authTime int64
				var methods, email, name, state string
				var endedAt sql.NullInt64
				var reason, by sql.NullString
				err := st.QueryRowContext(b.Context(), id[:]).Scan(&sid, &owner, &s.Generation, &parent, &attempt, &created, &rotated, &authTime,
					&methods, &s.Device, &s.Network, &endedAt, &reason, &by, &email, &name, &state)
				if err != nil || user.State(state) != user.Active {
					b.Fatal(err, state)
				}
			}
		})
	})
	b.Run("database_sql/swap", func(b *testing.B) {
		st, done := benchSQL(b, path, swapSession)
		defer done()
		measure(b, func() {
			for i := range b.N {
				id := some()
				if _, err := st.ExecContext(b.Context(), 1, nonce[:], nonce[:], i, id[:], 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// swapAny changes a row by chance. The time must be another one, or SQLite
// would see that nothing changes and write nothing.
func swapAny(c *conn, ids []ulid.ID) error {
	var nonce [16]byte
	return c.prepare(swapSession).int(1).blob(nonce[:]).blob(nonce[:]).int(rand.Int64N(1 << 40)).id(ids[rand.IntN(len(ids))]).int(1).run()
}

// BenchmarkReadAfterCommit reads 32 sessions in one go after every commit of
// the writer: on its own connection, whose cache lasts, and on another, whose
// cache SQLite drops.
func BenchmarkReadAfterCommit(b *testing.B) {
	const batch = 32
	for _, other := range []bool{false, true} {
		name := "connection=writer"
		if other {
			name = "connection=other"
		}
		b.Run(name, func(b *testing.B) {
			path, ids := benchFile(b)
			w := benchConn(b, path)
			r := w
			if other {
				r = benchConn(b, path)
			}
			var reading time.Duration
			for range b.N {
				if err := errors.Join(w.script(beginImmediate), swapAny(w, ids), w.script(commit)); err != nil {
					b.Fatal(err)
				}
				begun := time.Now()
				err := r.script(begin)
				for range batch {
					_, err2 := one(r.prepare(selectStanding).id(ids[rand.IntN(len(ids))]), scanStanding)
					err = errors.Join(err, err2)
				}
				if err = errors.Join(err, r.script(rollback)); err != nil {
					b.Fatal(err)
				}
				reading += time.Since(begun)
			}
			b.ReportMetric(float64(reading.Nanoseconds())/1e3/float64(b.N*batch), "µs/read")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// benchConn returns a connection with the settings of the one that writes.
func benchConn(b *testing.B, path string) *conn {
	b.Helper()
	c, err := dial(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.close() })
	if err := c.script(writerSettings); err != nil {
		b.Fatal(err)
	}
	return c
}

// benchStmt returns a statement of the driver's within a transaction.
func benchStmt(b *testing.B, path, query string) driver.Stmt {
	b.Helper()
	c, err := new(moderncsqlite.Driver).Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	if _, err := c.(driver.ExecerContext).ExecContext(b.Context(), writerSettings+beginImmediate, nil); err != nil {
		b.Fatal(err)
	}
	st, err := c.Prepare(query)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	return st
}

func named(values ...driver.Value) []driver.NamedValue {
	args := make([]driver.NamedValue, len(values))
	for i, v := range values {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return args
}

// benchSQL returns a statement of database/sql's within a transaction.
func benchSQL(b *testing.B, path, query string) (st *sql.Stmt, done func()) {
	b.Helper()
	db := sql.OpenDB(connector{path})
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		b.Fatal(err)
	}
	st, err = tx.Prepare(query)
	if err != nil {
		b.Fatal(err)
	}
	return st, func() { _ = errors.Join(st.Close(), tx.Rollback(), db.Close()) }
}

type connector struct{ path string }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	return new(moderncsqlite.Driver).Open(c.path + "?_pragma=cache_size(-32768)")
}

func (c connector) Driver() driver.Driver { return new(moderncsqlite.Driver) }
