//go:build unix

package fleet

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/server"
)

// long is how long something lasts that is short in a usual run and long in a
// soak.
func long[N ~int | ~int64](usual, soak N) N {
	if os.Getenv("SOAK") != "" {
		return soak
	}
	return usual
}

// on is a new database of a cluster.
func on(t *testing.T, c *pgtest.Cluster) string {
	t.Helper()
	url, err := c.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRollingRestart: each node is stopped as an upgrade stops it, and started
// again.
func TestRollingRestart(t *testing.T) {
	s := newScene(t, pgtest.Database(t))
	s.play(false, func() {
		for range long(1, 10) {
			for _, n := range s.nodes {
				n.Stop()
				must(t, n.Start())
				pause(s.ctx, 300*time.Millisecond)
			}
		}
	})
}

// TestKilled: nodes are killed under load, any of them, one after another.
func TestKilled(t *testing.T) {
	s := newScene(t, pgtest.Database(t))
	s.play(false, func() {
		for range long(6, 100) {
			n := s.nodes[rand.IntN(len(s.nodes))]
			n.Kill()
			pause(s.ctx, time.Duration(rand.IntN(200))*time.Millisecond)
			must(t, n.Start())
			pause(s.ctx, time.Duration(rand.IntN(200))*time.Millisecond)
		}
	})
}

// TestFrozen: a node stands still with all that it holds, and then goes on as if
// nothing had been.
func TestFrozen(t *testing.T) {
	s := newScene(t, pgtest.Database(t))
	s.play(false, func() {
		for _, n := range s.nodes[:long(1, 3)] {
			n.Freeze()
			pause(s.ctx, long(2*time.Second, 30*time.Second))
			n.Thaw()
		}
	})
}

// freezing is a store whose process stops where it stands in the middle of an
// ending, holding whatever that has locked, if the file that FLEET_FREEZE names
// is there. It takes the file away.
type freezing struct{ server.Store }

type endings struct{ auth.Tx }

func (f freezing) Update(ctx context.Context, fn func(auth.Tx) error) error {
	return f.Store.Update(ctx, func(tx auth.Tx) error { return fn(endings{tx}) })
}

func (e endings) EndSession(id ulid.ID, end session.End) (bool, error) {
	ok, err := e.Tx.EndSession(id, end)
	if os.Remove(os.Getenv("FLEET_FREEZE")) == nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(200 * time.Millisecond) // until it does: another thread may have to wake up for it
	}
	return ok, err
}

// TestFrozenInTransaction: a node stands still while it holds the locks of a
// session that it is about to end. Everybody else goes on, and whoever wanted to
// sign out can, elsewhere, before the node goes on.
func TestFrozenInTransaction(t *testing.T) {
	file := filepath.Join(t.TempDir(), "freeze")
	t.Setenv("FLEET_FREEZE", file)
	s := newScene(t, pgtest.Database(t), func(i int, c *Config) {
		if i == 0 {
			c.Broken = "freezes"
		}
	})
	s.play(false, func() {
		must(t, os.WriteFile(file, nil, 0o600))
		ctx, cancel := context.WithTimeout(s.ctx, time.Second)
		defer cancel()
		_, _, err := s.spare.postTo(ctx, s.nodes[0].URL(), "/auth/logout", map[string]string{"refreshToken": s.spare.token})
		if err == nil {
			t.Error("the node did not stop")
		}
		begin := time.Now()
		s.leave([]*raw{s.spare})
		t.Logf("the session that a frozen node had locked could be ended elsewhere after %s", time.Since(begin).Round(time.Millisecond))
		s.nodes[0].Freeze() // it is frozen; so that Thaw knows
		s.nodes[0].Thaw()
	})
	s.gone([]*raw{s.spare})
}

// TestDatabaseStopped: the database drops everything, is away for a while, and
// recovers. Guarded routes go on, on every node and elsewhere. A node that is
// started meanwhile is there when the database is.
func TestDatabaseStopped(t *testing.T) {
	c := pgtest.Start(t)
	s := newScene(t, on(t, c))
	cfg := s.cfg
	cfg.Name = "n4"
	late := Start(t, cfg)
	late.Kill()
	s.play(true, func() {
		must(t, c.Stop(pgtest.Immediate))
		started := make(chan error, 1)
		go func() {
			for { // as whatever looks after it does
				err := late.Start()
				if err == nil || s.ctx.Err() != nil {
					started <- err
					return
				}
			}
		}()
		pause(s.ctx, long(3*time.Second, time.Minute))
		must(t, c.Start())
		must(t, <-started)
	})
	s.goneAt(at(late), s.leavers)
}

// TestFailover: the primary dies, and its standby takes its place.
func TestFailover(t *testing.T) {
	primary := pgtest.Start(t)
	standby, err := primary.Standby()
	must(t, err)
	t.Cleanup(standby.Close)
	u, err := url.Parse(on(t, primary))
	must(t, err)
	s := newScene(t, pgtest.URL(u.Path[1:], primary, standby))
	s.play(true, func() {
		must(t, primary.Kill())
		pause(s.ctx, long(500*time.Millisecond, 10*time.Second))
		must(t, standby.Promote())
	})
}

// TestCutOff: the network between one node and the database goes dead, without
// a word to either. The node still reaches its users.
func TestCutOff(t *testing.T) {
	u, err := url.Parse(pgtest.Database(t))
	must(t, err)
	wire := NewWire(t, u.Host)
	s := newScene(t, u.String(), func(i int, c *Config) {
		if i == 0 {
			byWire := *u
			byWire.Host = wire.Addr()
			c.Store = byWire.String()
		}
	})
	s.play(true, func() {
		wire.Cut()
		s.refuseFor(s.nodes[0])
		pause(s.ctx, long(0, time.Minute))
		wire.Mend()
	})
}

// refuseFor sees that a node which cannot reach the database says so to who
// wants to sign in, out, or a new token, and nothing else.
func (s *scene) refuseFor(n *Node) {
	var wg sync.WaitGroup
	for path, body := range map[string]map[string]string{
		"/auth/refresh": {"refreshToken": s.spare.token},
		"/auth/logout":  {"refreshToken": s.spare.token},
		"/auth/login":   {"email": "nobody@example.com", "password": testPassword},
	} {
		wg.Go(func() {
			begin := time.Now()
			status, got, err := s.spare.postTo(s.ctx, n.URL(), path, body)
			if err != nil || status != http.StatusServiceUnavailable {
				s.t.Errorf("cut off, %s answers %d %s on %s (%v)", n.Name(), status, got.Code, path, err)
			}
			s.t.Logf("cut off, %s answers %d on %s after %s", n.Name(), status, path, time.Since(begin).Round(time.Millisecond))
		})
	}
	wg.Wait()
}

// TestClocks: the clocks of the nodes are minutes apart.
func TestClocks(t *testing.T) {
	s := newScene(t, pgtest.Database(t), func(i int, c *Config) {
		c.Skew = time.Duration(i-1) * 5 * time.Minute
	})
	s.play(true, func() { pause(s.ctx, long(time.Second, 30*time.Second)) })
}
