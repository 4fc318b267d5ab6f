package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
)

// plain hides what a reader is, so that net/http cannot make it anew.
type plain struct{ io.Reader }

// A refused token is renewed and the call sent again, with its body, whatever
// that is.
func TestMendsWithTheBody(t *testing.T) {
	text := strings.Repeat("a body ", 5000) // 35 kB
	for name, body := range map[string]func() io.Reader{
		"none":           func() io.Reader { return nil },
		"with GetBody":   func() io.Reader { return strings.NewReader(text) },
		"unknown length": func() io.Reader { return plain{strings.NewReader(text)} },
		"declared":       func() io.Reader { return plain{strings.NewReader(text)} },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.signedIn(t)
				w.advance(time.Hour)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuerURL+"/api/me", body())
				if err != nil {
					t.Fatal(err)
				}
				want := text
				switch name {
				case "none":
					want = ""
				case "declared":
					r.ContentLength = int64(len(text))
				}
				resp, err := s.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != http.StatusOK || string(got) != email+" "+want {
					t.Errorf("%d with %d bytes, %v", resp.StatusCode, len(got), err)
				}
				calls := w.at("/api/me")
				if len(calls) != 2 || calls[0].body != want || calls[0].token == calls[1].token {
					t.Errorf("%d calls", len(calls))
				}
			})
		})
	}
}

// A body that cannot be sent again is said to be that. The token is renewed all
// the same, for the next call.
func TestBodyCannotBeSentAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.advance(time.Hour)
		_, _, err := call(t, s, "/api/me", plain{strings.NewReader(strings.Repeat("x", 64<<10+1))})
		var e *client.Error
		if !errors.Is(err, client.ErrBody) || !errors.As(err, &e) || e.Code != doorward.TokenExpired || e.Denial == "" {
			t.Errorf("%v, want TOKEN_EXPIRED because of the body", err)
		}
		w.wantSent(t, "/api/me", 1)
		works(t, s)
		w.wantSent(t, "/auth/refresh", 1)
		w.wantSent(t, "/api/me", 2)
	})
}

// The caller's request is not changed, nor its body left open, and its answer
// names it.
func TestRoundTripperContract(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.advance(time.Hour)
		body := &closing{Reader: strings.NewReader("x")}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuerURL+"/api/me", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Own", "1")
		resp, err := s.Transport().RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		if len(r.Header) != 1 || r.Body != body || resp.Request != r {
			t.Errorf("the request was changed: %v", r.Header)
		}
		if !body.closed.Load() {
			t.Error("the body was left open")
		}
	})
}

func TestBodyIsClosedWithoutASession(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		body := &closing{Reader: strings.NewReader("x")}
		if _, _, err := call(t, w.session(t), "/api/me", body); client.CodeOf(err) != doorward.RefreshTokenMissing || !body.closed.Load() {
			t.Errorf("%v, body closed: %v", err, body.closed.Load())
		}
		w.wantSent(t, "/api/me", 0)
	})
}

type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Close() error { c.closed.Store(true); return nil }

// The first answer is read to its end and closed, or its connection is lost.
func TestFirstAnswerIsClosed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.advance(time.Hour)
		var first *closing
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			resp := deliver()
			if r.URL.Path == "/api/me" && first == nil {
				first = &closing{Reader: resp.Body}
				resp.Body = first
			}
			return resp, nil
		})
		works(t, s)
		if n, _ := io.Copy(io.Discard, first.Reader); n != 0 || !first.closed.Load() {
			t.Errorf("%d bytes unread, closed: %v", n, first.closed.Load())
		}
	})
}

// denyAll answers all calls of the API with a denial, or whatever write writes.
func denyAll(write func(http.ResponseWriter)) func(*http.Request, func() *http.Response) (*http.Response, error) {
	return func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			return deliver(), nil
		}
		out := httptest.NewRecorder()
		write(out)
		return out.Result(), nil
	}
}

// What is done about each code, on a route that goes on refusing: the caller
// gets the last refusal, as it came, after two sends at the most.
func TestEveryCode(t *testing.T) {
	var vectors struct {
		Codes []struct {
			Code     doorward.Code
			Status   int
			Recovery doorward.Recovery
		}
	}
	readVectors(t, &vectors)
	if len(vectors.Codes) != len(doorward.Codes()) {
		t.Fatalf("%d codes in the vectors", len(vectors.Codes))
	}
	inWorld(t, func(t *testing.T, w *world) {
		for _, v := range vectors.Codes {
			w.reset()
			sends, refreshes := 1, 0
			switch v.Code {
			case "TOKEN_MISSING", "TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_REVOKED":
				sends, refreshes = 2, 1
			case "TOKEN_NOT_ACTIVE":
				sends = 2
			}
			if v.Recovery == doorward.RecoverRenew && refreshes != 1 || v.Recovery == doorward.RecoverClock && sends != 2 {
				t.Errorf("%s: the table says %s", v.Code, v.Recovery)
			}
			s := w.signedIn(t)
			w.during(denyAll(func(out http.ResponseWriter) {
				doorward.NewDenial(v.Code, time.Now(), doorward.Reason{}).Write(out, doorward.Wire{Issuer: issuerURL})
			}))
			status, body, err := call(t, s, "/api/x", strings.NewReader("body"))
			if err != nil || status != v.Status || !strings.Contains(body, string(v.Code)) {
				t.Errorf("%s: %d %s %v, want the %d", v.Code, status, body, err, v.Status)
			}
			if a, b := len(w.at("/api/x")), len(w.at("/auth/refresh")); a != sends || b != refreshes {
				t.Errorf("%s: sent %d times with %d refreshes, want %d and %d", v.Code, a, b, sends, refreshes)
			}
		}
	})
}

// Refusals that name no code of ours are judged by their challenge.
func TestChallengesWithoutACode(t *testing.T) {
	cases := map[string]struct {
		challenges []string
		body       string
		sends      int
	}{
		"nothing at all":                {nil, "", 2},
		"a code of the API's own":       {nil, `{"code":"SESSION_STALE"}`, 2},
		"Bearer":                        {[]string{`Bearer realm="api"`}, "", 2},
		"invalid_token":                 {[]string{`Bearer error="invalid_token"`}, "", 2},
		"an error of its own":           {[]string{`Bearer error="stale"`}, "", 2},
		"insufficient_scope":            {[]string{`Bearer error="insufficient_scope", scope="admin"`}, "", 1},
		"step up":                       {[]string{`Bearer error="insufficient_user_authentication"`}, "", 1},
		"step up, with an own code":     {[]string{`Bearer error="insufficient_user_authentication"`}, `{"code":"MORE"}`, 1},
		"invalid_request":               {[]string{`Bearer error="invalid_request"`}, "", 1},
		"Basic":                         {[]string{`Basic realm="proxy"`}, "", 1},
		"Basic, with an own code":       {[]string{`Basic realm="proxy"`}, `{"code":"X"}`, 1},
		"Negotiate":                     {[]string{`Negotiate`}, "", 1},
		"Basic or Bearer":               {[]string{`Basic realm="x", Bearer realm="y"`}, "", 2},
		"Bearer in a field of its own":  {[]string{`Digest nonce="a"`, `bearer`}, "", 2},
		"the code beats the challenge":  {[]string{`Bearer error="invalid_token"`}, `{"code":"VALIDATION_FAILED"}`, 1},
		"the challenge of another code": {[]string{`Basic realm="x"`}, `{"code":"TOKEN_EXPIRED"}`, 2},
		"not JSON":                      {nil, `<html>`, 2},
		"twice the code":                {nil, `{"code":"VALIDATION_FAILED","code":"TOKEN_EXPIRED"}`, 2},
	}
	inWorld(t, func(t *testing.T, w *world) {
		for name, c := range cases {
			w.reset()
			s := w.signedIn(t)
			w.during(denyAll(func(out http.ResponseWriter) {
				out.Header()["Www-Authenticate"] = c.challenges
				out.Header().Set("Content-Type", "application/json; charset=utf-8")
				out.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(out, c.body)
			}))
			if status, body, err := call(t, s, "/api/x", nil); err != nil || status != 401 || body != c.body {
				t.Errorf("%s: %d %q %v", name, status, body, err)
			}
			if a, b := len(w.at("/api/x")), len(w.at("/auth/refresh")); a != c.sends || b != c.sends-1 {
				t.Errorf("%s: sent %d times with %d refreshes, want %d", name, a, b, c.sends)
			}
		}
	})
}

// A route that refuses everybody does not make a program renew all the time.
func TestNoStormOfRenewals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.during(denyAll(func(out http.ResponseWriter) { out.WriteHeader(http.StatusUnauthorized) }))
		for range 300 {
			if status, _, err := call(t, s, "/api/x", nil); status != 401 {
				t.Fatal(status, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(w.at("/auth/refresh")); n != 3 {
			t.Errorf("%d renewals in 30 s, want one in 10 s", n)
		}
	})
}

// A token that is not active yet is sent again in a moment, the same one.
func TestWaitsForTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		retryAfter string
		pause      time.Duration
	}{
		"as usual":        {"", time.Second},
		"as told":         {"3", 3 * time.Second},
		"told a day":      {"86400", 5 * time.Second},
		"told in a dream": {"soon", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.signedIn(t)
				w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
					if len(w.at("/api/me")) > 1 {
						return deliver(), nil
					}
					out := httptest.NewRecorder()
					if c.retryAfter != "" {
						out.Header().Set("Retry-After", c.retryAfter)
					}
					doorward.NewDenial(doorward.TokenNotActive, time.Now(), doorward.Reason{}).Write(out, doorward.Wire{})
					return out.Result(), nil
				})
				begin := time.Now()
				works(t, s)
				if took := time.Since(begin); took != c.pause {
					t.Errorf("sent again after %s, want %s", took, c.pause)
				}
				if calls := w.at("/api/me"); len(calls) != 2 || calls[0].token != calls[1].token {
					t.Errorf("%d calls", len(calls))
				}
				w.wantSent(t, "/auth/refresh", 0)

				w.during(denyAll(func(out http.ResponseWriter) {
					doorward.NewDenial(doorward.TokenNotActive, time.Now(), doorward.Reason{}).Write(out, doorward.Wire{})
				}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuerURL+"/api/me", nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Client().Do(r); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v, want the context's error", err)
				}
			})
		})
	}
}

// The service says that the session is over, and so does the issuer: the caller
// gets that 401, and the program is told by which code the session ended.
func TestRevokedElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ends := make(chan *client.Error, 9)
		store := client.Memory()
		s := w.signedIn(t, func(cfg *client.Config) {
			cfg.Store, cfg.OnEnd = store, func(e *client.Error) { ends <- e }
		})
		raw, err := store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		twin := client.Memory()
		if _, err := twin.Swap(t.Context(), nil, raw); err != nil {
			t.Fatal(err)
		}
		if err := w.session(t, func(cfg *client.Config) { cfg.Store = twin }).Logout(t.Context()); err != nil {
			t.Fatal(err)
		}

		status, body, err := call(t, s, "/api/me", nil)
		if status != http.StatusUnauthorized || !strings.Contains(body, "TOKEN_REVOKED") {
			t.Errorf("%d %s %v, want the 401 TOKEN_REVOKED", status, body, err)
		}
		w.wantSent(t, "/api/me", 1)
		w.wantSent(t, "/auth/refresh", 1)
		if e := <-ends; e.Code != doorward.InvalidRefreshToken || !doorward.ValidDenialID(e.Denial) {
			t.Errorf("told of %v", e)
		}
		for range 3 {
			_, _, err := call(t, s, "/api/me", nil)
			if client.CodeOf(err) != doorward.InvalidRefreshToken {
				t.Errorf("%v, want INVALID_REFRESH_TOKEN", err)
			}
		}
		w.wantSent(t, "/api/me", 1)
		w.wantSent(t, "/auth/refresh", 1)
		synctest.Wait()
		if len(ends) != 0 {
			t.Errorf("told %d times more", len(ends))
		}
		login(t, s)
		works(t, s)
	})
}

// Never on a 403, and never on the routes that take other credentials.
func TestNeverMended(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		if status, body, _ := call(t, s, "/api/admin", nil); status != http.StatusForbidden || !strings.Contains(body, "INSUFFICIENT_SCOPE") {
			t.Errorf("%d %s", status, body)
		}
		w.wantSent(t, "/api/admin", 1)

		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			out := httptest.NewRecorder()
			doorward.NewDenial(doorward.TokenExpired, time.Now(), doorward.Reason{}).Write(out, doorward.Wire{})
			return out.Result(), nil
		})
		for _, path := range []string{
			"/auth/login", "/auth/refresh", "/auth/logout", "/auth/logout/all", "/auth/signup",
			"/auth/password/forgot", "/auth/password/reset", "/auth/email/verify",
		} {
			before := len(w.at(path))
			if status, _, err := call(t, s, path, strings.NewReader("{}")); status != http.StatusUnauthorized {
				t.Errorf("%s: %d %v", path, status, err)
			}
			if sent := w.at(path)[before:]; len(sent) != 1 || sent[0].token != "" {
				t.Errorf("%s: sent %d times, token %.4q", path, len(sent), sent[0].token)
			}
		}
	})
}

// A 403 is none of a renewal's business, whatever it says.
func TestNeverOn403(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.during(denyAll(func(out http.ResponseWriter) {
			out.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			out.Header().Set("Content-Type", "application/json")
			out.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(out, `{"code":"TOKEN_EXPIRED"}`)
		}))
		if status, _, err := call(t, s, "/api/x", nil); status != http.StatusForbidden {
			t.Errorf("%d %v", status, err)
		}
		w.wantSent(t, "/api/x", 1)
		w.wantSent(t, "/auth/refresh", 0)
	})
}

// The issuer's own routes about the user are calls like all others.
func TestOwnRoutesAreCalls(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.advance(time.Hour)
		if status, body, err := call(t, s, "/auth/me", nil); status != http.StatusOK {
			t.Errorf("%d %s %v", status, body, err)
		}
		w.wantSent(t, "/auth/me", 2)
	})
}

func readVectors(t *testing.T, into any) {
	t.Helper()
	text, err := os.ReadFile("../testdata/vectors/denials.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// The body of a refusal may never end. After 2 seconds the fields of the answer
// decide.
func TestRefusalWithoutAnEnd(t *testing.T) {
	for _, media := range []string{"application/json", "text/html"} {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.signedIn(t)
			w.during(func(_ *http.Request, deliver func() *http.Response) (*http.Response, error) {
				if len(w.at("/api/me")) != 1 || len(w.at("/auth/refresh")) > 0 {
					return deliver(), nil
				}
				body, _ := io.Pipe()
				return &http.Response{StatusCode: 401, Header: http.Header{
					"Content-Type":     {media},
					"Www-Authenticate": {`Bearer error="invalid_token"`},
				}, Body: body}, nil
			})
			begin := time.Now()
			works(t, s)
			if took := time.Since(begin); took != 2*time.Second {
				t.Errorf("%s: took %s, want 2s", media, took)
			}
			w.wantSent(t, "/api/me", 2)
		})
	}
}
