package client_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/client"
)

func TestLogout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		told := make(chan *client.Error, 9)
		share := func(cfg *client.Config) { cfg.Store = store }
		s := w.signedIn(t, share, func(cfg *client.Config) {
			cfg.OnEnd = func(e *client.Error) { t.Errorf("told of its own sign-out: %v", e) }
		})
		other := w.session(t, share, func(cfg *client.Config) { cfg.OnEnd = func(e *client.Error) { told <- e } })
		works(t, other)
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if raw, err := store.Load(t.Context()); raw != nil || err != nil {
			t.Errorf("%d bytes are kept, %v", len(raw), err)
		}
		if _, _, err := call(t, s, "/api/me", nil); client.CodeOf(err) != "REFRESH_TOKEN_MISSING" {
			t.Errorf("%v, want REFRESH_TOKEN_MISSING", err)
		}
		w.wantSent(t, "/api/me", 1)

		// The other program is refused, looks, and is told.
		if status, body, err := call(t, other, "/api/me", nil); status != 401 || !strings.Contains(body, "TOKEN_REVOKED") {
			t.Errorf("%d %s %v", status, body, err)
		}
		if e := <-told; e.Code != "REFRESH_TOKEN_MISSING" {
			t.Errorf("told of %v", e)
		}
		w.wantSent(t, "/auth/refresh", 0)

		// Again is no error, and asks nobody.
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if err := other.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		w.wantSent(t, "/auth/logout", 1)
		synctest.Wait()
	})
}

// The issuer is out of reach: signed out here and at once; the issuer is told
// when the program asks again, if need be after a restart.
func TestLogoutDuringAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		share := func(cfg *client.Config) {
			cfg.Store = store
			cfg.OnEnd = func(e *client.Error) { t.Errorf("told of %v", e) }
		}
		s := w.signedIn(t, share)
		token, _, err := s.AccessToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.during(lost)
		if err := s.Renew(t.Context()); err == nil { // and a refresh is not settled
			t.Fatal("renewed")
		}
		w.during(down)
		if err := s.Logout(t.Context()); client.CodeOf(err) != "UNAVAILABLE" {
			t.Errorf("%v, want UNAVAILABLE", err)
		}
		for _, s := range []*client.Session{s, w.session(t, share)} {
			if _, _, err := call(t, s, "/api/me", nil); client.CodeOf(err) != "REFRESH_TOKEN_MISSING" {
				t.Errorf("%v, want REFRESH_TOKEN_MISSING", err)
			}
			if err := s.Renew(t.Context()); client.CodeOf(err) != "REFRESH_TOKEN_MISSING" {
				t.Errorf("%v, want REFRESH_TOKEN_MISSING", err)
			}
		}
		w.wantSent(t, "/api/me", 0)

		w.during(nil)
		w.advance(time.Minute)
		if err := w.session(t, share).Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if raw, err := store.Load(t.Context()); raw != nil || err != nil {
			t.Errorf("%d bytes are kept, %v", len(raw), err)
		}
		if code := w.ask(t, token); code != "TOKEN_REVOKED" {
			t.Errorf("the session goes on at the issuer: %q", code)
		}
	})
}

// A session that is over at the issuer is signed out of without an error.
func TestLogoutOfWhatIsOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.advance(31 * 24 * time.Hour)
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLogoutAll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ends := make(chan *client.Error, 9)
		s := w.signedIn(t)
		other := w.signedIn(t, func(cfg *client.Config) { cfg.OnEnd = func(e *client.Error) { ends <- e } })
		if err := s.LogoutAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if status, _, err := call(t, other, "/api/me", nil); status != http.StatusUnauthorized {
			t.Errorf("%d %v", status, err)
		}
		if e := <-ends; e.Code != "INVALID_REFRESH_TOKEN" {
			t.Errorf("told of %v", e)
		}
	})
}

// A sign-in while the issuer has yet to hear of a sign-out counts.
func TestLoginAfterAFailedLogout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.during(down)
		if err := s.Logout(t.Context()); err == nil {
			t.Fatal("signed out")
		}
		w.during(nil)
		login(t, s)
		works(t, s)
	})
}

// The issuer hears of a sign-out before a sign-in takes its place.
func TestLoginTellsOfTheSignOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		share := func(cfg *client.Config) { cfg.Store = store }
		s := w.signedIn(t, share)
		token, _, err := s.AccessToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.during(down)
		if err := s.Logout(t.Context()); client.CodeOf(err) != "UNAVAILABLE" {
			t.Fatalf("%v, want UNAVAILABLE", err)
		}
		w.during(nil)
		s = w.signedIn(t, share) // after a restart
		if code := w.ask(t, token); code != "TOKEN_REVOKED" {
			t.Errorf("the session goes on at the issuer: %q", code)
		}
		works(t, s)

		// One that goes on is not ended by a sign-in.
		if token, _, err = s.AccessToken(t.Context()); err != nil {
			t.Fatal(err)
		}
		login(t, s)
		if code := w.ask(t, token); code != "" {
			t.Errorf("ended with %q", code)
		}
		w.wantSent(t, "/auth/logout", 2)
	})
}

// If the issuer cannot be told of it, the person can sign in all the same.
func TestLoginWaitsALittleForTheSignOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			if r.URL.Path == "/auth/logout" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return deliver(), nil
		})
		if err := s.Logout(t.Context()); err == nil {
			t.Fatal("signed out")
		}
		begin := time.Now()
		login(t, s)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("signed in after %s, want 3s", took)
		}
		works(t, s)
	})
}

// What is signed out already is not written again.
func TestSecondLogoutWritesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := &counting{Store: client.Memory()}
		s := w.signedIn(t, func(cfg *client.Config) { cfg.Store = store })
		w.during(down)
		for range 3 {
			if err := s.Logout(t.Context()); err == nil {
				t.Fatal("signed out")
			}
		}
		if store.swaps != 2 {
			t.Errorf("%d swaps, want one for the sign-in and one for the sign-out", store.swaps)
		}
	})
}

type counting struct {
	client.Store
	swaps int
}

func (c *counting) Swap(ctx context.Context, old, next []byte) (bool, error) {
	c.swaps++
	return c.Store.Swap(ctx, old, next)
}

// A store that cannot be read is no reason for calls to go on.
func TestLogoutForgetsFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		s := w.signedIn(t, func(cfg *client.Config) {
			cfg.Store = store
			cfg.OnEnd = func(e *client.Error) { t.Errorf("told of %v", e) }
		})
		works(t, s)
		raw, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := store.Swap(t.Context(), raw, []byte("cut sh")); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := s.Logout(t.Context()); client.CodeOf(err) != "UNAVAILABLE" {
			t.Errorf("%v, want UNAVAILABLE", err)
		}
		if _, _, err := call(t, s, "/api/me", nil); client.CodeOf(err) != "UNAVAILABLE" {
			t.Errorf("%v, want UNAVAILABLE", err)
		}
		w.wantSent(t, "/api/me", 1)
	})
}
