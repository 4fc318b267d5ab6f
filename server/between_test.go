package server_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/server"
)

// meddling is a store in which something happens between the look and the
// write of a request's story, once. What the server writes by itself, such as
// its ledger, is left alone.
type meddling struct {
	auth.Store
	act atomic.Pointer[func()]
}

func (m *meddling) between(act func()) { m.act.Store(&act) }

func (m *meddling) Update(ctx context.Context, fn func(auth.Tx) error) error {
	if ctx.Value(http.ServerContextKey) != nil {
		if act := m.act.Swap(nil); act != nil {
			(*act)()
		}
	}
	return m.Store.Update(ctx, fn)
}

// TestBetween: whatever happens to an account while a password is hashed, the
// story goes by what is so when it writes.
func TestBetween(t *testing.T) {
	const email = "ada@example.com"
	var meddler *meddling
	h := newHouse(t, func(c *server.Config) {
		if meddler == nil {
			meddler = &meddling{Store: c.Store}
		}
		if c.Store == meddler.Store {
			c.Store = meddler
		}
	})
	h.addUser(t, email)
	suspend := func() { h.act(t, []string{"suspend", email}) }
	activate := func() { h.act(t, []string{"activate", email}) }

	meddler.between(suspend)
	if status, p := h.post(t, "/auth/login", map[string]string{"email": email, "password": testPassword}); status != http.StatusForbidden || p.Code != "ACCOUNT_SUSPENDED" {
		t.Errorf("suspended while signing in: %d %s", status, p.Code)
	}
	activate()

	bearer := func(p pair) string { return "Authorization: Bearer " + p.AccessToken }
	change := map[string]string{"current": testPassword, "new": "a password of another kind"}
	p := h.login(t, email)
	meddler.between(suspend)
	if status, p := h.post(t, "/auth/password", change, bearer(p)); status != http.StatusUnauthorized || p.Code != "TOKEN_REVOKED" {
		t.Errorf("suspended while changing the password: %d %s", status, p.Code)
	}
	activate()
	p = h.login(t, email) // by the old password: nothing was changed

	// Another hash of the same password, as a login beside it may store.
	meddler.between(func() {
		err := meddler.Store.Update(t.Context(), func(tx auth.Tx) error {
			u, err := tx.UserByEmail(email)
			if err != nil {
				return err
			}
			u.Password = password.Hash(testPassword, password.DefaultParams, secret.Random(password.SaltSize))
			return tx.UpdateUser(u)
		})
		if err != nil {
			t.Error(err)
		}
	})
	if status, p := h.post(t, "/auth/password", change, bearer(p)); status != http.StatusNoContent {
		t.Errorf("hashed anew while changing the password: %d %s", status, p.Code)
	}
}

// TestShorterAccessLife: once the life of access tokens is shortened, tokens
// that were issued before hold to it as well, and none is revived by it.
func TestShorterAccessLife(t *testing.T) {
	life := 24 * time.Hour
	h := newHouse(t, func(c *server.Config) { c.AccessLife = life })
	h.addUser(t, "ada@example.com")
	p, out := h.login(t, "ada@example.com"), h.login(t, "ada@example.com")
	if resp, _ := h.send(t, http.MethodPost, "/auth/logout", []string{"Authorization: Bearer " + out.AccessToken}, ""); resp.StatusCode != http.StatusNoContent {
		t.Fatal(resp.StatusCode)
	}
	h.stop(t)
	life = 5 * time.Minute
	h.start(t)
	h.offset.Add(int64(25 * time.Minute))
	for name, token := range map[string]string{"good": p.AccessToken, "signed out": out.AccessToken} {
		resp, _ := h.send(t, http.MethodGet, "/api/profile", []string{"Authorization: Bearer " + token}, "")
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	if status, _ := h.post(t, "/auth/refresh", map[string]string{"refreshToken": p.RefreshToken}); status != http.StatusOK {
		t.Errorf("a refresh does not mend it: %d", status)
	}
}

// TestKeysReadLate: a node that could not read the changed keys reads them as
// soon as it can.
func TestKeysReadLate(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	p := h.login(t, "ada@example.com")
	h.broken.down.Store(true)
	h.operate(t, func(ctx context.Context, a *auth.Auth) error {
		if err := a.Keys().Load(ctx); err != nil {
			return err
		}
		return a.Keys().Rotate(ctx, "access", true)
	})
	for begin := time.Now(); time.Since(begin) < time.Second; { // the node hears of it, and cannot look
		h.send(t, http.MethodGet, "/healthz", nil, "")
	}
	h.broken.down.Store(false)
	for begin := time.Now(); ; {
		resp, _ := h.send(t, http.MethodGet, "/api/profile", []string{"Authorization: Bearer " + p.AccessToken}, "")
		if resp.StatusCode == http.StatusUnauthorized {
			return
		}
		if time.Since(begin) > eventually {
			t.Fatal("a token of a removed key is still taken")
		}
	}
}

// TestKeysOfOthers: a node that has not heard of the keys that another one made
// looks for them before it refuses a token; where it cannot look, it says so.
func TestKeysOfOthers(t *testing.T) {
	h := newHouse(t, func(c *server.Config) {
		if b, ok := c.Store.(*breakable); ok {
			b.deaf.Store(true)
		}
	})
	h.addUser(t, "ada@example.com")
	h.operate(t, func(ctx context.Context, a *auth.Auth) error {
		if err := a.Keys().Load(ctx); err != nil {
			return err
		}
		return errors.Join(a.Keys().Rotate(ctx, signing.UseAccess, true), a.Keys().Rotate(ctx, signing.UseRefresh, true))
	})
	store, err := openStore(t.Context(), h.place)
	if err != nil {
		t.Fatal(err)
	}
	cfg := h.settings()
	cfg.Store = store
	other, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	here := h.server
	h.server = other
	p := h.login(t, "ada@example.com")
	h.server = here
	other.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	for _, down := range []bool{true, false} {
		h.broken.down.Store(down)
		want := http.StatusOK
		if down {
			want = http.StatusServiceUnavailable
		}
		var profile, refresh int
		for begin := time.Now(); time.Since(begin) < eventually; time.Sleep(10 * time.Millisecond) {
			resp, _ := h.send(t, http.MethodGet, "/api/profile", []string{"Authorization: Bearer " + p.AccessToken}, "")
			profile = resp.StatusCode
			refresh, _ = h.post(t, "/auth/refresh", map[string]string{"refreshToken": p.RefreshToken}, "Idempotency-Key: 0123456789abcdef")
			if profile == http.StatusUnauthorized || refresh == http.StatusForbidden || profile == want && refresh == want {
				break
			}
		}
		if profile != want || refresh != want {
			t.Errorf("down %v: %d and %d, want %d", down, profile, refresh, want)
		}
	}
	// What no key has ever signed is refused, and soon without a look.
	looks := h.broken.looks.Load()
	for range 20 {
		forged := p.RefreshToken[:len(p.RefreshToken)-4] + "AAAA"
		if status, q := h.post(t, "/auth/refresh", map[string]string{"refreshToken": forged}); status != http.StatusForbidden {
			t.Errorf("forged: %d %s", status, q.Code)
		}
	}
	if n := h.broken.looks.Load() - looks; n > 10 {
		t.Errorf("%d looks for 20 forged tokens", n)
	}
}

// TestKeysAfterAPartition: a node that missed that the keys were changed, because
// the log no longer says so, has them after its housekeeping.
func TestKeysAfterAPartition(t *testing.T) {
	h := newHouse(t)
	h.operate(t, func(ctx context.Context, cutOff *auth.Auth) error { // which follows no log
		if err := cutOff.Keys().Load(ctx); err != nil {
			return err
		}
		before := string(cutOff.Keys().Public().JSON())
		h.operate(t, func(ctx context.Context, a *auth.Auth) error {
			return errors.Join(a.Keys().Load(ctx), a.Keys().Rotate(ctx, signing.UseAccess, true))
		})
		if err := cutOff.Keys().Load(ctx); err != nil {
			return err
		}
		if string(cutOff.Keys().Public().JSON()) == before {
			t.Error("it still goes by the keys that were removed")
		}
		return nil
	})
}

// TestOriginsAreNormal: an origin that is configured in another spelling is
// let through by CORS and by the check on cookies alike.
func TestOriginsAreNormal(t *testing.T) {
	h := newHouse(t, func(c *server.Config) { c.AllowedOrigins = []string{"https://APP.example.com:443"} })
	h.addUser(t, "ada@example.com")
	p := h.login(t, "ada@example.com")
	resp, _ := h.send(t, http.MethodPost, "/auth/refresh", []string{
		"Origin: https://app.example.com", "Sec-Fetch-Site: same-site", "Cookie: __Host-Http-doorward=" + p.RefreshToken,
	}, "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("%d %s", resp.StatusCode, resp.Header)
	}
}

// TestTheftIsNotDrowned: a flood of one code takes no room from another.
func TestTheftIsNotDrowned(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	for range 1500 {
		h.send(t, http.MethodGet, "/auth/me", nil, "")
	}
	first := h.login(t, "ada@example.com").RefreshToken
	token := first
	for range 2 {
		_, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": token})
		token = p.RefreshToken
	}
	resp, _ := h.send(t, http.MethodPost, "/auth/refresh", nil, `{"refreshToken":"`+first+`"}`)
	id := resp.Header.Get("Doorward-Denial")
	h.close(t)
	h.view(t, func(tx auth.Tx) error {
		record, err := tx.Denial(id)
		if err == nil && record.Code != "REFRESH_TOKEN_REUSED" {
			t.Errorf("%+v", record)
		}
		return err
	})
}
