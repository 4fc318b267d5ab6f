package client_test

import (
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
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuerURL+"/auth/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		if resp, err := w.RoundTrip(r); err != nil || client.ErrorFrom(resp).Code != "TOKEN_REVOKED" {
			t.Errorf("the session goes on at the issuer: %v %v", resp, err)
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
