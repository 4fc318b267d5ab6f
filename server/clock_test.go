package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/verify"
)

// timed is a store with a clock of its own.
type timed struct {
	server.Store
	now func() time.Time
}

func (s timed) Now(context.Context) (time.Time, error) { return s.now(), nil }

// TestOperatorsClock: what an operator does at a machine whose clock is wrong is
// recorded by the clock that the servers go by.
func TestOperatorsClock(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	p := h.login(t, "ada@example.com")
	h.operateBy(t, func(c *server.Config) {
		c.Store = timed{c.Store, time.Now}
		c.Now = func() time.Time { return time.Now().Add(-40 * time.Minute) }
	}, func(ctx context.Context, a *auth.Auth) error {
		_, err := a.Suspend(ctx, "ada@example.com")
		return err
	})
	token, err := verify.Unverified(p.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	var log []auth.Revocation
	err = h.store.View(t.Context(), func(tx auth.Tx) (err error) {
		log, err = tx.Revocations(0, 100)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range log {
		if end.Subject == token.Claims.Session {
			if apart := time.Since(end.At).Abs(); apart > time.Minute {
				t.Errorf("the session ended %s from now", apart)
			}
			return
		}
	}
	t.Error("the ending is not in the log")
}

// TestStoresClock: nodes whose clocks are minutes apart go by the store's.
func TestStoresClock(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Minute, -time.Second, time.Second, 5 * time.Minute} {
		h := newHouse(t, func(c *server.Config) {
			c.Store = timed{c.Store, time.Now}
			c.Now = func() time.Time { return time.Now().Add(off) }
		})
		h.addUser(t, "ada@example.com")
		p := h.login(t, "ada@example.com")
		token, err := verify.Unverified(p.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		if apart := time.Since(token.Claims.IssuedAt).Abs(); apart > time.Minute {
			t.Errorf("off by %s: the token was issued %s from now", off, apart)
		}
		resp, _ := h.send(t, http.MethodGet, "/api/profile", []string{"Authorization: Bearer " + p.AccessToken}, "")
		if resp.StatusCode != http.StatusOK {
			t.Errorf("off by %s: status %d", off, resp.StatusCode)
		}
		metrics := httptest.NewRecorder()
		h.server.Metrics().ServeHTTP(metrics, nil)
		if strings.Contains(metrics.Body.String(), "doorward_clock_offset_seconds 0\n") != (off.Abs() < 2*time.Second) {
			t.Errorf("off by %s: the metrics do not say so", off)
		}
	}
}
