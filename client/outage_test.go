package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/server"
)

type tamper = func(*http.Request, func() *http.Response) (*http.Response, error)

// hang lets a refresh wait for ever.
func hang(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
	if r.URL.Path != "/auth/refresh" {
		return deliver(), nil
	}
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// Nothing but a definite denial ends a session: the old token serves as long as
// it lives, then calls fail as what they are, with nothing sent; and when the
// issuer is back, so is the session.
func TestOutagesEndNothing(t *testing.T) {
	const problem, page = "application/problem+json", "text/html"
	cases := map[string]struct {
		tamper    tamper
		code      doorward.Code
		temporary bool
	}{
		"network":                      {down, "UNAVAILABLE", true},
		"no answer":                    {hang, "UNAVAILABLE", true},
		"500":                          {answer(500, page, "oops"), "", true},
		"502":                          {answer(502, page, "bad gateway"), "", true},
		"503 of a proxy":               {answer(503, page, ""), "UNAVAILABLE", true},
		"503":                          {answer(503, problem, `{"code":"UNAVAILABLE"}`), "UNAVAILABLE", true},
		"429":                          {answer(429, problem, `{"code":"RATE_LIMITED"}`), "RATE_LIMITED", true},
		"429 of a proxy":               {answer(429, page, ""), "RATE_LIMITED", true},
		"408":                          {answer(408, page, ""), "", true},
		"500 with a code of a denial":  {answer(500, problem, `{"code":"INVALID_REFRESH_TOKEN"}`), "INVALID_REFRESH_TOKEN", true},
		"a gateway that wants a login": {answer(200, page, "<html>pay</html>"), "UNAVAILABLE", true},
		"tokens cut short":             {answer(200, "application/json", `{"accessToken":"a`), "UNAVAILABLE", true},
		"no access token":              {answer(200, "application/json", `{"refreshToken":"a","expiresIn":5}`), "UNAVAILABLE", true},
		"a token that is none":         {answer(200, "application/json", `{"accessToken":"a\r\nb","refreshToken":"a"}`), "UNAVAILABLE", true},
		"tokens of another kind":       {answer(200, "application/json", `{"accessToken":"a","refreshToken":"a","tokenType":"DPoP"}`), "UNAVAILABLE", true},
		"a life of less than nothing":  {answer(200, "application/json", `{"accessToken":"a","refreshToken":"a","expiresIn":-1}`), "UNAVAILABLE", true},
		"403 of a firewall":            {answer(403, page, "blocked"), "", false},
		"401 of a proxy":               {answer(401, page, "", "WWW-Authenticate", "Basic realm=x"), "", false},
		"401 TOKEN_MISSING":            {answer(401, problem, `{"code":"TOKEN_MISSING"}`), "TOKEN_MISSING", false},
		"403 CROSS_ORIGIN":             {answer(403, problem, `{"code":"CROSS_ORIGIN"}`), "CROSS_ORIGIN", false},
		"400":                          {answer(400, problem, `{"code":"INVALID_REQUEST"}`), "INVALID_REQUEST", false},
		"404":                          {answer(404, page, "not here"), "", false},
		"a redirect":                   {answer(307, page, "", "Location", "https://elsewhere.example/auth/refresh"), "", false},
	}
	inWorld(t, func(t *testing.T, w *world) {
		for name, c := range cases {
			w.reset()
			store := client.Memory()
			share := func(cfg *client.Config) {
				cfg.Store = store
				cfg.OnEnd = func(e *client.Error) { t.Errorf("%s: ended: %v", name, e) }
			}
			s := w.signedIn(t, share)
			w.during(c.tamper)
			for range 5 {
				time.Sleep(10 * time.Second)
				works(t, s)
			}
			time.Sleep(10 * time.Second) // the token is over
			calls := len(w.at("/api/me"))
			for range 6 {
				_, _, err := call(t, s, "/api/me", nil)
				var e *client.Error
				if !errors.As(err, &e) || e.Code != c.code || e.Temporary() != c.temporary {
					t.Fatalf("%s: %v, want code %q, temporary: %v", name, err, c.code, c.temporary)
				}
				time.Sleep(10 * time.Second)
			}
			w.wantSent(t, "/api/me", calls)
			if n := len(w.at("/auth/refresh")); n > 60 {
				t.Errorf("%s: %d refreshes in 2 min of outage", name, n)
			}

			w.during(nil)
			time.Sleep(time.Minute)
			works(t, s)
			works(t, w.session(t, share))
		}
	}, func(cfg *server.Config) { cfg.AccessLife = time.Minute })
}

// A refused token that cannot be renewed for now is no 401 for the caller: it
// is not known what a renewal would have come to.
func TestRefusedDuringAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.advance(time.Hour)
		w.during(down)
		_, _, err := call(t, s, "/api/me", nil)
		var e *client.Error
		if !errors.As(err, &e) || e.Code != "UNAVAILABLE" || !e.Temporary() || !errors.Is(err, errNetwork) {
			t.Errorf("%v, want UNAVAILABLE", err)
		}
		w.during(nil)
		time.Sleep(time.Minute)
		works(t, s)
	})
}

// While a caller waits, a renewal that fails for now is tried again, in pauses
// that grow and differ.
func TestRefreshIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		var pauses []time.Duration
		last := time.Now()
		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			if r.URL.Path == "/auth/refresh" {
				pauses = append(pauses, time.Since(last))
				last = time.Now()
				if len(pauses) < 5 {
					return nil, errNetwork
				}
			}
			return deliver(), nil
		})
		time.Sleep(16 * time.Minute)
		last = time.Now()
		works(t, s)
		w.wantSent(t, "/auth/refresh", 5)
		if pauses[0] != 0 {
			t.Errorf("began after %s", pauses[0])
		}
		least := 125 * time.Millisecond
		for _, pause := range pauses[1:] {
			if pause < least || pause >= 3*least {
				t.Errorf("a pause of %s, want from %s to %s", pause, least, 3*least)
			}
			least *= 2
		}
	})
}

// Retry-After is honoured: within a renewal if it is short, and between them.
func TestRetryAfterIsHonoured(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		time.Sleep(16 * time.Minute)

		w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
			if len(w.at("/auth/refresh")) > 1 {
				return deliver(), nil
			}
			return answer(503, "text/html", "", "Retry-After", "7")(r, deliver)
		})
		begin := time.Now()
		works(t, s)
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("tried again after %s, want 7s", took)
		}

		time.Sleep(16 * time.Minute)
		before := len(w.at("/auth/refresh"))
		w.during(answer(429, "text/html", "", "Retry-After", "120"))
		begin = time.Now()
		for time.Since(begin) < 119*time.Second {
			_, _, err := s.AccessToken(t.Context())
			var e *client.Error
			if !errors.As(err, &e) || e.Code != doorward.RateLimited || e.RetryAfter != 120*time.Second-time.Since(begin) {
				t.Fatalf("after %s: %v, again in %s", time.Since(begin), err, e.RetryAfter)
			}
			time.Sleep(time.Second)
		}
		w.wantSent(t, "/auth/refresh", before+1)
		w.during(nil)
		time.Sleep(2 * time.Second)
		works(t, s)
	})
}

// A sign-in ends what an outage has left behind.
func TestLoginEndsTheBreak(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		w.during(answer(503, "text/html", "", "Retry-After", "7200"))
		if err := s.Renew(t.Context()); client.CodeOf(err) != doorward.Unavailable {
			t.Fatal(err)
		}
		w.during(nil)
		login(t, s)
		time.Sleep(16 * time.Minute)
		works(t, s)
	})
}

// Each definite denial of the refresh ends the session: the program is told
// once, however many wait, with the code and the denial; and so is every later
// call.
func TestDenialsEndTheSession(t *testing.T) {
	for _, code := range []doorward.Code{
		doorward.InvalidRefreshToken, doorward.RefreshTokenReused, doorward.RefreshTokenMissing,
		doorward.UserInactive, doorward.AccountSuspended,
	} {
		t.Run(string(code), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				ends := make(chan *client.Error, 99)
				store := client.Memory()
				share := func(cfg *client.Config) {
					cfg.Store, cfg.OnEnd = store, func(e *client.Error) { ends <- e }
				}
				s := w.signedIn(t, share)
				other := w.session(t, share)
				works(t, other)
				var id string
				w.during(func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
					d := doorward.NewDenial(code, time.Now(), doorward.Reason{})
					id = d.ID
					return answerWith(d)(r, deliver)
				})
				time.Sleep(16 * time.Minute)
				for range 10 {
					go func() { _, _, _ = s.AccessToken(context.Background()) }()
				}
				synctest.Wait()
				if len(ends) != 1 {
					t.Fatalf("told %d times", len(ends))
				}
				if e := <-ends; e.Code != code || e.Denial != id || e.Help != issuerURL+"/errors/"+string(code) || e.Temporary() {
					t.Errorf("told of %+v", e)
				}
				w.wantSent(t, "/auth/refresh", 1)

				// The other program learns it from the store, as does one that starts.
				if _, _, err := other.AccessToken(t.Context()); client.CodeOf(err) != code {
					t.Errorf("the other program: %v", err)
				}
				synctest.Wait()
				if len(ends) != 1 {
					t.Errorf("the other program was told %d times", len(ends))
				}
				if _, _, err := w.session(t, share).AccessToken(t.Context()); client.CodeOf(err) != code {
					t.Errorf("a program that starts: %v", err)
				}
				w.wantSent(t, "/auth/refresh", 1)
				if raw, _ := store.Load(t.Context()); len(raw) == 0 || len(raw) > 600 {
					t.Errorf("%d bytes are kept", len(raw))
				}

				w.during(nil)
				login(t, s)
				works(t, s)
				works(t, other)
			})
		})
	}
}

// answerWith makes the refresh be answered with a denial.
func answerWith(d *doorward.Denial) tamper {
	return func(r *http.Request, deliver func() *http.Response) (*http.Response, error) {
		out := recorder{}
		d.Write(&out, doorward.Wire{Issuer: issuerURL})
		return answer(d.Status(), out.Header().Get("Content-Type"), string(out.body))(r, deliver)
	}
}

type recorder struct {
	header http.Header
	body   []byte
}

func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}
func (r *recorder) WriteHeader(int) {}
func (r *recorder) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}
