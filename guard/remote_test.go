package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

func (i *issuer) remote(t testing.TB, change ...func(*RemoteConfig)) *RemoteKeys {
	t.Helper()
	c := RemoteConfig{Issuer: i.URL, Now: i.clock.now}
	for _, f := range change {
		f(&c)
	}
	r, err := NewRemoteKeys(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// want asks for a key and tells how it came out.
func want(t testing.TB, r *RemoteKeys, kid string) (found bool, err error) {
	t.Helper()
	set, err := r.Keys(t.Context(), kid)
	if err != nil {
		return false, err
	}
	_, found = set.Key(kid)
	return found, nil
}

func TestRemoteFindsTheSet(t *testing.T) {
	for name, tc := range map[string]struct {
		path     string // of the issuer
		metadata string
		tried    []string
	}{
		"RFC 8414":         {"", "/.well-known/oauth-authorization-server", []string{"/.well-known/oauth-authorization-server", "/elsewhere/keys"}},
		"OpenID Connect":   {"", "/.well-known/openid-configuration", []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/elsewhere/keys"}},
		"no metadata":      {"", "", []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks.json"}},
		"below a path":     {"/tenant", "", []string{"/.well-known/oauth-authorization-server/tenant", "/tenant/.well-known/openid-configuration", "/tenant/.well-known/jwks.json"}},
		"a trailing slash": {"/", "", []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks.json"}},
	} {
		i := newIssuer(t)
		i.change(func() { i.metadata = tc.metadata })
		r := i.remote(t, func(c *RemoteConfig) { c.Issuer += tc.path })
		found, err := want(t, r, "first")
		if below := tc.path == "/tenant"; found == below || (err != nil) != below {
			t.Errorf("%s: found %v, %v", name, found, err)
		}
		if !slices.Equal(i.tried, tc.tried) {
			t.Errorf("%s: tried %q", name, i.tried)
		}
	}
	i := newIssuer(t)
	r := i.remote(t, func(c *RemoteConfig) { c.Issuer, c.URL = "", i.URL+"/elsewhere/keys" })
	if found, err := want(t, r, "first"); !found || err != nil || len(i.tried) != 1 {
		t.Errorf("by its URL: %v, %v, tried %q", found, err, i.tried)
	}
}

// What an issuer answers that is of no use, and what is said of it.
func TestRemoteRefuses(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect to another origin is followed")
	}))
	defer other.Close()
	const metadata, keys = "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"
	text := func(format string, args ...any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, format, args...) }
	}
	for name, tc := range map[string]struct {
		path   string
		answer func(self string) http.HandlerFunc
		want   string
	}{
		"another issuer": {metadata, func(string) http.HandlerFunc {
			return text(`{"issuer":"https://evil.example","jwks_uri":"https://evil.example"}`)
		}, "not of"},
		"no jwks_uri":       {metadata, func(s string) http.HandlerFunc { return text(`{"issuer":%q}`, s) }, "no jwks_uri"},
		"jwks_uri in clear": {metadata, func(s string) http.HandlerFunc { return text(`{"issuer":%q,"jwks_uri":"http://keys.example"}`, s) }, "want https"},
		"metadata fails": {metadata, func(string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }
		}, "502 Bad Gateway"},
		"metadata limited": {metadata, func(string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }
		}, "429 Too Many Requests"},
		"metadata moved":  {metadata, func(string) http.HandlerFunc { return http.RedirectHandler(other.URL, 302).ServeHTTP }, "another origin"},
		"keys moved":      {keys, func(string) http.HandlerFunc { return http.RedirectHandler(other.URL, 307).ServeHTTP }, "another origin"},
		"round and round": {keys, func(string) http.HandlerFunc { return http.RedirectHandler(keys, 302).ServeHTTP }, "redirects"},
		"not there":       {keys, func(string) http.HandlerFunc { return http.NotFound }, "404 Not Found"},
		"a page":          {keys, func(string) http.HandlerFunc { return text("<!DOCTYPE html><html>") }, "HTML"},
		"no key set":      {keys, func(string) http.HandlerFunc { return text(`{"error":"nope"}`) }, "not a JWK Set"},
		"too long":        {keys, func(string) http.HandlerFunc { return text(`{"keys":[]%s}`, strings.Repeat(" ", maxAnswer)) }, "longer than"},
		"cut short": {keys, func(string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("{"))
			}
		}, "EOF"},
	} {
		mux := http.NewServeMux()
		server := httptest.NewServer(mux)
		mux.HandleFunc(tc.path, tc.answer(server.URL))
		reports := make(chan error, 1)
		r, err := NewRemoteKeys(RemoteConfig{Issuer: server.URL, OnError: func(err error) { reports <- err }, Client: server.Client()})
		if err != nil {
			t.Fatal(err)
		}
		err = r.Refresh(t.Context())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tc.want)
		}
		if reported := <-reports; !errors.Is(reported, err) {
			t.Errorf("%s: reported as %v", name, reported)
		}
		server.Close()
	}
}

func TestRemoteFollowsItsOwnRedirects(t *testing.T) {
	i := newIssuer(t)
	mux := http.NewServeMux()
	mux.Handle("/moved", http.RedirectHandler("/elsewhere/keys", http.StatusFound))
	mux.Handle("/", i)
	server := httptest.NewServer(mux)
	defer server.Close()
	r := i.remote(t, func(c *RemoteConfig) { c.URL = server.URL + "/moved" })
	if found, err := want(t, r, "first"); !found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
}

func TestFreshness(t *testing.T) {
	for _, tc := range []struct {
		cacheControl, age string
		want              time.Duration
	}{
		{"", "", defaultFresh},
		{"max-age=600", "", 10 * time.Minute},
		{"public, max-age=600, must-revalidate", "", 10 * time.Minute},
		{"Max-Age=\"600\"", "", 10 * time.Minute},
		{"max-age=0", "", minFresh},
		{"max-age=86400", "", maxFresh},
		{"max-age=99999999999999999999", "", defaultFresh},
		{"max-age=-1", "", defaultFresh},
		{"max-age=600", "240", 6 * time.Minute},
		{"max-age=600", "9999", minFresh},
		{"no-store", "", minFresh},
		{"no-cache, max-age=600", "", minFresh},
	} {
		h := http.Header{}
		h.Set("Cache-Control", tc.cacheControl)
		h.Set("Age", tc.age)
		if got := freshness(h); got != tc.want {
			t.Errorf("Cache-Control: %s, Age: %s: %v, want %v", tc.cacheControl, tc.age, got, tc.want)
		}
	}
}

func TestSkew(t *testing.T) {
	date := newClock().now()
	for name, tc := range map[string]struct {
		header http.Header
		took   time.Duration
		ahead  time.Duration
		timed  bool
	}{
		"a date":         {http.Header{"Date": {date.Format(http.TimeFormat)}}, 0, time.Minute, true},
		"a slow answer":  {http.Header{"Date": {date.Format(http.TimeFormat)}}, 4 * time.Second, time.Minute + 2*time.Second, true},
		"from a cache":   {http.Header{"Date": {date.Format(http.TimeFormat)}, "Age": {"60"}}, 0, 0, false},
		"no date":        {http.Header{}, 0, 0, false},
		"no date at all": {http.Header{"Date": {"yesterday"}}, 0, 0, false},
	} {
		asked := date.Add(time.Minute + time.Second/2)
		if ahead, timed := skew(tc.header, asked, asked.Add(tc.took)); ahead != tc.ahead || timed != tc.timed {
			t.Errorf("%s: %v, %v", name, ahead, timed)
		}
	}
}

// Keys are fetched once for all that wait, and again in the background.
func TestRemoteFetches(t *testing.T) {
	i := newIssuer(t)
	i.change(func() { i.header = map[string]string{"Cache-Control": "max-age=600"}; i.hold = make(chan struct{}) })
	r := i.remote(t)

	// One that gives up takes nothing from the others.
	gone, cancel := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() {
		_, err := r.Keys(gone, "first")
		first <- err
	}()
	hung := errors.New("hung up")
	cancel(hung)
	if err := <-first; !errors.Is(err, hung) {
		t.Errorf("who gave up gets %v", err)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if found, err := want(t, r, "first"); !found || err != nil {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
	close(i.hold)
	wg.Wait()
	if i.fetched() != 1 {
		t.Fatalf("%d fetches for 101 requests", i.fetched())
	}
	before, _ := r.Keys(t.Context(), "first")
	i.clock.move(10*time.Minute - 1)
	if _, err := want(t, r, "first"); err != nil || i.fetched() != 1 {
		t.Errorf("%v, %d fetches while the set is fresh", err, i.fetched())
	}
	i.clock.move(1)
	hold := make(chan struct{})
	i.change(func() { i.hold = hold })
	for range 10 { // nobody waits for a fetch in the background
		if found, err := want(t, r, "first"); !found || err != nil {
			t.Errorf("%v, %v", found, err)
		}
	}
	close(hold)
	settle(r)
	after, _ := r.Keys(t.Context(), "first")
	if i.fetched() != 2 || before != after {
		t.Errorf("%d fetches; the same keys have the same pointer: %v", i.fetched(), before == after)
	}
	i.publish(t, newSigner(t, "second", verify.EdDSA), i.signer)
	i.clock.move(10 * time.Minute)
	_, _ = r.Keys(t.Context(), "first")
	settle(r)
	if other, _ := r.Keys(t.Context(), "first"); other == before || other.Len() != 2 {
		t.Error("other keys have the same pointer")
	}
}

// A key that is not there is looked for, but not all the time.
func TestRemoteUnknownKey(t *testing.T) {
	i := newIssuer(t)
	r := i.remote(t)
	expect := func(name, kid string, wantFound bool, fetches int) {
		t.Helper()
		if found, err := want(t, r, kid); found != wantFound || err != nil || i.fetched() != fetches {
			t.Errorf("%s: found %v, %v, %d fetches, want %v, %d", name, found, err, i.fetched(), wantFound, fetches)
		}
	}
	expect("at first", "second", false, 1)
	for n := range 50 {
		expect("just fetched", fmt.Sprint("made up ", n), false, 1)
	}
	i.publish(t, i.signer, newSigner(t, "second", verify.ES256))
	i.clock.move(coolDown - 1)
	expect("cooling down", "second", false, 1)
	i.clock.move(1 + coolDown/4)
	expect("cool again", "second", true, 2)
	expect("and known", "second", true, 2)

	// Out of reach, nobody can say whether there is such a key.
	i.clock.move(2 * coolDown)
	i.change(func() { i.status = 500 })
	for _, kid := range []string{"third", "made up"} {
		if _, err := want(t, r, kid); err == nil || !strings.Contains(err.Error(), "500 Internal Server Error") || i.fetched() != 3 {
			t.Errorf("%s: %v, %d fetches", kid, err, i.fetched())
		}
	}
	expect("a known key", "second", true, 3)
	i.change(func() { i.status = 0 })
	i.clock.move(2 * firstRetry)
	expect("back again", "third", false, 4)
}

func TestRemoteBacksOff(t *testing.T) {
	i := newIssuer(t)
	i.change(func() { i.status = 503 })
	r := i.remote(t)
	// A request each 100 ms for a minute.
	for range 600 {
		if _, err := want(t, r, "first"); err == nil {
			t.Fatal("a key out of nowhere")
		}
		i.clock.move(100 * time.Millisecond)
	}
	if n := i.fetched(); n < 6 || n > 10 {
		t.Errorf("%d fetches in a minute of failures", n)
	}
	i.change(func() { i.status = 0 })
	i.clock.move(2 * coolDown)
	if found, err := want(t, r, "first"); !found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	// After a success the first failure is a first one again.
	i.change(func() { i.status = 503 })
	i.clock.move(2 * coolDown)
	before := i.fetched()
	for range 3 {
		if _, err := want(t, r, "second"); err == nil {
			t.Fatal("a key out of nowhere")
		}
		i.clock.move(firstRetry + firstRetry/4)
	}
	if n := i.fetched() - before; n != 2 {
		t.Errorf("%d fetches after a success", n)
	}
}

// An issuer that is gone is missed only after a day.
func TestRemoteStale(t *testing.T) {
	i := newIssuer(t)
	reports := make(chan error, 100)
	r := i.remote(t, func(c *RemoteConfig) { c.OnError = func(err error) { reports <- err } })
	if found, err := want(t, r, "first"); !found || err != nil {
		t.Fatal(found, err)
	}
	i.change(func() { i.status = 500 })
	for range 23 {
		i.clock.move(time.Hour)
		if found, err := want(t, r, "first"); !found || err != nil {
			t.Fatal(found, err)
		}
		settle(r)
		if err := <-reports; !strings.Contains(err.Error(), "the one of 2026-06-01T12:00:00Z is used until 2026-06-02T12:00:00Z") {
			t.Errorf("reported: %v", err)
		}
	}
	i.clock.move(time.Hour - 1)
	if found, err := want(t, r, "first"); !found || err != nil {
		t.Error("at the end of the day", found, err)
	}
	settle(r)
	i.clock.move(1)
	if _, err := want(t, r, "first"); err == nil {
		t.Error("keys of yesterday are used")
	}
	i.change(func() { i.status = 0 })
	i.clock.move(2 * coolDown)
	if found, err := want(t, r, "first"); !found || err != nil {
		t.Error("back again", found, err)
	}
}

func TestRemoteEmptySet(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	token := i.token(t)
	if _, d := g.Verify(t.Context(), token); d != nil {
		t.Fatal(d)
	}
	i.publish(t)
	i.clock.move(defaultFresh)
	_, _ = g.Verify(t.Context(), token)
	settle(g.keys.(*RemoteKeys))
	// The issuer takes back all keys: none is used, and none is known to be bad.
	if _, d := g.Verify(t.Context(), token); codeOf(d) != doorward.Unavailable || d.RetryAfter == 0 || !strings.Contains(d.Private.Text, "key set is empty") {
		t.Errorf("%+v", d)
	}
	i.publish(t, i.signer)
	i.clock.move(2 * coolDown)
	if _, d := g.Verify(t.Context(), token); d != nil {
		t.Errorf("%+v", d)
	}
}

func TestRemoteRefresh(t *testing.T) {
	i := newIssuer(t)
	hold := make(chan struct{})
	asked := make(chan struct{}, 10)
	i.change(func() { i.hold, i.asked = hold, asked })
	r := i.remote(t)
	go func() { _, _ = r.Keys(context.Background(), "first") }()
	<-asked // this fetch is under way, and may be answered with what was
	i.publish(t, newSigner(t, "second", verify.ES256))
	done := make(chan error)
	go func() { done <- r.Refresh(t.Context()) }()
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if found, err := want(t, r, "second"); !found || err != nil || i.fetched() != 2 {
		t.Errorf("%v, %v, %d fetches", found, err, i.fetched())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i.change(func() { i.hold = make(chan struct{}) })
	if err := r.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(i.hold)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An issuer that never answers is given up, whoever still waits.
func TestRemoteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := NewRemoteKeys(RemoteConfig{Issuer: "https://auth.example.com", Client: &http.Client{
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Keys(short, "first"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if _, err := r.Keys(t.Context(), "first"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != fetchTimeout {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if _, err := r.Keys(t.Context(), "first"); err == nil || time.Since(begun) != fetchTimeout {
			t.Errorf("%v after %v: it is too soon to try again", err, time.Since(begun))
		}
	})
}

// Without keys a guard knows nothing, and says so.
func TestUnavailable(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	auth := "Bearer " + i.token(t)
	i.Close()
	w := send(t, g.Handler(http.NotFoundHandler()), "GET", "/", "Authorization", auth)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" || w.Header().Get("WWW-Authenticate") != "" || w.Header().Get(doorward.DenialHeader) == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	_, d := g.Check(&http.Request{Header: http.Header{"Authorization": {auth}}, URL: i.url(t)})
	if codeOf(d) != doorward.Unavailable || !strings.Contains(d.Private.Text, "could not be fetched") || d.Private.Token.Fingerprint == "" {
		t.Errorf("%+v", d)
	}
	// Nor does it wait longer than the request lives.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, d := i.guard(t).Verify(ctx, strings.TrimPrefix(auth, "Bearer ")); codeOf(d) != doorward.Unavailable {
		t.Errorf("%+v", d)
	}
	// What is not a token at all needs no keys to be refused.
	if w := send(t, g.Handler(http.NotFoundHandler()), "GET", "/", "Authorization", "Bearer x"); w.Code != http.StatusUnauthorized {
		t.Errorf("%d", w.Code)
	}
}

func TestUnusableKeysAreReported(t *testing.T) {
	i := newIssuer(t)
	i.change(func() {
		i.set = []byte(strings.Replace(string(i.set), `"keys":[`, `"keys":[{"kty":"oct","kid":"s","k":"aHVudGVyMg"},`, 1))
	})
	reports := make(chan error, 1)
	r := i.remote(t, func(c *RemoteConfig) { c.OnError = func(err error) { reports <- err } })
	if found, err := want(t, r, "first"); !found || err != nil {
		t.Error(found, err)
	}
	if err := <-reports; !errors.Is(err, verify.ErrPrivateKey) || strings.Contains(err.Error(), "aHVudGVyMg") {
		t.Error(err)
	}
}

func TestSecureURL(t *testing.T) {
	for _, url := range []string{"https://a.example", "http://localhost:4010", "http://127.0.0.1", "http://127.1.2.3:80", "http://[::1]:80", "http://app.localhost"} {
		if _, err := secureURL("issuer", url); err != nil {
			t.Error(err)
		}
	}
	for _, url := range []string{"", "a.example", "http://a.example", "http://localhost.a.example", "http://10.0.0.1", "ftp://localhost", "https://", "https://a.example#x", "//a.example", "file:///etc/passwd"} {
		if _, err := secureURL("issuer", url); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
}
