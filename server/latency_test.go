package server_test

import (
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/server"
)

// TestLatencyOfAnEnding prints how long after an ending was acknowledged guards
// elsewhere know of it: two that follow the node which answered, one that follows
// another node on the same store. It asserts that they come to know it, and no
// time. docs/operations.md has what it printed.
func TestLatencyOfAnEnding(t *testing.T) {
	h := newHouse(t)
	key := h.apiKey(t, "guard", "720h", "doorward:revocations")
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
	far := httptest.NewServer(other)
	t.Cleanup(func() {
		other.EndStreams()
		h.server.EndStreams()
		far.Close()
		other.Close()
		store.Close()
	})
	names := []string{"this node", "this node too", "the other node"}
	took := make([][]time.Duration, len(names))
	var guards []*guard.Stream
	for _, url := range []string{h.web.URL, h.web.URL, far.URL} {
		s, err := guard.NewStream(t.Context(), guard.StreamConfig{Issuer: url, APIKey: key})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		guards = append(guards, s)
	}
	h.act(t, []string{"user", "ada@example.com"})
	n := 50
	if testing.Short() {
		n = 5
	}
	for range n {
		h.run(t, `POST /auth/login

{"email":"ada@example.com","password":"${password}"}
---
200
{"refreshToken":"=refresh","accessToken":"=access"}
===
GET /auth/me
Authorization: Bearer ${access}
---
200
{"session":{"sid":"=sid"}}`)
		h.signOut(t, h.vars["refresh"])
		acknowledged := time.Now()
		var wg sync.WaitGroup
		for i, s := range guards {
			wg.Go(func() {
				for time.Since(acknowledged) < eventually {
					if end, err := s.Revoked(h.vars["sid"]); err != nil || end != nil {
						took[i] = append(took[i], time.Since(acknowledged))
						return
					}
					time.Sleep(50 * time.Microsecond)
				}
				t.Errorf("the guard of %s was not told", names[i])
			})
		}
		wg.Wait()
	}
	for i, all := range took {
		slices.Sort(all)
		if len(all) > 0 {
			t.Logf("%-14s n=%d p50=%v p90=%v p99=%v max=%v", names[i], len(all),
				all[len(all)/2].Round(10*time.Microsecond), all[len(all)*9/10].Round(10*time.Microsecond),
				all[len(all)*99/100].Round(10*time.Microsecond), all[len(all)-1].Round(10*time.Microsecond))
		}
	}
}
