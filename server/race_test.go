package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

// pair is what a login or a refresh is answered with.
type pair struct{ AccessToken, RefreshToken, Code string }

func (h *house) post(t *testing.T, path string, body map[string]string, fields ...string) (int, pair) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, got := h.send(t, http.MethodPost, path, fields, string(data))
	var p pair
	if len(got) > 0 {
		if err := json.Unmarshal(got, &p); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, p
}

func (h *house) addUser(t *testing.T, email string) {
	t.Helper()
	h.act(t, []string{"user", email})
}

func (h *house) login(t *testing.T, email string) pair {
	t.Helper()
	status, p := h.post(t, "/auth/login", map[string]string{"email": email, "password": testPassword})
	if status != http.StatusOK {
		t.Fatalf("login: %d", status)
	}
	return p
}

// TestRefreshAtOnce: 64 refreshes with one token at the same time, all with
// the same key, all with none, or each with its own. Nobody is signed out, and
// what each of them got is of one generation.
func TestRefreshAtOnce(t *testing.T) {
	const width = 64
	for name, key := range map[string]func(int) []string{
		"same key": func(int) []string { return []string{"Idempotency-Key: same"} },
		"no key":   func(int) []string { return nil },
		"own keys": func(i int) []string { return []string{fmt.Sprintf("Idempotency-Key: key-%d", i)} },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.addUser(t, "ada@example.com")
			token := h.login(t, "ada@example.com").RefreshToken
			for round := range 5 {
				tokens := make([]string, width)
				var wg sync.WaitGroup
				for i := range width {
					wg.Go(func() {
						status, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": token}, key(i)...)
						if status != http.StatusOK {
							t.Errorf("round %d: %d %s", round, status, p.Code)
						}
						tokens[i] = p.RefreshToken
					})
				}
				wg.Wait()
				different := map[string]bool{}
				for _, got := range tokens {
					different[got] = true
				}
				if want := map[string]int{"same key": 1, "no key": 1, "own keys": width}[name]; len(different) != want {
					t.Errorf("round %d: %d different tokens, want %d", round, len(different), want)
				}
				token = tokens[width/2]
			}
		})
	}
}

// TestReuseAtOnce: whoever uses a superseded token ends the session once, and
// every other session goes on.
func TestReuseAtOnce(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	stolen, other := h.login(t, "ada@example.com").RefreshToken, h.login(t, "ada@example.com").RefreshToken
	token := stolen
	for i := range 3 {
		_, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": token}, fmt.Sprintf("Idempotency-Key: k%d", i))
		token = p.RefreshToken
	}
	var mu sync.Mutex
	codes := map[string]int{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": stolen})
			mu.Lock()
			codes[p.Code]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if codes["REFRESH_TOKEN_REUSED"] != 1 || codes["INVALID_REFRESH_TOKEN"] != 15 {
		t.Errorf("codes %v", codes)
	}
	if status, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": other}); status != http.StatusOK {
		t.Errorf("another session of the same user: %d %s", status, p.Code)
	}
}

// TestGuessesAtOnce: a hundred guesses sent together are no more than five.
func TestGuessesAtOnce(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	var mu sync.Mutex
	codes := map[string]int{}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			_, p := h.post(t, "/auth/login", map[string]string{"email": "ada@example.com", "password": fmt.Sprintf("a guess of some length %d", i)})
			mu.Lock()
			codes[p.Code]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if codes["INVALID_CREDENTIALS"] != 5 || codes["RATE_LIMITED"] != 35 {
		t.Errorf("codes %v", codes)
	}
}

// TestSuccessCostsNothing: logins that succeed are never limited, however many
// there are at once.
func TestSuccessCostsNothing(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if status, p := h.post(t, "/auth/login", map[string]string{"email": "ada@example.com", "password": testPassword}); status != http.StatusOK {
				t.Errorf("%d %s", status, p.Code)
			}
		})
	}
	wg.Wait()
}

// TestInARow: a hundred failures in a row close password login, from every
// network, until the password is reset.
func TestInARow(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	guess := map[string]string{"email": "ada@example.com", "password": "not the password"}
	for i := 0; ; i++ {
		status, p := h.post(t, "/auth/login", guess)
		if status == http.StatusTooManyRequests {
			h.offset.Add(int64(15 * time.Minute))
			status, p = h.post(t, "/auth/login", guess)
		}
		if status == http.StatusTooManyRequests {
			if i != 100 {
				t.Fatalf("closed after %d failures", i)
			}
			break
		}
		if p.Code != "INVALID_CREDENTIALS" || i > 100 {
			t.Fatalf("failure %d: %d %s", i, status, p.Code)
		}
	}
	h.offset.Add(int64(24 * time.Hour))
	if _, p := h.post(t, "/auth/login", map[string]string{"email": "ada@example.com", "password": testPassword}); p.Code != "RATE_LIMITED" {
		t.Errorf("the day after: %+v", p)
	}
	h.operate(t, func(ctx context.Context, a *auth.Auth) error {
		return a.ResetPassword(ctx, "ada@example.com", secret.New(testPassword))
	})
	h.login(t, "ada@example.com")
}

// TestClientGone: a request whose client is gone is not acted on, or its
// answer can be asked for again; either way nobody is signed out.
func TestClientGone(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	token := h.login(t, "ada@example.com").RefreshToken
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.web.URL+"/auth/refresh", strings.NewReader(`{"refreshToken":"`+token+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", fmt.Sprintf("try-%d", i))
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
		cancel()
		status, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": token}, fmt.Sprintf("Idempotency-Key: try-%d", i))
		if status != http.StatusOK {
			t.Fatalf("try %d: %d %s", i, status, p.Code)
		}
		token = p.RefreshToken
	}
}

// TestFloodOfRefusals: what is kept of a flood is bounded, and what is not kept
// is counted.
func TestFloodOfRefusals(t *testing.T) {
	h := newHouse(t)
	const refusals = 5000
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range refusals / 8 {
				h.send(t, http.MethodGet, "/auth/me", nil, "")
			}
		})
	}
	wg.Wait()
	h.close(t)
	kept, counted := h.denials(t)
	if kept+counted != refusals || kept > refusals/2 {
		t.Errorf("%d kept and %d counted of %d", kept, counted, refusals)
	}
}

// TestRestoredBackup: a store that lost its latest writes signs nobody out.
func TestRestoredBackup(t *testing.T) {
	h := newHouse(t)
	file, ok := h.store.(*sqlite.Store)
	if !ok {
		t.Skip("what is in a file can be copied from here")
	}
	h.addUser(t, "ada@example.com")
	token := h.login(t, "ada@example.com").RefreshToken
	backup := h.place + ".backup"
	if err := file.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": token})
		token = p.RefreshToken
	}
	h.stop(t)
	h.place = backup
	h.start(t)
	if status, p := h.post(t, "/auth/refresh", map[string]string{"refreshToken": token}); status != http.StatusOK {
		t.Errorf("after the restore: %d %s", status, p.Code)
	}
}

// TestRotatedKeys: what a rotated key signed is taken until it is removed.
func TestRotatedKeys(t *testing.T) {
	h := newHouse(t, func(c *server.Config) { c.KeyAge = 2 * time.Hour })
	h.addUser(t, "ada@example.com")
	p := h.login(t, "ada@example.com")
	profile := func(token string) int {
		resp, _ := h.send(t, http.MethodGet, "/api/profile", []string{"Authorization: Bearer " + token}, "")
		return resp.StatusCode
	}
	rotate := func(atOnce bool) {
		h.operate(t, func(ctx context.Context, a *auth.Auth) error {
			if err := a.Keys().Load(ctx); err != nil {
				return err
			}
			return a.Keys().Rotate(ctx, "access", atOnce)
		})
	}
	rotate(false)
	if status := profile(p.AccessToken); status != http.StatusOK {
		t.Errorf("after an orderly rotation: %d", status)
	}
	rotate(true)
	for begin := time.Now(); profile(p.AccessToken) == http.StatusOK; {
		if time.Since(begin) > eventually {
			t.Fatal("a token of a removed key is still taken")
		}
	}
	status, next := h.post(t, "/auth/refresh", map[string]string{"refreshToken": p.RefreshToken})
	if status != http.StatusOK || profile(next.AccessToken) != http.StatusOK {
		t.Errorf("after a rotation at once, a refresh mends it: %d", status)
	}
}

// TestGuardTellsTheLedger: what the server's guard refuses on a program's own
// routes can be asked for by its id.
func TestGuardTellsTheLedger(t *testing.T) {
	h := newHouse(t)
	resp, _ := h.send(t, http.MethodGet, "/api/profile", []string{"Authorization: Basic YTpi"}, "")
	id := resp.Header.Get("Doorward-Denial")
	h.close(t)
	h.view(t, func(tx auth.Tx) error {
		record, err := tx.Denial(id)
		if err == nil && (record.Path != "/api/profile" || record.Private.Text == "") {
			t.Errorf("record %+v", record)
		}
		return err
	})
}
