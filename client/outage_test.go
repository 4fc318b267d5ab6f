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
		tamper tamper
		code   doorward.Code
		cause  doorward.Code // of the answer, where it is not that of the error
	}{
		"network":                      {tamper: down, code: "UNAVAILABLE"},
		"no answer":                    {tamper: hang, code: "UNAVAILABLE"},
		"500":                          {tamper: answer(500, page, "oops"), code: "UNAVAILABLE"},
		"502":                          {tamper: answer(502, page, "bad gateway"), code: "UNAVAILABLE"},
		"503 of a proxy":               {tamper: answer(503, page, ""), code: "UNAVAILABLE"},
		"503":                          {tamper: answer(503, problem, `{"code":"UNAVAILABLE"}`), code: "UNAVAILABLE"},
		"429":                          {tamper: answer(429, problem, `{"code":"RATE_LIMITED"}`), code: "RATE_LIMITED"},
		"429 of a proxy":               {tamper: answer(429, page, ""), code: "RATE_LIMITED"},
		"408":                          {tamper: answer(408, page, ""), code: "UNAVAILABLE"},
		"500 with a code of a denial":  {tamper: answer(500, problem, `{"code":"INVALID_REFRESH_TOKEN"}`), code: "UNAVAILABLE", cause: "INVALID_REFRESH_TOKEN"},
		"a gateway that wants a login": {tamper: answer(200, page, "<html>pay</html>"), code: "UNAVAILABLE"},
		"tokens cut short":             {tamper: answer(200, "application/json", `{"accessToken":"a`), code: "UNAVAILABLE"},
		"no access token":              {tamper: answer(200, "application/json", `{"refreshToken":"a","expiresIn":5}`), code: "UNAVAILABLE"},
		"a token that is none":         {tamper: answer(200, "application/json", `{"accessToken":"a\r\nb","refreshToken":"a"}`), code: "UNAVAILABLE"},
		"tokens of another kind":       {tamper: answer(200, "application/json", `{"accessToken":"a","refreshToken":"a","tokenType":"DPoP"}`), code: "UNAVAILABLE"},
		"a life of less than nothing":  {tamper: answer(200, "application/json", `{"accessToken":"a","refreshToken":"a","expiresIn":-1}`), code: "UNAVAILABLE"},
		"403 of a firewall":            {tamper: answer(403, page, "blocked"), code: "UNAVAILABLE"},
		"401 of a proxy":               {tamper: answer(401, page, "", "WWW-Authenticate", "Basic realm=x"), code: "UNAVAILABLE"},
		"401 TOKEN_MISSING":            {tamper: answer(401, problem, `{"code":"TOKEN_MISSING"}`), code: "UNAVAILABLE", cause: "TOKEN_MISSING"},
		"403 CROSS_ORIGIN":             {tamper: answer(403, problem, `{"code":"CROSS_ORIGIN"}`), code: "UNAVAILABLE", cause: "CROSS_ORIGIN"},
		"400":                          {tamper: answer(400, problem, `{"code":"INVALID_REQUEST"}`), code: "UNAVAILABLE", cause: "INVALID_REQUEST"},
		"404":                          {tamper: answer(404, page, "not here"), code: "UNAVAILABLE"},
		"a redirect":                   {tamper: answer(307, page, "", "Location", "https://elsewhere.example/auth/refresh"), code: "UNAVAILABLE"},
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
				if !errors.As(err, &e) || e.Code != c.code || !e.Temporary() {
					t.Fatalf("%s: %v, want code %q, temporary", name, err, c.code)
				}
				if cause := client.CodeOf(e.Err); cause != c.cause {
					t.Fatalf("%s: because of %q, want %q", name, cause, c.cause)
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
		time.Sleep(61 * time.Second)
		works(t, s)
	}, func(cfg *server.Config) { cfg.AccessLife = time.Minute })
}

// One answer that asks for a day puts renewals off for 5 minutes, whoever gives it.
func TestRetryAfterIsNotBelievedForLong(t *testing.T) {
	for _, status := range []int{403, 429, 503} {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.signedIn(t)
			time.Sleep(16 * time.Minute)
			w.during(answer(status, "text/html", "", "Retry-After", "86400"))
			_, _, err := call(t, s, "/api/me", nil)
			var e *client.Error
			if !errors.As(err, &e) || !e.Temporary() || e.RetryAfter != 5*time.Minute {
				t.Fatalf("%d: %v, again in %s", status, err, e.RetryAfter)
			}
			w.during(nil)
			time.Sleep(5*time.Minute - time.Second)
			if _, _, err := call(t, s, "/api/me", nil); !errors.As(err, &e) || e.RetryAfter != time.Second {
				t.Errorf("%d: %v a second before", status, err)
			}
			w.wantSent(t, "/auth/refresh", 1)
			time.Sleep(time.Second)
			works(t, s)
		})
	}
}

// A page in the issuer's place is no reason to keep callers waiting, and what it
// was is found in the error.
func TestRefusalByAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.signedIn(t)
		time.Sleep(16 * time.Minute)
		w.during(answer(403, "application/json", `{"type":"https://waf.example/help","detail":"blocked"}`))
		begin := time.Now()
		_, _, err := call(t, s, "/api/me", nil)
		var e, cause *client.Error
		if !errors.As(err, &e) || e.Code != doorward.Unavailable || e.Help != "https://waf.example/help" ||
			!errors.As(e.Err, &cause) || cause.Status != 403 || cause.Detail != "blocked" {
			t.Errorf("%v", err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("failed after %s", took)
		}
		w.wantSent(t, "/auth/refresh", 1)
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
