package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/verify"
)

// machines is an issuer of API keys that answers from memory.
type machines struct {
	mu    sync.Mutex
	keys  map[string]*doorward.Principal // by text
	ended map[string]*Ending
	asked int
	takes time.Duration
	down  error // what Introspect fails with
	deaf  error // what Revoked fails with
}

func newMachines() *machines {
	return &machines{keys: make(map[string]*doorward.Principal), ended: make(map[string]*Ending)}
}

// add makes a key.
func (m *machines) add(life time.Duration, scopes ...string) (text, id string) {
	k, secret := apikey.Make("reports", scopes, time.Now(), life)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[secret.Reveal()] = &doorward.Principal{Kind: doorward.KindKey, Subject: k.ID.String(), Name: k.Name, Scopes: k.Scopes, ExpiresAt: k.ExpiresAt}
	return secret.Reveal(), k.ID.String()
}

func (m *machines) Introspect(ctx context.Context, text string) (*doorward.Principal, error) {
	m.mu.Lock()
	m.asked++
	p, down, takes := m.keys[text], m.down, m.takes
	m.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch {
	case down != nil:
		return nil, down
	case p == nil:
		return nil, &Inactive{Text: "there is none like it"}
	}
	return p, nil
}

func (m *machines) Revoked(id string) (*Ending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ended[id], m.deaf
}

func (m *machines) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *machines) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

func (m *machines) guard(t *testing.T, change ...func(*Config)) *Guard {
	t.Helper()
	c := Config{Issuer: streamIssuer, Audience: []string{audience}, Keys: &countedKeys{}, Revocations: m}
	for _, f := range change {
		f(&c)
	}
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func wantCode(t *testing.T, g *Guard, when, key string, want doorward.Code) *doorward.Denial {
	t.Helper()
	p, d := g.Verify(t.Context(), key)
	if codeOf(d) != want || (p == nil) != (d != nil) {
		t.Errorf("%s: %+v, %+v, want %q", when, p, d, want)
	}
	if d != nil && strings.Contains(fmt.Sprintf("%+v", d), key) {
		t.Errorf("%s: the denial holds the key", when)
	}
	return d
}

func TestAPIKeyIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachines()
		m.takes = time.Second
		key, id := m.add(0, "reports:read")
		g := m.guard(t)
		// A hundred first uses are one question.
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { wantCode(t, g, "at first", key, "") })
		}
		wg.Wait()
		if m.count() != 1 {
			t.Fatalf("asked %d times", m.count())
		}
		p, _ := g.Verify(t.Context(), key)
		if !p.IsKey() || p.Subject != id || p.Name != "reports" || !p.HasScope("reports:read") || p.Session != "" {
			t.Errorf("%+v", p)
		}
		// Used on, it is asked about again in the background; nobody waits.
		for range 60 {
			time.Sleep(5 * time.Second)
			begun := time.Now()
			wantCode(t, g, "in use", key, "")
			if time.Since(begun) != 0 {
				t.Fatal("a request waited")
			}
		}
		if n := m.count(); n < 4 || n > 7 {
			t.Errorf("asked %d times in 5 minutes", n)
		}
		// While nobody answers it is good for as long as it is remembered.
		m.change(func() { m.down = errors.New("out of reach") })
		last := m.count()
		for range 36 {
			time.Sleep(5 * time.Second)
			wantCode(t, g, "in an outage", key, "")
		}
		if n := m.count() - last; n > 20 {
			t.Errorf("asked %d times in an outage of 3 minutes", n)
		}
		time.Sleep(3 * time.Minute)
		if d := wantCode(t, g, "in a long outage", key, doorward.Unavailable); d.RetryAfter == 0 || !strings.Contains(d.Private.Text, "out of reach") {
			t.Errorf("%+v", d)
		}
		m.change(func() { m.down = nil })
		wantCode(t, g, "after it", key, "")
	})
}

func TestAPIKeyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachines()
		g := m.guard(t)
		key, id := m.add(0, "a")
		wantCode(t, g, "good", key, "")
		m.change(func() { m.ended[id] = &Ending{At: time.Now(), By: "operator"} })
		if d := wantCode(t, g, "revoked", key, doorward.APIKeyInvalid); !strings.Contains(d.Private.Text, `"reports" was revoked at`) || !strings.Contains(d.Private.Text, "by the operator") ||
			d.Private.Token.ID != id || d.Private.Token.Fingerprint != verify.Fingerprint(key) {
			t.Errorf("%+v", d)
		}
		// Nothing is known is neither good nor bad.
		m.change(func() { m.deaf = errors.New("silent") })
		wantCode(t, g, "when the stream is stale", key, doorward.Unavailable)
		m.change(func() { m.deaf = nil })

		brief, _ := m.add(time.Minute, "a")
		wantCode(t, g, "before its end", brief, "")
		time.Sleep(time.Minute)
		if d := wantCode(t, g, "at its end", brief, doorward.APIKeyInvalid); !strings.Contains(d.Private.Text, "expired") {
			t.Errorf("%+v", d)
		}

		// Withdrawn without a word: known when it is asked about again.
		quiet, _ := m.add(0, "a")
		wantCode(t, g, "good", quiet, "")
		m.change(func() { delete(m.keys, quiet) })
		time.Sleep(2 * time.Minute)
		wantCode(t, g, "remembered", quiet, "") // which asks, in the background
		synctest.Wait()
		if d := wantCode(t, g, "found out", quiet, doorward.APIKeyInvalid); !strings.Contains(d.Private.Text, "none like it") {
			t.Errorf("%+v", d)
		}
	})
}

// What is no key costs nothing, and what looks like one only so much.
func TestAPIKeyFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachines()
		good, _ := m.add(0, "a")
		g := m.guard(t)
		wantCode(t, g, "good", good, "")
		_, made := apikey.Make("x", nil, time.Now(), 0)
		text := made.Reveal()
		for range 1000 {
			wantCode(t, g, "mistyped", text[:len(text)-1]+"!", doorward.APIKeyInvalid)
			wantCode(t, g, "mistyped", text[:40]+string("01"[text[40]&1^1])+text[41:], doorward.APIKeyInvalid)
		}
		if m.count() != 1 {
			t.Errorf("asked %d times about what cannot be a key", m.count())
		}
		wantCode(t, g, "unknown", text, doorward.APIKeyInvalid)
		for range 1000 {
			wantCode(t, g, "unknown, again", text, doorward.APIKeyInvalid)
		}
		if m.count() != 2 {
			t.Errorf("asked %d times about one key", m.count())
		}
		// With care one may make up keys whose checksum is right.
		codes := map[doorward.Code]int{}
		for range 5000 {
			_, made := apikey.Make("x", nil, time.Now(), 0)
			_, d := g.Verify(t.Context(), made.Reveal())
			codes[codeOf(d)]++
		}
		if n := m.count(); n > 2+askBurst || codes[doorward.Unavailable] == 0 || codes[""] != 0 {
			t.Errorf("asked %d times; answered %v", n, codes)
		}
		wantCode(t, g, "the good one meanwhile", good, "")
		time.Sleep(2 * time.Second)
		another, _ := m.add(0, "a")
		wantCode(t, g, "a new one afterwards", another, "")
	})
}

func TestAPIKeyMemoryIsBounded(t *testing.T) {
	k := newKeyring(newMachines(), false)
	asked := time.Now()
	for i := range 3 * maxKeys {
		hash := apikey.Hash{byte(i), byte(i >> 8), byte(i >> 16)}
		k.learn(hash, &question{principal: &doorward.Principal{}}, asked)
		k.learn(hash, &question{err: errors.New("unknown")}, asked) // takes nothing away
		hash[31] = 1
		k.learn(hash, &question{err: &Inactive{}}, asked)
	}
	if len(k.good) > maxKeys || len(k.good) < maxKeys/2 || len(k.bad) > maxKeys || len(k.bad) < maxKeys/2 {
		t.Errorf("%d good ones, %d bad ones", len(k.good), len(k.bad))
	}
}

func TestStrict(t *testing.T) {
	i := newIssuer(t)
	m := newMachines()
	g := i.guard(t, func(c *Config) { c.Revocations, c.Now = m, i.clock.now })
	route := g.Need(Need{Strict: true})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	token := i.token(t)
	status := func() int { return send(t, route, "GET", "/", "Authorization", "Bearer "+token).Code }
	if got := status(); got != 401 { // the issuer says that it is not active
		t.Errorf("not active: %d", got)
	}
	m.change(func() { m.keys[token] = &doorward.Principal{Kind: doorward.KindUser, Subject: "u"} })
	for range 3 {
		if got := status(); got != 200 {
			t.Errorf("active: %d", got)
		}
	}
	if m.count() != 4 {
		t.Errorf("asked %d times for 4 requests", m.count())
	}
	m.change(func() { m.down = errors.New("out of reach") })
	if got := status(); got != 503 {
		t.Errorf("out of reach: %d", got)
	}
	// What is not genuine needs no question.
	before := m.count()
	if got := send(t, route, "GET", "/", "Authorization", "Bearer "+token+"x").Code; got != 401 || m.count() != before {
		t.Errorf("forged: %d, asked %d times", got, m.count()-before)
	}

	// A key is asked about every time, too.
	m.change(func() { m.down = nil })
	key, id := m.add(0, "a")
	strict := g.Need(Need{Scopes: []string{"a"}, Strict: true})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	before = m.count()
	for range 3 {
		if got := send(t, strict, "GET", "/", "Authorization", "Bearer "+key).Code; got != 200 {
			t.Errorf("a key: %d", got)
		}
	}
	if n := m.count() - before; n != 3 {
		t.Errorf("asked %d times", n)
	}
	m.change(func() { delete(m.keys, key) })
	if got := send(t, strict, "GET", "/", "Authorization", "Bearer "+key).Code; got != 401 {
		t.Errorf("key %s, withdrawn: %d", id, got)
	}

	defer func() {
		if recover() == nil {
			t.Error("a guard without an introspector is strict")
		}
	}()
	i.guard(t).Need(Need{Strict: true})
}

func TestAPIKeyNeedsScope(t *testing.T) {
	m := newMachines()
	g := m.guard(t)
	key, _ := m.add(0, "reports:read")
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, tc := range map[string]struct {
		route http.Handler
		want  int
	}{
		"its scope":      {g.Require("reports:read")(ok), 200},
		"another":        {g.Require("reports:read", "reports:write")(ok), 403},
		"none asked for": {g.Handler(ok), 403},
		"a sign-in":      {g.Need(Need{Scopes: []string{"reports:read"}, MaxAge: time.Hour})(ok), 401},
	} {
		w := send(t, tc.route, "GET", "/", "Authorization", "Bearer "+key)
		if w.Code != tc.want || (w.Code == 200) != (w.Header().Get("WWW-Authenticate") == "") {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	// A guard that nothing tells about keys takes none.
	plain := m.guard(t, func(c *Config) { c.Revocations = nil })
	if _, d := plain.Verify(t.Context(), key); codeOf(d) != doorward.TokenInvalid || !strings.Contains(d.Private.Text, "an API key was sent") {
		t.Errorf("%+v", d)
	}
	// An answer about another key is none.
	m.change(func() { m.keys[key] = &doorward.Principal{Kind: doorward.KindKey, Subject: "other"} })
	if _, d := m.guard(t).Verify(t.Context(), key); codeOf(d) != doorward.Unavailable {
		t.Errorf("%+v", d)
	}
}

// Without revocations a key is remembered for a short time only.
func TestAPIKeyWithoutStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachines()
		key, _ := m.add(0, "a")
		g := m.guard(t, func(c *Config) { c.Revocations, c.Introspector = nil, m })
		wantCode(t, g, "good", key, "")
		m.change(func() { delete(m.keys, key) })
		time.Sleep(keyMemoryAlone)
		wantCode(t, g, "withdrawn", key, doorward.APIKeyInvalid)
	})
}

func TestStreamIntrospects(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string // of the error; empty for none
	}{
		"a key":        {200, `{"active":true,"kind":"key","sub":"k","scope":"a b","name":"n","iat":5}`, ""},
		"inactive":     {200, `{"active":false}`, "inactive"},
		"a page":       {200, `<html>`, "not that of RFC 7662"},
		"another":      {200, `{"ok":true}`, "not that of RFC 7662"},
		"nobody":       {200, `{"active":true}`, "does not say who"},
		"too long":     {200, `{"active":true,"x":"` + strings.Repeat("x", maxIntrospection) + `"}`, "longer than"},
		"own key":      {401, `{"code":"API_KEY_INVALID","detail":"d"}`, "the guard's own API key"},
		"own scope":    {403, ``, "the guard's own API key"},
		"out of reach": {503, ``, "503"},
		"moved":        {302, ``, "302"},
	} {
		w := &wire{answers: []answerer{func(l *line) *http.Response {
			if l.r.URL.Path == "/revocations" {
				return &http.Response{StatusCode: 503, Body: http.NoBody}
			}
			form, _ := io.ReadAll(l.r.Body)
			if string(form) != "token=a%26b" || l.r.Header.Get("Authorization") != "Bearer "+streamKey || l.r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("asked with %q %v", form, l.r.Header)
			}
			return &http.Response{StatusCode: tc.status, Body: io.NopCloser(strings.NewReader(tc.body)), Header: http.Header{}}
		}}}
		p, err := follow(t, w).Introspect(t.Context(), "a&b")
		if tc.want == "" {
			if err != nil || !p.IsKey() || p.Subject != "k" || len(p.Scopes) != 2 || !p.ExpiresAt.IsZero() || p.IssuedAt.Unix() != 5 {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
			continue
		}
		_, inactive := errors.AsType[*Inactive](err)
		if err == nil || inactive != (tc.want == "inactive") || !inactive && !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
