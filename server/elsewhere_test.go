package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/auth"
)

// elsewhere is a guard in another program, which follows the server.
func (h *house) elsewhere(t *testing.T) *guard.Guard {
	t.Helper()
	stream, err := guard.NewStream(t.Context(), guard.StreamConfig{
		Issuer: h.web.URL, APIKey: h.apiKey(t, "elsewhere", "720h", "doorward:revocations", "doorward:introspect"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	g, err := guard.New(guard.Config{Issuer: h.web.URL, Audience: []string{h.web.URL}, Revocations: stream, Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

// soon waits until a credential is answered with a code.
func soon(t *testing.T, g *guard.Guard, credential string, want doorward.Code) *doorward.Denial {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		_, d := g.Verify(t.Context(), credential)
		if d == nil && want == "" || d != nil && d.Code == want {
			return d
		}
		if time.Since(begun) > eventually {
			t.Fatalf("still %v, want %q", d, want)
		}
	}
}

// What ends at the server ends at a guard in another program: sessions, API keys,
// and what a key that leaked has signed.
func TestGuardElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	g := h.elsewhere(t)

	h.signIn(t, "ada@example.com")
	access := h.vars["access"]
	soon(t, g, access, "")
	h.act(t, []string{"suspend", "ada@example.com"})
	d := soon(t, g, access, doorward.TokenRevoked)
	if want := "by the operator (suspended)"; !strings.Contains(d.Private.Text, want) {
		t.Errorf("%q, want %q in it", d.Private.Text, want)
	}

	key := h.apiKey(t, "reports", "720h", "reports:read")
	soon(t, g, key, "")
	h.revoke(t, key)
	if d := soon(t, g, key, doorward.APIKeyInvalid); !strings.Contains(d.Private.Text, `"reports" was revoked`) {
		t.Errorf("%q", d.Private.Text)
	}

	h.signIn(t, "berta@example.com")
	access = h.vars["access"]
	soon(t, g, access, "")
	h.operate(t, func(ctx context.Context, a *auth.Auth) error {
		if err := a.Keys().Load(ctx); err != nil {
			return err
		}
		return a.Keys().Rotate(ctx, "access", true)
	})
	soon(t, g, access, doorward.TokenInvalid)
}

// The last use of a key is recorded, and not each.
func TestLastUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key := h.apiKey(t, "reports", "720h", "reports:read")
	used := func() (at time.Time) {
		t.Helper()
		h.operate(t, func(ctx context.Context, a *auth.Auth) error {
			all, err := a.APIKeys(ctx)
			at = all[0].UsedAt
			return err
		})
		return at
	}
	if at := used(); !at.IsZero() {
		t.Errorf("before its first use: %v", at)
	}
	soon(t, h.server.Guard(), key, "")
	first := used()
	for begun := time.Now(); first.IsZero() && time.Since(begun) < eventually; first = used() {
	}
	if age := h.now().Sub(first); age < 0 || age > time.Minute {
		t.Fatalf("used %v ago", age)
	}
	// Again within the hour nothing is written, and after it something is.
	use := func() {
		t.Helper()
		h.stop(t) // what waits is written, and the guard's memory is gone
		h.start(t)
		soon(t, h.server.Guard(), key, "")
		h.stop(t)
		h.start(t)
	}
	h.offset.Add(int64(59 * time.Minute))
	use()
	if at := used(); !at.Equal(first) {
		t.Errorf("within the hour: %v, after %v", at, first)
	}
	h.offset.Add(int64(2 * time.Minute))
	use()
	if at := used(); at.Sub(first) < time.Hour {
		t.Errorf("after the hour: %v, after %v", at, first)
	}
}
