// Package doorwardtest gives a test a real Doorward server: its own store,
// keys and clock, on a loopback address, gone when the test is over.
//
//	srv := doorwardtest.New(t)
//	alice := srv.Login(t, "alice")
//	req.Header.Set("Authorization", "Bearer "+alice.AccessToken)
//	srv.Expire(t, alice) // what does your program do now?
package doorwardtest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
	"github.com/doorward/doorward/verify"
)

// Password is the password of every user that Login makes.
const Password = "correct horse battery staple"

// Server is a running server.
type Server struct {
	// URL is where it listens, and its issuer.
	URL string
	// Audience is what its tokens name as `aud`.
	Audience string

	server *server.Server
	config server.Config
	http   *httptest.Server
	offset atomic.Int64
}

// Session is a user who is signed in.
type Session struct {
	User         User   `json:"user"`
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int    `json:"expiresIn"` // seconds
}

// User is an account.
type User struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

// New starts a server for a test. Options change its configuration before it
// starts; Store, MasterKey, Issuer and Now are set already.
func New(t testing.TB, options ...func(*server.Config)) *Server {
	t.Helper()
	s := &Server{}
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "doorward.db"))
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewUnstartedServer(nil)
	s.URL = "http://" + s.http.Listener.Addr().String()
	cfg := server.Config{
		Store: store, MasterKey: secret.NewMasterKey().Reveal(), Issuer: s.URL, Now: s.Now,
		Signup: true, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, option := range options {
		option(&cfg)
	}
	if s.server, err = server.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s.config = cfg
	s.Audience = s.URL
	if len(cfg.Audience) > 0 {
		s.Audience = cfg.Audience[0]
	}
	s.http.Config.Handler = s.server
	s.http.Start()
	t.Cleanup(func() {
		s.server.EndStreams()
		s.http.Close()
		s.server.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Now is the server's clock: the system's, moved on by Advance. Give it to a
// guard under test, which would otherwise not see time pass.
func (s *Server) Now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// Advance moves the server's clock on.
func (s *Server) Advance(d time.Duration) { s.offset.Add(int64(d)) }

// Expire moves the server's clock on until the session's access token has
// expired. Its refresh token is still good.
func (s *Server) Expire(t testing.TB, session Session) {
	t.Helper()
	s.Advance(time.Duration(session.ExpiresIn)*time.Second + verify.Leeway + time.Second)
}

// Guard returns the server's own guard, for handlers in the test's process.
func (s *Server) Guard() *guard.Guard { return s.server.Guard() }

// Handler returns the server as a handler, for a test that mounts it itself.
func (s *Server) Handler() http.Handler { return s.server }

// Login signs a user in, whom it makes first where there is none. A name
// without an @ stands for an address at example.com.
func (s *Server) Login(t testing.TB, name string) Session {
	t.Helper()
	email := name
	if !strings.Contains(email, "@") {
		email += "@example.com"
	}
	login := map[string]string{"email": email, "password": Password}
	var session Session
	status := s.post(t, "/auth/login", login, &session)
	if status == http.StatusUnauthorized {
		login["name"] = name
		if status := s.post(t, "/auth/signup", login, nil); status != http.StatusCreated {
			t.Fatalf("sign-up of %s: status %d", email, status)
		}
		status = s.post(t, "/auth/login", login, &session)
	}
	if status != http.StatusOK {
		t.Fatalf("sign-in of %s: status %d", email, status)
	}
	return session
}

// Refresh trades the session's refresh token for a new session.
func (s *Server) Refresh(t testing.TB, session Session) Session {
	t.Helper()
	var next Session
	if status := s.post(t, "/auth/refresh", map[string]string{"refreshToken": session.RefreshToken}, &next); status != http.StatusOK {
		t.Fatalf("refresh: status %d", status)
	}
	return next
}

// Logout ends the session.
func (s *Server) Logout(t testing.TB, session Session) {
	t.Helper()
	if status := s.post(t, "/auth/logout", map[string]string{"refreshToken": session.RefreshToken}, nil); status != http.StatusNoContent {
		t.Fatalf("sign-out: status %d", status)
	}
}

// APIKey makes an API key that is good for a day and returns it. With the scopes
// doorward:revocations and doorward:introspect it is one for [guard.NewStream].
func (s *Server) APIKey(t testing.TB, scopes ...string) string {
	t.Helper()
	var key secret.Text
	s.operate(t, func(a *auth.Auth) (err error) {
		_, key, err = a.CreateAPIKey(t.Context(), "test", scopes, 24*time.Hour)
		return err
	})
	return key.Reveal()
}

// RevokeAPIKey ends an API key, as an operator's command would.
func (s *Server) RevokeAPIKey(t testing.TB, key string) {
	t.Helper()
	id, _, err := apikey.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	s.operate(t, func(a *auth.Auth) error { _, err := a.RevokeAPIKey(t.Context(), id); return err })
}

// End ends the session, as an operator's command would: durably, and beside the
// server, which comes to know it within a second.
func (s *Server) End(t testing.TB, session Session) {
	t.Helper()
	claimed, err := verify.Unverified(session.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	id, err := ulid.Parse(claimed.Claims.Session)
	if err != nil {
		t.Fatal(err)
	}
	s.operate(t, func(a *auth.Auth) error { return a.EndSession(t.Context(), ulid.ID{}, id, auth.Caller{}) })
}

// operate does what an operator's command does: beside the server, on the same
// store.
func (s *Server) operate(t testing.TB, act func(*auth.Auth) error) {
	t.Helper()
	stories, done, err := server.Operate(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := act(stories); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) post(t testing.TB, path string, in, out any) int {
	t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if out != nil && resp.StatusCode < 300 {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode
}
