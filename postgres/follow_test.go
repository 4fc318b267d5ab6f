package postgres

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/hashpool"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/ulid"
)

// node is what a server knows of the endings in a store.
type node struct {
	*auth.Auth
	t *testing.T
}

func startNode(t *testing.T, s *Store) node {
	t.Helper()
	const life = 15 * time.Minute
	pool := hashpool.New(1)
	a := auth.New(auth.Config{
		Store: s, Master: secret.NewMasterKey(), Issuer: "https://auth.example.com", AccessLife: life, Life: session.DefaultLife,
		Access: signing.AccessPolicy("ES256", life), Refresh: signing.RefreshPolicy(session.DefaultLife.Absolute),
		Hash: password.DefaultParams, Pool: pool, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Retention: auth.Keep{Sessions: time.Hour, Events: time.Hour, Denials: time.Hour, MaxDenials: 1000},
	})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); pool.Close() })
	return node{a, t}
}

// await waits until the node knows that these have ended.
func (n node) await(ids []ulid.ID) {
	n.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		missing := 0
		for _, id := range ids {
			if _, ended := n.Revoked().Ended(id.String()); !ended {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%d of %d endings were not told", missing, len(ids))
		}
	}
}

func (n node) seq(id ulid.ID) int64 {
	end, _ := n.Revoked().Ended(id.String())
	return end.Seq
}

// end ends sessions as another node would.
func end(t *testing.T, s *Store, at time.Time, ids []ulid.ID) {
	t.Helper()
	for _, id := range ids {
		err := s.Update(t.Context(), func(tx auth.Tx) error {
			_, err := tx.EndSession(id, session.End{At: at, Reason: session.EndLogout})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollowAfterALoss: a standby that takes over and lacks the latest entries
// gives their numbers to others. Who follows the log sees those all the same.
func TestFollowAfterALoss(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	database := "test1"
	if _, err := primary.CreateDatabase(t.Context()); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standby.Close)
	url := pgtest.URL(database, primary, standby)
	s, other := openAt(t, url), openAt(t, url)
	ids := fill(t, s, 100)
	n := startNode(t, s)
	end(t, other, time.Now(), ids[:3])
	n.await(ids[:3])
	// From here on the primary does not wait for the standby, which is away.
	err = errors.Join(
		primary.Exec(t.Context(), "postgres", "ALTER SYSTEM RESET synchronous_standby_names"),
		primary.Exec(t.Context(), "postgres", "SELECT pg_reload_conf()"),
		standby.Stop(pgtest.Fast),
	)
	if err != nil {
		t.Fatal(err)
	}
	end(t, other, time.Now(), ids[3:50])
	n.await(ids[3:50])
	if err := errors.Join(primary.Kill(), standby.Start(), standby.Promote()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); other.Check(t.Context()) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the store does not find the new primary")
		}
	}
	end(t, other, time.Now(), ids[50:60])
	n.await(ids[50:60])
	if n.seq(ids[50]) > n.seq(ids[49]) {
		t.Error("no number was given anew, which this test is about")
	}
}

// TestFollowAnotherLog: the same where what the log has kept is old, where a
// connection is refused before one is made, and where the clock was put on
// meanwhile.
func TestFollowAnotherLog(t *testing.T) {
	for name, test := range map[string]struct {
		kept    time.Duration // how old the entries are that are kept
		refused bool
		ended   time.Duration // how long ago, by the clock of now, the others end
	}{
		"new entries kept":     {time.Second, false, 0},
		"only old ones kept":   {20 * time.Minute, false, 0},
		"refused in between":   {time.Second, true, 0},
		"refused, old entries": {20 * time.Minute, true, 0},
		"the clock was put on": {time.Second, true, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			other := openAt(t, url)
			exec := func(sql string) {
				t.Helper()
				if _, err := other.pool.Exec(t.Context(), sql); err != nil {
					t.Fatal(sql, err)
				}
			}
			role := "node_" + strings.ToLower(ulid.New(time.Now()).String())
			exec("CREATE ROLE " + role + " SUPERUSER LOGIN PASSWORD 'x'")
			t.Cleanup(func() { _, _ = other.pool.Exec(context.Background(), "DROP ROLE "+role) })
			s := openAt(t, strings.Replace(url, pgtest.User+":"+pgtest.Password, role+":x", 1))
			ids := fill(t, other, 20)
			n := startNode(t, s)
			end(t, other, time.Now().Add(-test.kept), ids[:5])
			end(t, other, time.Now(), ids[5:10])
			n.await(ids[:10])

			var first int64
			row := other.pool.QueryRow(t.Context(), "SELECT min(seq) FROM doorward.revocation WHERE subject = $1", ids[5].String())
			if err := row.Scan(&first); err != nil {
				t.Fatal(err)
			}
			number := strconv.FormatInt(first, 10)
			exec("DELETE FROM doorward.revocation WHERE seq >= " + number)
			exec("ALTER TABLE doorward.revocation ALTER COLUMN seq RESTART WITH " + number)
			if test.refused {
				exec("ALTER ROLE " + role + " NOLOGIN")
			}
			exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + role + "'")
			if test.refused {
				for s.Check(t.Context()) == nil {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(time.Second) // for it to try
				exec("ALTER ROLE " + role + " LOGIN")
			}
			end(t, other, time.Now().Add(-test.ended), ids[10:13])
			n.await(ids[10:13])
			if n.seq(ids[10]) > n.seq(ids[9]) {
				t.Error("no number was given anew, which this test is about")
			}
		})
	}
}
