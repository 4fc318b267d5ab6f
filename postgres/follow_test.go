package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

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
	s := openAt(t, pgtest.URL(database, primary, standby))
	ids := fill(t, s, 100)
	seen := make(chan auth.Revocation, 1000)
	ctx, stop := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() {
		followed <- s.Follow(ctx, 0, func(rs []auth.Revocation) {
			for _, r := range rs {
				seen <- r
			}
		})
	}()
	end := func(ids []ulid.ID) {
		t.Helper()
		for _, id := range ids {
			err := s.Update(t.Context(), func(tx auth.Tx) error {
				_, err := tx.EndSession(id, session.End{At: time.Now(), Reason: session.EndLogout})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	last := map[string]int64{}
	await := func(ids []ulid.ID) {
		t.Helper()
		for missing := len(ids); missing > 0; {
			select {
			case r := <-seen:
				last[r.Subject] = r.Seq
			case <-time.After(time.Minute):
				t.Fatalf("%d of %d endings were not told", missing, len(ids))
			}
			missing = 0
			for _, id := range ids {
				if last[id.String()] == 0 {
					missing++
				}
			}
		}
	}
	end(ids[:3])
	await(ids[:3])
	// From here on the primary does not wait for the standby, which is away.
	err = errors.Join(
		primary.Exec(t.Context(), "postgres", "ALTER SYSTEM RESET synchronous_standby_names"),
		primary.Exec(t.Context(), "postgres", "SELECT pg_reload_conf()"),
		standby.Stop(pgtest.Fast),
	)
	if err != nil {
		t.Fatal(err)
	}
	end(ids[3:50])
	await(ids[3:50])
	if err := errors.Join(primary.Kill(), standby.Start(), standby.Promote()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); s.Check(t.Context()) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the store does not find the new primary")
		}
	}
	end(ids[50:60])
	await(ids[50:60])
	if last[ids[50].String()] > last[ids[49].String()] {
		t.Error("no number was given anew, which this test is about")
	}
	stop()
	if err := <-followed; err != nil {
		t.Error(err)
	}
}
