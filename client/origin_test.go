package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/doorwardtest"
)

// listener is a real server that notes the Authorization of what it gets.
type listener struct {
	*httptest.Server
	mu  sync.Mutex
	got []string
}

func listen(t *testing.T, answer http.HandlerFunc) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.got = append(l.got, r.Header.Get("Authorization"))
		l.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.got) == 0 {
		return "nothing"
	}
	return l.got[len(l.got)-1]
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func signedIn(t *testing.T, srv *doorwardtest.Server, options ...func(*client.Config)) *client.Session {
	t.Helper()
	srv.Login(t, "alice") // makes the account
	cfg := client.Config{Issuer: srv.URL}
	for _, option := range options {
		option(&cfg)
	}
	s, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Login(t.Context(), "alice@example.com", doorwardtest.Password); err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, c *http.Client, url string, fields ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// The token goes to the issuer and the configured origins, and to no other: not
// to another port, not to a host below, and by no redirect.
func TestTokenGoesToItsOriginsOnly(t *testing.T) {
	auth := doorwardtest.New(t)
	api, other := listen(t, ok), listen(t, ok)
	byRedirect := listen(t, ok)
	s := signedIn(t, auth, func(cfg *client.Config) {
		cfg.Origins = []string{api.URL, byRedirect.URL, strings.Replace(other.URL, "http:", "https:", 1)}
	})
	token, _, err := s.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + token

	get(t, s.Client(), api.URL+"/x")
	if api.last() != bearer {
		t.Errorf("the API got %.12q", api.last())
	}
	get(t, s.Client(), strings.Replace(api.URL, "http:", "HTTP:", 1)+"/x")
	if api.last() != bearer {
		t.Errorf("the API got %.12q", api.last())
	}
	for _, url := range []string{
		other.URL,
		strings.Replace(api.URL, "127.0.0.1", "localhost", 1),
		strings.Replace(auth.URL, "127.0.0.1", "localhost", 1) + "/healthz",
	} {
		if resp := get(t, s.Client(), url); resp.Request.Header.Get("Authorization") != "" {
			t.Errorf("%s: the request shows a token", url)
		}
		for _, l := range []*listener{api, other} {
			if l.last() != "" && l.URL != api.URL {
				t.Errorf("%s got %.12q", url, l.last())
			}
		}
	}
	if api.last() != "" { // it listens on localhost, too
		t.Errorf("another name of the API's address got %.12q", api.last())
	}

	for _, status := range []int{301, 302, 303, 307, 308} {
		target := ""
		api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, status) })
		target = other.URL + "/there"
		get(t, s.Client(), api.URL+"/x")
		if other.last() != "" {
			t.Errorf("by a %d, another origin got %.12q", status, other.last())
		}
		target = byRedirect.URL + "/there"
		get(t, s.Client(), api.URL+"/x")
		if byRedirect.last() != bearer {
			t.Errorf("by a %d, the second API got %.12q", status, byRedirect.last())
		}
	}
}

// A call with an Authorization of its own is left alone, even when refused. On
// a redirect it stays behind, where net/http would take it along to another
// port or a host below.
func TestOwnAuthorization(t *testing.T) {
	auth := doorwardtest.New(t)
	for _, name := range []string{"covered", "not covered"} {
		api := listen(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
		other := listen(t, ok)
		s := signedIn(t, auth, func(cfg *client.Config) {
			if name == "covered" {
				cfg.Origins = []string{api.URL}
			}
		})
		resp := get(t, s.Client(), api.URL, "Authorization", "Bearer my-own")
		if resp.StatusCode != http.StatusUnauthorized || len(api.got) != 1 || api.last() != "Bearer my-own" {
			t.Errorf("%s: %d, got %q", name, resp.StatusCode, api.got)
		}
		hops := 0
		other.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			other.got = append(other.got, r.Header.Get("Authorization"))
			if hops++; hops < 3 {
				http.Redirect(w, r, other.URL, http.StatusFound)
			}
		})
		api.Config.Handler = http.RedirectHandler(other.URL, http.StatusFound)
		get(t, s.Client(), api.URL, "Authorization", "Bearer my-own")
		if hops != 3 || strings.Join(other.got, "") != "" {
			t.Errorf("%s: behind %d redirects to another port: %q", name, hops, other.got)
		}
		// One at the same origin, however, is what the caller wrote it for.
		var stayed string
		api.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if stayed = r.Header.Get("Authorization"); r.URL.Path == "/a" {
				http.Redirect(w, r, "/b", http.StatusFound)
			}
		})
		get(t, s.Client(), api.URL+"/a", "Authorization", "Bearer my-own")
		if stayed != "Bearer my-own" {
			t.Errorf("%s: behind a redirect at home: %q", name, stayed)
		}
	}
}

// A password and a refresh token follow no redirect.
func TestSecretsFollowNoRedirect(t *testing.T) {
	other := listen(t, ok)
	issuer := listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth/login" {
			_ = json.NewEncoder(w).Encode(map[string]any{"accessToken": "a", "refreshToken": "r", "expiresIn": 60})
			return
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	s, err := client.New(client.Config{Issuer: issuer.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Login(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Renew(t.Context()); client.CodeOf(err) != "UNAVAILABLE" || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("%v, want UNAVAILABLE because of the redirect", err)
	}
	if err := s.Logout(t.Context()); err == nil {
		t.Error("signed out")
	}
	if other.last() != "nothing" {
		t.Error("the redirect was followed")
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, bad := range []client.Config{
		{},
		{Issuer: "auth.example.com"},
		{Issuer: "http://auth.example.com"},
		{Issuer: "https://auth.example.com/"},
		{Issuer: "https://auth.example.com/path"},
		{Issuer: "https://auth.example.com?x"},
		{Issuer: "https://user:secret@auth.example.com"},
		{Issuer: "ftp://auth.example.com"},
		{Issuer: "https://auth.example.com", Origins: []string{"http://api.example.com"}},
		{Issuer: "https://auth.example.com", Origins: []string{"*"}},
		{Issuer: "https://auth.example.com", Timeout: -time.Second},
	} {
		_, err := client.New(bad)
		if err == nil {
			t.Errorf("%+v was taken", bad)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v tells a password", err)
		}
	}
	for _, good := range []client.Config{
		{Issuer: "https://auth.example.com", Origins: []string{"https://api.example.com:8443", "http://[::1]:80"}},
		{Issuer: "http://localhost:4010"},
		{Issuer: "http://127.0.0.1:4010"},
		{Issuer: "http://auth.localhost"},
	} {
		if _, err := client.New(good); err != nil {
			t.Error(err)
		}
	}
}

// Nothing that can be printed shows a token.
func TestNothingPrintsASecret(t *testing.T) {
	auth := doorwardtest.New(t)
	store := client.Memory()
	s := signedIn(t, auth, func(cfg *client.Config) { cfg.Store = store })
	token, _, err := s.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	asNumbers := strings.Trim(fmt.Sprint(raw), "[]")
	for _, v := range []any{s, store, s.Transport(), s.Client(), struct{ inner *client.Session }{s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, token) || strings.Contains(text, "dwr_") || strings.Contains(text, asNumbers) {
				t.Errorf("%s of %T shows the session", verb, v)
			}
		}
	}
}
