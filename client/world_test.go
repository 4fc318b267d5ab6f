package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

const (
	issuerURL = "http://localhost:4010"
	email     = "alice@example.com"
	password  = "correct horse battery staple"
)

// world is a real server inside of a bubble of time, and the network to it.
// The network is a function call: a connection would keep time from passing.
type world struct {
	*wire
	server *server.Server
	ahead  atomic.Int64 // the server's clock, in ns
}

// inWorld runs a test in a bubble. Options change the server's configuration.
func inWorld(t *testing.T, test func(t *testing.T, w *world), options ...func(*server.Config)) {
	t.Helper()
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "doorward.db"))
		if err != nil {
			t.Fatal(err)
		}
		w := &world{}
		cfg := server.Config{
			Store: store, MasterKey: secret.NewMasterKey().Reveal(), Issuer: issuerURL, Signup: true,
			Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
			Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		}
		for _, option := range options {
			option(&cfg)
		}
		if w.server, err = server.New(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/", w.server)
		mux.Handle("/api/me", w.server.Guard().Handler(http.HandlerFunc(me)))
		mux.Handle("/api/admin", w.server.Guard().Require("admin")(http.HandlerFunc(me)))
		w.wire = &wire{handler: mux}
		t.Cleanup(func() { // also where the test fails: a bubble must be left empty
			synctest.Wait()
			w.server.Close()
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
		w.signup(t, email)
		test(t, w)
	})
}

// emptyPools makes the store forget its idle channels: one that was made inside
// of a bubble cannot be used outside of it.
func emptyPools() {
	runtime.GC()
	runtime.GC() // what was in a pool outlives one collection
}

// me answers with what it was sent, and by whom.
func me(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, guard.PrincipalFrom(r.Context()).Email+" "+string(body))
}

func (w *world) signup(t *testing.T, email string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, issuerURL+"/auth/signup", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	if answer.Code != http.StatusCreated {
		t.Fatalf("sign-up: %d %s", answer.Code, answer.Body)
	}
}

// advance moves the server's clock and nobody else's.
func (w *world) advance(d time.Duration) { w.ahead.Add(int64(d)) }

// session is one over the network of the world.
func (w *world) session(t *testing.T, options ...func(*client.Config)) *client.Session {
	t.Helper()
	cfg := client.Config{Issuer: issuerURL, Transport: w.wire}
	for _, option := range options {
		option(&cfg)
	}
	s, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signedIn is a session that has signed in.
func (w *world) signedIn(t *testing.T, options ...func(*client.Config)) *client.Session {
	t.Helper()
	s := w.session(t, options...)
	login(t, s)
	return s
}

func login(t *testing.T, s *client.Session) {
	t.Helper()
	if u, err := s.Login(t.Context(), email, password); err != nil || u.Email != email {
		t.Fatalf("login: %+v, %v", u, err)
	}
}

// call makes one call and returns its status, or 0 and an error.
func call(t *testing.T, s *client.Session, path string, body io.Reader) (int, string, error) {
	t.Helper()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, issuerURL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), nil
}

// works makes a call that must succeed.
func works(t *testing.T, s *client.Session) {
	t.Helper()
	if status, body, err := call(t, s, "/api/me", nil); status != http.StatusOK {
		t.Fatalf("call: %d %s %v", status, body, err)
	}
}

// wire is the network between a client and a server.
type wire struct {
	handler http.Handler

	mu   sync.Mutex
	sent []crossing
	// tamper, if set, does with a request as it likes; deliver brings it to the
	// server and returns the answer.
	tamper func(r *http.Request, deliver func() *http.Response) (*http.Response, error)
}

// crossing is one request that was sent.
type crossing struct {
	path, token, key, body string
	status                 int // 0 if no answer was brought back
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	w.mu.Lock()
	i := len(w.sent)
	w.sent = append(w.sent, crossing{
		path: r.URL.Path, token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
		key: r.Header.Get("Idempotency-Key"), body: string(body),
	})
	tamper := w.tamper
	w.mu.Unlock()
	deliver := func() *http.Response {
		in := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), bytes.NewReader(body))
		in.Header = r.Header.Clone()
		out := httptest.NewRecorder()
		w.handler.ServeHTTP(out, in)
		return out.Result()
	}
	if tamper == nil {
		tamper = func(_ *http.Request, deliver func() *http.Response) (*http.Response, error) { return deliver(), nil }
	}
	resp, err := tamper(r, deliver)
	if err == nil {
		w.mu.Lock()
		w.sent[i].status = resp.StatusCode
		w.mu.Unlock()
	}
	return resp, err
}

// during sets what the network does from now on.
func (w *wire) during(tamper func(r *http.Request, deliver func() *http.Response) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tamper = tamper
}

// reset forgets what was sent, and what the network does.
func (w *wire) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent, w.tamper = nil, nil
}

// at returns what was sent to a path so far.
func (w *wire) at(path string) []crossing {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []crossing
	for _, c := range w.sent {
		if c.path == path {
			all = append(all, c)
		}
	}
	return all
}

// wantSent fails unless so many requests went to a path.
func (w *wire) wantSent(t *testing.T, path string, n int) {
	t.Helper()
	if all := w.at(path); len(all) != n {
		var status []int
		for _, c := range all {
			status = append(status, c.status)
		}
		t.Fatalf("%d requests to %s, want %d; they were answered %d", len(all), path, n, status)
	}
}

var errNetwork = errors.New("the network is down")

// lost delivers the refresh, and loses the answer.
func lost(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
	resp := deliver()
	if r.URL.Path == "/auth/refresh" {
		return nil, errNetwork
	}
	return resp, nil
}

// down loses everything for the issuer's own routes before it arrives.
func down(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/auth/") {
		return nil, errNetwork
	}
	return deliver(), nil
}

// slow delivers a refresh after a while, if anybody still waits.
func slow(d time.Duration) func(*http.Request, func() *http.Response) (*http.Response, error) {
	return func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
		if r.URL.Path == "/auth/refresh" {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			}
		}
		return deliver(), nil
	}
}

// answer makes the refresh be answered so, and nothing else.
func answer(status int, contentType, body string, fields ...string) func(*http.Request, func() *http.Response) (*http.Response, error) {
	return func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
		if r.URL.Path != "/auth/refresh" {
			return deliver(), nil
		}
		out := httptest.NewRecorder()
		out.Header().Set("Content-Type", contentType)
		for i := 0; i < len(fields); i += 2 {
			out.Header().Set(fields[i], fields[i+1])
		}
		out.WriteHeader(status)
		_, _ = out.WriteString(body)
		return out.Result(), nil
	}
}

// without takes a piece of text out of every answer of the issuer's.
func without(piece string) func(*http.Request, func() *http.Response) (*http.Response, error) {
	return func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
		resp := deliver()
		if strings.HasPrefix(r.URL.Path, "/auth/") {
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				return nil, err
			}
			resp.Body = io.NopCloser(strings.NewReader(strings.Replace(string(text), piece, "", 1)))
		}
		return resp, nil
	}
}

// refreshToken reads the refresh token of an answer, which it leaves as it was.
func refreshToken(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	var in struct{ RefreshToken string }
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	return in.RefreshToken
}

// refresh asks the server what a refresh token is worth.
func (w *world) refresh(t *testing.T, token string) (status int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, issuerURL+"/auth/refresh", strings.NewReader(`{"refreshToken":"`+token+`"}`))
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	w.server.ServeHTTP(answer, r)
	return answer.Code
}

// ask asks the issuer what an access token is worth, and returns the code of the
// refusal; "" where there is none.
func (w *world) ask(t *testing.T, token string) doorward.Code {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuerURL+"/auth/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := w.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if e := client.ErrorFrom(resp); e != nil {
		return e.Code
	}
	return ""
}
