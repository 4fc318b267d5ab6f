package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/server"
)

// attemptIn returns the key that a store has saved beside the token.
func attemptIn(t *testing.T, store client.Store) string {
	t.Helper()
	raw, err := store.Load(context.Background())
	if err != nil || raw == nil {
		t.Fatalf("no record: %v", err)
	}
	var r struct{ Attempt string }
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r.Attempt
}

// The key is in the store before the refresh is sent, stays until there is an
// answer, and is another one next time.
func TestKeyIsSavedFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		s := w.signedIn(t, func(cfg *client.Config) { cfg.Store = store })
		answers := 0
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			if r.URL.Path != "/auth/refresh" {
				return deliver(), nil
			}
			if key := r.Header.Get("Idempotency-Key"); len(key) < 22 || key != attemptIn(t, store) {
				t.Errorf("sent key %q, saved %q", key, attemptIn(t, store))
			}
			if answers++; answers <= 2 {
				deliver()
				return nil, errNetwork
			}
			return deliver(), nil
		})
		if err := s.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		sent := w.at("/auth/refresh")
		if len(sent) != 3 || sent[0].key != sent[1].key || sent[1].key != sent[2].key {
			t.Errorf("%d refreshes, want three with one key", len(sent))
		}
		if key := attemptIn(t, store); key != "" {
			t.Error("the key outlives its refresh")
		}
		if err := s.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again := w.at("/auth/refresh")[3]; again.key == sent[0].key || again.body == sent[0].body {
			t.Error("a key or a token was used for two refreshes")
		}
	})
}

// The answer is lost, and asked for again far past any grace, by a program that
// was started anew meanwhile.
func TestLostAnswerIsAskedForLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		share := func(cfg *client.Config) {
			cfg.Store = store
			cfg.OnEnd = func(e *client.Error) { t.Errorf("ended: %v", e) }
		}
		s := w.signedIn(t, share)
		w.during(lost)
		if err := s.Renew(t.Context()); client.CodeOf(err) != "UNAVAILABLE" || !errors.Is(err, errNetwork) {
			t.Errorf("%v, want UNAVAILABLE for the network", err)
		}
		w.during(nil)
		w.advance(3 * 24 * time.Hour)
		s = w.session(t, share)
		works(t, s)
		time.Sleep(time.Minute)
		w.advance(time.Hour)
		works(t, s)
		for _, c := range w.at("/auth/refresh")[1:] {
			if c.body == w.at("/auth/refresh")[0].body && c.key != w.at("/auth/refresh")[0].key {
				t.Error("the same token with another key")
			}
		}
	})
}

// broken is a store that can be made to fail.
type broken struct {
	client.Store
	mu          sync.Mutex
	read, write error
}

func (b *broken) fail(read, write error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read, b.write = read, write
}

func (b *broken) Load(ctx context.Context) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read != nil {
		return nil, b.read
	}
	return b.Store.Load(ctx)
}

func (b *broken) Swap(ctx context.Context, old, next []byte) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.write != nil {
		return false, b.write
	}
	return b.Store.Swap(ctx, old, next)
}

// Where the key cannot be saved none is sent: the token that is still on the
// disk stays good for whoever starts from there.
func TestNoPlaceForAKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		errReadOnly := errors.New("read-only file system")
		store := &broken{Store: client.Memory()}
		faults := make(chan error, 100)
		share := func(cfg *client.Config) {
			cfg.Store = store
			cfg.OnFault = func(err error) { faults <- err }
			cfg.OnEnd = func(e *client.Error) { t.Errorf("ended: %v", e) }
		}
		s := w.signedIn(t, share)
		store.fail(nil, errReadOnly)
		time.Sleep(16 * time.Minute)
		works(t, s)
		works(t, s)
		w.wantSent(t, "/auth/refresh", 1)
		if key := w.at("/auth/refresh")[0].key; key != "" {
			t.Error("a key was sent that is saved nowhere")
		}
		synctest.Wait()
		if len(faults) != 1 || !errors.Is(<-faults, errReadOnly) {
			t.Errorf("told %d times of the store", len(faults)+1)
		}

		// A start from what the disk has, an hour later.
		w.advance(time.Hour)
		store.fail(nil, nil)
		works(t, w.session(t, share))
	})
}

// While the store fails the session goes on in memory; when it is well again,
// it gets what it missed.
func TestStoreFailsForAWhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := &broken{Store: client.Memory()}
		faults := make(chan error, 100)
		s := w.signedIn(t, func(cfg *client.Config) {
			cfg.Store = store
			cfg.OnFault = func(err error) { faults <- err }
			cfg.OnEnd = func(e *client.Error) { t.Errorf("ended: %v", e) }
		})
		for _, outage := range [][2]error{{nil, errNetwork}, {errNetwork, errNetwork}, {errNetwork, nil}} {
			store.fail(outage[0], outage[1])
			for range 3 {
				time.Sleep(3 * time.Minute)
				works(t, s)
			}
			store.fail(nil, nil)
			time.Sleep(3 * time.Minute)
			works(t, s)
		}
		synctest.Wait()
		for range 3 {
			if err := <-faults; !errors.Is(err, errNetwork) {
				t.Errorf("told of %v", err)
			}
		}
		mine, _, err := s.AccessToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var r struct{ AccessToken string }
		if err := json.Unmarshal(raw, &r); err != nil || r.AccessToken != mine {
			t.Errorf("the store has not caught up: %v", err)
		}
	}, func(cfg *server.Config) { cfg.AccessLife = 3 * time.Minute })
}

// A store that was never read tells nothing: that is no sign-out.
func TestStoreCannotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := &broken{Store: client.Memory()}
		share := func(cfg *client.Config) {
			cfg.Store = store
			cfg.OnEnd = func(e *client.Error) { t.Errorf("ended: %v", e) }
		}
		w.signedIn(t, share)
		s := w.session(t, share)
		store.fail(errNetwork, errNetwork)
		if _, err := s.User(t.Context()); client.CodeOf(err) != "UNAVAILABLE" {
			t.Errorf("%v, want UNAVAILABLE", err)
		}
		store.fail(nil, nil)
		works(t, s)
	})
}

// A store that cannot be read and takes nothing does not hold a sign-in up for
// ever.
func TestStoreThatTakesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		w.signedIn(t, func(cfg *client.Config) { cfg.Store = store })
		blind := &broken{Store: store}
		blind.fail(errNetwork, nil)
		s := w.session(t, func(cfg *client.Config) { cfg.Store = blind })
		if _, err := s.Login(t.Context(), email, password); client.CodeOf(err) != "UNAVAILABLE" {
			t.Errorf("%v, want UNAVAILABLE", err)
		}
	})
}

// A record that was cut short, or is of a later version, is no sign-out either,
// and is left alone until somebody signs in.
func TestRecordThatCannotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, text := range []string{"", "{", `{"v":2}`, `{"v":1,"line":"x","issuer":"` + issuerURL + `"}`, `{"v":1,"line":"x","refreshToken":"a","accessToken":"b\r\nc"}`} {
			store := client.Memory()
			if _, err := store.Swap(t.Context(), nil, []byte(text)); err != nil {
				t.Fatal(err)
			}
			s := w.session(t, func(cfg *client.Config) { cfg.Store = store })
			if _, err := s.User(t.Context()); client.CodeOf(err) != "UNAVAILABLE" {
				t.Errorf("%q: %v, want UNAVAILABLE", text, err)
			}
			if raw, _ := store.Load(t.Context()); string(raw) != text {
				t.Errorf("%q became %q", text, raw)
			}
			login(t, s)
			works(t, s)
		}
	})
}

// A record of another issuer is not that of this one, which gets no token of
// the other's.
func TestRecordOfAnotherIssuer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		store := client.Memory()
		w.signedIn(t, func(cfg *client.Config) { cfg.Store = store })
		s := w.session(t, func(cfg *client.Config) { cfg.Store, cfg.Issuer = store, "http://localhost:4020" })
		if _, err := s.User(t.Context()); client.CodeOf(err) != "REFRESH_TOKEN_MISSING" {
			t.Errorf("%v, want REFRESH_TOKEN_MISSING", err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Renew(t.Context()); client.CodeOf(err) != "REFRESH_TOKEN_MISSING" {
			t.Errorf("%v, want REFRESH_TOKEN_MISSING", err)
		}
		w.wantSent(t, "/auth/logout", 0)
		w.wantSent(t, "/auth/refresh", 0)
		works(t, w.session(t, func(cfg *client.Config) { cfg.Store = store }))
	})
}
