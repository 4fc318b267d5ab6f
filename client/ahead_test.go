package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/server"
)

// A token is renewed when a third of its life is left, 5 minutes at the most.
// The call that notices does not wait.
func TestRenewsAhead(t *testing.T) {
	for name, c := range map[string]struct{ life, at time.Duration }{
		"a quarter of an hour": {15 * time.Minute, 10 * time.Minute},
		"a short life":         {6 * time.Minute, 4 * time.Minute},
		"a long life":          {20 * time.Minute, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.signedIn(t)
				w.during(slow(time.Second))
				time.Sleep(c.at - time.Millisecond)
				works(t, s)
				synctest.Wait()
				w.wantSent(t, "/auth/refresh", 0)

				time.Sleep(time.Millisecond)
				begin := time.Now()
				works(t, s)
				if took := time.Since(begin); took != 0 {
					t.Errorf("the call waited for %s", took)
				}
				time.Sleep(2 * time.Second)
				works(t, s)
				w.wantSent(t, "/auth/refresh", 1)
				calls := w.at("/api/me")
				if calls[0].token != calls[1].token || calls[1].token == calls[2].token {
					t.Error("the old token should have served until the new one came, and no longer")
				}
			}, func(cfg *server.Config) { cfg.AccessLife = c.life })
		})
	}
}

// After an idle time that is longer than the life, the call waits and goes out
// once, with the new token.
func TestWaitsForATokenThatIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		time.Sleep(16 * time.Minute)
		works(t, s)
		w.wantSent(t, "/auth/refresh", 1)
		w.wantSent(t, "/api/me", 1)
	})
}

// Nothing happens while no call is made.
func TestIdleProgramsAskNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.signedIn(t)
		time.Sleep(20 * time.Minute)
		w.wantSent(t, "/auth/refresh", 0)
	})
}

func TestAccessTokenSaysUntilWhen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		begin := time.Now()
		token, until, err := s.AccessToken(t.Context())
		if err != nil || token == "" || until.Sub(begin) != 10*time.Minute {
			t.Errorf("until %s, %v; want 10m0s", until.Sub(begin), err)
		}
		time.Sleep(11 * time.Minute)
		w.during(down)
		again, until, err := s.AccessToken(t.Context())
		if err != nil || again != token || until.Sub(begin) != 15*time.Minute {
			t.Errorf("until %s, %v; want 15m0s and the same token", until.Sub(begin), err)
		}
		time.Sleep(time.Minute) // what was begun gives up
	})
}

// An issuer that does not say how long its tokens live has them renewed when
// they are refused.
func TestUnknownLife(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.during(without(`"expiresIn":900,`))
		s := w.signedIn(t)
		if _, until, err := s.AccessToken(t.Context()); err != nil || !until.IsZero() {
			t.Errorf("until %s, %v; want no time", until, err)
		}
		w.advance(time.Hour)
		works(t, s)
		w.wantSent(t, "/auth/refresh", 1)
		w.wantSent(t, "/api/me", 2)
	})
}

// A clock that was set wrong while the program did not run costs one early
// renewal, or one refusal that is mended.
func TestWrongWallClock(t *testing.T) {
	for name, c := range map[string]struct {
		skew           time.Duration
		refreshes, api int
	}{
		"right":      {0, 0, 1},
		"ahead":      {10 * time.Minute, 1, 1},
		"far ahead":  {10 * 365 * 24 * time.Hour, 1, 1},
		"behind":     {-10 * time.Minute, 1, 1},
		"far behind": {-10 * 365 * 24 * time.Hour, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				store := client.Memory()
				share := func(cfg *client.Config) { cfg.Store = store }
				w.signedIn(t, share)
				s := w.session(t, share)
				client.SetClock(s, func() time.Time { return time.Now().Add(c.skew) })
				works(t, s)
				synctest.Wait()
				w.wantSent(t, "/auth/refresh", c.refreshes)
				w.wantSent(t, "/api/me", c.api)
				for range 5 {
					works(t, s)
					synctest.Wait()
				}
				w.wantSent(t, "/auth/refresh", c.refreshes)
			})
		})
	}
}

// The clock was set back while the program did not run, and hides that the
// token is over: it is refused once, and the call mended.
func TestWallClockHidesTheEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		share := func(cfg *client.Config) { cfg.Store = store }
		w.signedIn(t, share)
		time.Sleep(20 * time.Minute)
		s := w.session(t, share)
		client.SetClock(s, func() time.Time { return time.Now().Add(-19 * time.Minute) })
		works(t, s)
		w.wantSent(t, "/auth/refresh", 1)
		w.wantSent(t, "/api/me", 2)
	})
}
