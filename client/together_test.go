package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/client"
)

// All goroutines share one renewal, and go out with its token.
func TestOneRenewalForAll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.during(slow(time.Second))
		time.Sleep(16 * time.Minute)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { works(t, s) })
		}
		all.Wait()
		w.wantSent(t, "/auth/refresh", 1)
		w.wantSent(t, "/api/me", 100)
		for _, c := range w.at("/api/me") {
			if c.token != w.at("/api/me")[0].token {
				t.Fatal("calls with different tokens")
			}
		}
	})
}

// The same where the token is refused: whoever comes late with the old one gets
// the one that is there by now.
func TestOneRenewalForAllRefusals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			resp := deliver()
			switch {
			case resp.StatusCode != http.StatusUnauthorized:
			case r.Header.Get("Late") != "":
				time.Sleep(time.Minute) // its 401 comes when the renewal is over
			default:
				time.Sleep(time.Millisecond) // all are on their way
			}
			return resp, nil
		})
		w.advance(time.Hour)
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuerURL+"/api/me", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					r.Header.Set("Late", "yes")
				}
				resp, err := s.Client().Do(r)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("%v, %v", resp, err)
				}
			})
		}
		all.Wait()
		w.wantSent(t, "/auth/refresh", 1)
		w.wantSent(t, "/api/me", 200)
	})
}

// A refusal that comes late is answered with the token that is there by now,
// also while the issuer cannot be asked for another.
func TestLateRefusalDuringAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.advance(time.Hour)
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			resp := deliver()
			if resp.StatusCode == http.StatusUnauthorized {
				time.Sleep(time.Minute) // until the second renewal has failed
			}
			return resp, nil
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			works(t, s)
		}()
		synctest.Wait()
		if err := s.Renew(t.Context()); err != nil {
			t.Error(err)
		}
		w.during(answer(503, "text/html", "", "Retry-After", "600"))
		if err := s.Renew(t.Context()); err == nil {
			t.Error("renewed")
		}
		<-done
		w.wantSent(t, "/api/me", 2)
	})
}

// A caller whose time is up leaves. The renewal goes on, for nobody, and what
// it gets is saved.
func TestCallersLeaveAndTheRenewalGoesOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		s := w.signedIn(t, func(cfg *client.Config) { cfg.Store = store })
		before, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.during(slow(5 * time.Second))
		time.Sleep(16 * time.Minute)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, _, err = s.AccessToken(ctx)
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("%v after %s, want the context's error after 1s", err, took)
		}
		time.Sleep(5 * time.Second)
		after, err := store.Load(t.Context())
		if err != nil || string(before) == string(after) || strings.Contains(string(after), "attempt") {
			t.Errorf("the renewal was not settled: %v", err)
		}
		works(t, s)
		w.wantSent(t, "/auth/refresh", 1)
	})
}

// One who shares the store has renewed: theirs is taken, and nothing asked.
func TestTakesWhatAnotherRenewed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		share := func(cfg *client.Config) { cfg.Store = store }
		one := w.signedIn(t, share)
		two := w.session(t, share)
		works(t, two)
		w.wantSent(t, "/auth/login", 1)
		w.wantSent(t, "/auth/refresh", 0)

		time.Sleep(16 * time.Minute)
		works(t, one)
		works(t, two)
		w.wantSent(t, "/auth/refresh", 1)

		w.advance(time.Hour) // and where it is a refusal that tells
		works(t, one)
		works(t, two)
		w.wantSent(t, "/auth/refresh", 2)
	})
}

// Two who share a store ask at once: with the same token and the same key, so
// that they are one line afterwards too.
func TestTwoAtOnceShareTheKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory() // has no lock
		share := func(cfg *client.Config) { cfg.Store = store }
		one := w.signedIn(t, share)
		two := w.session(t, share)
		works(t, two)
		w.during(slow(time.Second))
		for range 3 {
			time.Sleep(16 * time.Minute)
			var both sync.WaitGroup
			both.Go(func() { works(t, one) })
			both.Go(func() { works(t, two) })
			both.Wait()
		}
		sent := w.at("/auth/refresh")
		if len(sent) != 6 {
			t.Fatalf("%d refreshes, want two each time", len(sent))
		}
		for i := 0; i < 6; i += 2 {
			if sent[i].key == "" || sent[i].key != sent[i+1].key || sent[i].body != sent[i+1].body {
				t.Errorf("round %d: different keys or tokens", i/2)
			}
		}
	})
}

// A sign-in that comes while a renewal is under way counts; the renewal's
// answer does not.
func TestSignInDuringRenewal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.signup(t, "bob@example.com")
		s := w.signedIn(t)
		w.during(slow(5 * time.Second))
		time.Sleep(11 * time.Minute)
		works(t, s) // begins to renew
		time.Sleep(time.Second)
		if _, err := s.Login(t.Context(), "bob@example.com", password); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if u, err := s.User(t.Context()); err != nil || u.Email != "bob@example.com" {
			t.Errorf("the session is %s's, %v", u.Email, err)
		}
		if _, body, _ := call(t, s, "/api/me", nil); body != "bob@example.com " {
			t.Errorf("called as %s", body)
		}
	})
}

// What one user asked for is not done as another.
func TestNoRetryAsSomebodyElse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.signup(t, "bob@example.com")
		s := w.signedIn(t)
		w.advance(time.Hour)
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			resp := deliver()
			if r.URL.Path == "/api/me" && resp.StatusCode == http.StatusUnauthorized {
				if _, err := s.Login(context.Background(), "bob@example.com", password); err != nil {
					t.Error(err)
				}
			}
			return resp, nil
		})
		if status, body, err := call(t, s, "/api/me", nil); status != http.StatusUnauthorized {
			t.Errorf("%d %s %v, want the 401", status, body, err)
		}
		w.wantSent(t, "/api/me", 1)
	})
}

// A sign-out that comes while a renewal is under way counts: its answer brings
// nothing back, and what it was given is worth nothing.
func TestSignOutDuringRenewal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		s := w.signedIn(t, func(cfg *client.Config) {
			cfg.Store = store
			cfg.OnEnd = func(e *client.Error) { t.Errorf("told of %v", e) }
		})
		var renewed string
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			resp := deliver()
			if r.URL.Path == "/auth/refresh" {
				renewed = refreshToken(t, resp)
				time.Sleep(5 * time.Second)
			}
			return resp, nil
		})
		time.Sleep(11 * time.Minute)
		works(t, s)
		time.Sleep(time.Second)
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if raw, err := store.Load(t.Context()); raw != nil || err != nil {
			t.Errorf("the store has %d bytes, %v", len(raw), err)
		}
		if _, _, err := call(t, s, "/api/me", nil); client.CodeOf(err) != "REFRESH_TOKEN_MISSING" {
			t.Errorf("%v, want REFRESH_TOKEN_MISSING", err)
		}
		if status := w.refresh(t, renewed); status != http.StatusForbidden {
			t.Errorf("the token of the late answer still works: %d", status)
		}
		synctest.Wait()
	})
}
