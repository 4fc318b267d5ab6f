package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

// send sends a request with the given header fields, in pairs.
func send(t testing.TB, h http.Handler, method, target string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for n := 0; n < len(fields); n += 2 {
		r.Header.Add(fields[n], fields[n+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func codeOf(d *doorward.Denial) doorward.Code {
	if d == nil {
		return ""
	}
	return d.Code
}

func TestNewRefuses(t *testing.T) {
	ok := Config{Issuer: "https://auth.example.com", Audience: []string{audience}}
	if _, err := New(ok); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"issuer":            func(c *Config) { c.Issuer = "" },
		"audience":          func(c *Config) { c.Audience = nil },
		"empty audience":    func(c *Config) { c.Audience = []string{""} },
		"HS256":             func(c *Config) { c.Algorithms = []verify.Algorithm{"HS256"} },
		"want https":        func(c *Config) { c.Issuer = "http://auth.example.com" },
		"want a URL":        func(c *Config) { c.Issuer = "auth.example.com" },
		"no query":          func(c *Config) { c.Issuer = "https://auth.example.com?x" },
		"without user":      func(c *Config) { c.Issuer = "https://u:hunter2@auth.example.com" },
		"no wildcards":      func(c *Config) { c.AllowedOrigins = []string{"*"} },
		"name of a header":  func(c *Config) { c.AllowedHeaders = []string{"a b"} },
		"is not supported":  func(c *Config) { c.Algorithms = []verify.Algorithm{"none"} },
		"https://a.b\x7f\"": func(c *Config) { c.AllowedOrigins = []string{"https://a.b\x7f\""} },
	} {
		c := ok
		change(&c)
		if g, err := New(c); g != nil || err == nil || !strings.HasPrefix(err.Error(), "guard: ") || strings.Contains(err.Error(), "hunter2") ||
			!strings.Contains(err.Error(), strings.SplitN(want, "\x7f", 2)[0]) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestHandler(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	var got *doorward.Principal
	api := httptest.NewServer(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = PrincipalFrom(r.Context())
	})))
	defer api.Close()
	r, err := http.NewRequest(http.MethodGet, api.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The scheme is in any case, and any number of spaces follow.
	for _, prefix := range []string{"Bearer ", "bearer ", "BEARER   "} {
		got = nil
		r.Header.Set("Authorization", prefix+i.token(t))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		now := i.clock.now()
		want := &doorward.Principal{
			Kind: doorward.KindUser, Subject: "anna", Session: "sid-1", Client: "web", Scopes: []string{"orders:read"},
			Email: "anna@example.com", Name: "Anna", TokenID: "jti-1", Methods: []string{"pwd"}, Audience: []string{audience},
			AuthTime: now, IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute),
		}
		if resp.StatusCode != http.StatusOK || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: status %d, principal %+v", prefix, resp.StatusCode, got)
		}
		for name := range resp.Header {
			if name != "Date" && name != "Content-Length" {
				t.Errorf("the guard adds %s to an answer", name)
			}
		}
	}
	if i.fetched() != 1 {
		t.Errorf("the keys were fetched %d times", i.fetched())
	}
}

func TestPrincipalFrom(t *testing.T) {
	if p := PrincipalFrom(t.Context()); p != nil {
		t.Errorf("there is a principal: %+v", p)
	}
	p := &doorward.Principal{Subject: "anna"}
	if PrincipalFrom(WithPrincipal(t.Context(), p)) != p {
		t.Error("the principal is lost")
	}
}

// What is wrong with credentials, and what the operator is told of it. The
// words are not sent, and nothing of the credentials is in them.
func TestCredentials(t *testing.T) {
	i := newIssuer(t)
	token := i.token(t)
	forged := token[:len(token)-8] + "AAAAAAAA"
	const none, invalid = doorward.TokenMissing, doorward.TokenInvalid
	for _, tc := range []struct {
		field string
		code  doorward.Code
		text  string
	}{
		{"", none, "is empty"},
		{"Bearer", none, "nothing behind it"},
		{"bearer  ", none, "nothing behind it"},
		{"Basic YW5uYTpodW50ZXIy", invalid, "the scheme is Basic"},
		{"Basic", invalid, "the scheme is Basic"},
		{"DPoP " + token, invalid, "the scheme is DPoP"},
		{"token " + token, invalid, "the scheme is Token"},
		{"hunter2hunter2 " + token, invalid, "none that is known here"},
		{token, invalid, "the scheme is missing: the field holds a bare token"},
		{"Bearer" + token, invalid, "not followed by a space"},
		{"Bearer: " + token, invalid, "not followed by a space"},
		{"Bearer\t" + token, invalid, "not followed by a space"},
		{"Authorization: Bearer " + token, invalid, "name of the field"},
		{"undefined", invalid, "the scheme is missing: what was sent is the word undefined"},
		{"dwr_hunter2hunter2hunter2", invalid, "the scheme is missing: a refresh token"},
		{"hunter2hunter2", invalid, "the scheme is missing: the field holds one word"},
		{"Bearer Bearer " + token, invalid, "the scheme Bearer is there twice"},
		{"Bearer bearer: " + token, invalid, "the scheme Bearer is there twice"},
		{"Bearer undefined", invalid, "the word undefined"},
		{"Bearer null", invalid, "the word null"},
		{"Bearer [object Object]", invalid, "the word [object object]"},
		{"Bearer [object Promise]", invalid, "the word [object promise]"},
		{"Bearer NaN", invalid, "the word nan"},
		{"Bearer YOUR_TOKEN_HERE", invalid, "the word your_token_here"},
		{"Bearer $TOKEN", invalid, "the name of a variable"},
		{"Bearer ${TOKEN}", invalid, "the name of a variable"},
		{"Bearer {{token}}", invalid, "the name of a variable"},
		{"Bearer <token>", invalid, "the name of a variable"},
		{`Bearer "` + token + `"`, invalid, "quotes"},
		{"Bearer '" + token + "'", invalid, "quotes"},
		{"Bearer <" + token + ">", invalid, "quotes, brackets"},
		{`Bearer {"accessToken":"` + token + `"}`, invalid, "JSON"},
		{"Bearer " + token[:40] + " " + token[40:], invalid, "white space"},
		{"Bearer " + token[:40] + "\u200B" + token[40:], invalid, "no token has"},
		{"Bearer " + strings.ReplaceAll(token, ".", "%2E"), invalid, "percent-encoded"},
		{"Bearer dwr_hunter2hunter2hunter2", invalid, "a refresh token"},
		{"Bearer dwk_hunter2hunter2hunter2", invalid, "an API key"},
		{"Bearer hunter2", invalid, "not a JWT"},
		{"Bearer " + token[:strings.LastIndex(token, ".")], invalid, "two parts"},
		{"Bearer " + token + "=", invalid, "base64url"},
		{"Bearer " + forged, invalid, "not by key"},
		{"Bearer " + token + strings.Repeat("A", verify.MaxSize), invalid, "at most 8192"},
		{"Bearer " + newSigner(t, "first", verify.ES256).sign(t, i.claims()), invalid, "not by key"},
		{"Bearer " + newSigner(t, "foreign", verify.ES256).sign(t, i.claims("iss", "https://accounts.example")), invalid, `"https://accounts.example"`},
		{"Bearer " + i.token(t, "iss", "https://accounts.example"), doorward.ValidationFailed, "issuer"},
		{"Bearer " + i.token(t, "aud", "https://other.example"), doorward.ValidationFailed, "audience"},
		{"Bearer " + i.token(t, "exp", i.clock.now().Unix()-31, "nbf", 1, "iat", 1), doorward.TokenExpired, "expired 31s ago"},
		{"Bearer " + i.token(t, "nbf", i.clock.now().Unix()+31), doorward.TokenNotActive, "nbf is 31s ahead"},
	} {
		var d *doorward.Denial
		g := i.guard(t, func(c *Config) { c.OnDenial = func(_ *http.Request, got *doorward.Denial) { d = got } })
		reached := false
		h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		w := send(t, h, "GET", "/", "Authorization", tc.field)
		if codeOf(d) != tc.code || w.Code != http.StatusUnauthorized || reached {
			t.Errorf("%.60q: status %d, %v, want %s", tc.field, w.Code, d, tc.code)
			continue
		}
		if !strings.Contains(d.Private.Text, tc.text) || d.Private.Next == "" || d.Private.Check == "" {
			t.Errorf("%.60q: %+v, want a text with %q", tc.field, d.Private, tc.text)
		}
		if d.At != i.clock.now() || !doorward.ValidDenialID(d.ID) || w.Header().Get(doorward.DenialHeader) != d.ID {
			t.Errorf("%.60q: at %v, id %q, on the wire %q", tc.field, d.At, d.ID, w.Header().Get(doorward.DenialHeader))
		}
		if wait := w.Header().Get("Retry-After"); (wait == "1") != (tc.code == doorward.TokenNotActive) {
			t.Errorf("%.60q: Retry-After %q, want how long until the token is taken", tc.field, wait)
		}
		challenge := w.Header().Get("WWW-Authenticate")
		if want := tc.code != none; !strings.HasPrefix(challenge, `Bearer realm="doorward"`) || strings.Contains(challenge, `error="invalid_token"`) != want {
			t.Errorf("%.60q: %s", tc.field, challenge)
		}
		if strings.Contains(w.Body.String(), d.Private.Text) {
			t.Errorf("%.60q: the private side is sent", tc.field)
		}
		noSecret(t, tc.field, fmt.Sprintf("%+v %s %v", d, w.Body, w.Header()))
	}
}

// noSecret reports pieces of a field that are repeated in a text.
func noSecret(t *testing.T, field, text string) {
	t.Helper()
	for _, piece := range strings.FieldsFunc(field, func(r rune) bool { return strings.ContainsRune(` ."'<>{}:`, r) }) {
		if (strings.Contains(piece, "hunter2") || len(piece) > 20) && strings.Contains(text, piece) {
			t.Errorf("%.60q: %q is repeated in %s", field, piece, text)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	g := newIssuer(t).guard(t)
	_, d := g.Check(httptest.NewRequest("GET", "/", nil))
	if codeOf(d) != doorward.TokenMissing || !strings.Contains(d.Private.Text, "no Authorization field") {
		t.Errorf("%+v", d)
	}
	if _, d := g.Verify(t.Context(), ""); codeOf(d) != doorward.TokenMissing || !strings.Contains(d.Private.Text, "empty") {
		t.Errorf("%+v", d)
	}
	for _, target := range []string{"/?access_token=hunter2hunter2", "/?a=b&access_token=hunter2hunter2", "/?access_token"} {
		_, d = g.Check(httptest.NewRequest("GET", target, nil))
		if codeOf(d) != doorward.TokenMissing || !strings.Contains(d.Private.Text, "query is not read") || strings.Contains(fmt.Sprintf("%+v", d), "hunter2") {
			t.Errorf("%s: %+v", target, d)
		}
	}
}

func TestTwoCredentials(t *testing.T) {
	i := newIssuer(t)
	token := i.token(t)
	h := i.guard(t).Handler(http.NotFoundHandler())
	for name, w := range map[string]*httptest.ResponseRecorder{
		"two fields":        send(t, h, "GET", "/", "Authorization", "Bearer "+token, "Authorization", "Bearer "+token),
		"field and query":   send(t, h, "GET", "/?access_token="+token, "Authorization", "Bearer "+token),
		"joined in a field": send(t, h, "GET", "/", "Authorization", "Bearer "+token+", Bearer "+token),
	} {
		if body := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(body, `"code":"INVALID_REQUEST"`) || strings.Contains(body, token) {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
		if w.Header().Get("WWW-Authenticate") != "" || w.Header().Get(doorward.DenialHeader) != "" {
			t.Errorf("%s: %v", name, w.Header())
		}
	}
}

func FuzzCheck(f *testing.F) {
	i := newIssuer(f)
	g := i.guard(f)
	token := i.token(f)
	for _, s := range []string{"", "Bearer", "Bearer ", "Bearer " + token, token, "Bearer undefined", "Bearer a, Bearer b", "Basic x", "Bearer <", "Bearer \xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{field}
		p, d := g.Check(r)
		if (p == nil) == (d == nil) {
			t.Fatalf("%q: %v and %v", field, p, d)
		}
		if _, d := g.Verify(t.Context(), field); d == nil && field != token {
			t.Fatalf("%q is taken for a token", field)
		}
		if p != nil && !strings.HasSuffix(field, token) {
			t.Fatalf("%q is let through", field)
		}
	})
}

func TestRequire(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t, func(c *Config) {
		c.Realm = "orders"
		c.ResourceMetadata = "https://api.example.com/.well-known/oauth-protected-resource"
	})
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	auth := "Bearer " + i.token(t, "scope", "orders:read profile")
	for _, scopes := range [][]string{nil, {"profile"}, {"profile", "orders:read"}} {
		if w := send(t, g.Require(scopes...)(ok), "GET", "/", "Authorization", auth); w.Code != http.StatusOK {
			t.Errorf("%q: %d %s", scopes, w.Code, w.Body)
		}
	}
	w := send(t, g.Require("orders:write", "profile", "admin")(ok), "GET", "/", "Authorization", auth)
	const challenge = `Bearer realm="orders", error="insufficient_scope", error_description="The request needs a scope that was not granted", ` +
		`scope="orders:write admin", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`
	if w.Code != http.StatusForbidden || w.Header().Get("WWW-Authenticate") != challenge || !strings.Contains(w.Body.String(), `"scope":"orders:write admin"`) {
		t.Errorf("%d %s %s", w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
	}
	for _, scope := range []string{"", "a b", "a\"", "ä", "a\\"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is taken for a scope", scope)
				}
			}()
			g.Require(scope)
		}()
	}
}

func TestNeed(t *testing.T) {
	now := newClock().now()
	p := &doorward.Principal{Subject: "anna", Session: "sid-1", TokenID: "jti-1", AuthTime: now.Add(-10 * time.Minute), Methods: []string{"pwd", "otp"}}
	for name, tc := range map[string]struct {
		need Need
		p    *doorward.Principal
		code doorward.Code
		text string
	}{
		"nothing":           {Need{}, &doorward.Principal{}, "", ""},
		"fresh":             {Need{MaxAge: 10 * time.Minute}, p, "", ""},
		"within the leeway": {Need{MaxAge: 10*time.Minute - verify.Leeway}, p, "", ""},
		"too old":           {Need{MaxAge: 10*time.Minute - verify.Leeway - 1}, p, doorward.StepUpRequired, "10m0s ago"},
		"unknown age":       {Need{MaxAge: time.Hour}, &doorward.Principal{}, doorward.StepUpRequired, "does not say"},
		"one method":        {Need{Methods: []string{"hwk", "otp"}}, p, "", ""},
		"no such method":    {Need{Methods: []string{"hwk", "swk"}}, p, doorward.StepUpRequired, `"hwk"`},
		"scope comes first": {Need{Scopes: []string{"x"}, MaxAge: 1}, p, doorward.InsufficientScope, `"x"`},
	} {
		d := tc.need.Check(tc.p, now)
		if codeOf(d) != tc.code {
			t.Errorf("%s: %v", name, d)
		} else if d != nil && (!strings.Contains(d.Private.Text, tc.text) || d.Private.User != tc.p.Subject) {
			t.Errorf("%s: %+v", name, d.Private)
		}
	}
	i := newIssuer(t)
	h := i.guard(t).Need(Need{MaxAge: time.Minute})(http.NotFoundHandler())
	w := send(t, h, "GET", "/", "Authorization", "Bearer "+i.token(t, "auth_time", i.clock.now().Unix()-3600))
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="insufficient_user_authentication"`) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestCORS(t *testing.T) {
	i := newIssuer(t)
	const origin = "https://app.example.com"
	preflight := []string{"Origin", origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization,x-tenant"}
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler is reached") })

	closed := i.guard(t).Handler(never)
	if w := send(t, closed, "OPTIONS", "/", preflight...); w.Code != http.StatusNoContent || len(w.Header()) != 0 {
		t.Errorf("no origins: %d %v", w.Code, w.Header())
	}
	// Any other OPTIONS request is one like all others.
	if w := send(t, closed, "OPTIONS", "/", "Origin", origin); w.Code != http.StatusUnauthorized {
		t.Errorf("OPTIONS that is no preflight: %d", w.Code)
	}

	g := i.guard(t, func(c *Config) { c.AllowedOrigins, c.AllowedHeaders = []string{origin}, []string{"X-Tenant"} })
	mux := http.NewServeMux()
	mux.Handle("GET /orders", g.Handler(never))
	for name, h := range map[string]http.Handler{"a handler": g.Handler(never), "a mux": g.CORS(mux)} {
		w := send(t, h, "OPTIONS", "/orders", preflight...)
		if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != origin || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "X-Tenant") {
			t.Errorf("preflight of %s: %d %v", name, w.Code, w.Header())
		}
		w = send(t, h, "GET", "/orders", "Origin", origin)
		if w.Code != http.StatusUnauthorized || w.Header().Get("Access-Control-Allow-Origin") != origin ||
			w.Header().Get("Access-Control-Expose-Headers") != doorward.ExposedHeaders || len(w.Header()["Vary"]) != 1 {
			t.Errorf("denial by %s: %d %v", name, w.Code, w.Header())
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Origin", origin)
	g.Deny(w, r, doorward.NewDenial(doorward.InsufficientScope, i.clock.now(), doorward.Reason{}))
	if w.Code != http.StatusForbidden || w.Header().Get("Access-Control-Allow-Origin") != origin {
		t.Errorf("Deny: %d %v", w.Code, w.Header())
	}
}

// revocations is a feed of endings.
type revocations struct {
	ended map[string]*Ending
	err   error
}

func (r *revocations) Revoked(session string) (*Ending, error) { return r.ended[session], r.err }

func TestRevocations(t *testing.T) {
	i := newIssuer(t)
	feed := &revocations{ended: map[string]*Ending{}}
	g := i.guard(t, func(c *Config) { c.Revocations = feed })
	token := i.token(t)
	check := func(name, token string, code doorward.Code, text string) *doorward.Denial {
		t.Helper()
		p, d := g.Verify(t.Context(), token)
		if codeOf(d) != code || (p == nil) == (d == nil) || d != nil && !strings.Contains(d.Private.Text, text) {
			t.Errorf("%s: %+v", name, d)
		}
		return d
	}
	check("first sight", token, "", "")
	check("again", token, "", "")
	feed.err = errors.New("the feed is 20s behind")
	d := check("not known", token, doorward.Unavailable, "20s behind")
	if d != nil && d.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	check("not known, first sight", i.token(t, "jti", "other"), doorward.Unavailable, "20s behind")
	feed.err = nil
	check("known again", token, "", "")
	feed.ended["sid-1"] = &Ending{At: i.clock.now(), Reason: "logout", By: "user"}
	d = check("ended", token, doorward.TokenRevoked, "ended at 2026-06-01T12:00:00Z by the user (logout)")
	if d != nil && (d.Private.Session != "sid-1" || d.Private.User != "anna" || d.Private.Token.ID != "jti-1") {
		t.Errorf("%+v", d.Private)
	}
	check("ended, first sight", i.token(t, "jti", "third"), doorward.TokenRevoked, "ended")
	check("of another session", i.token(t, "sid", "sid-2"), "", "")
	check("of no session", i.token(t, "sid", nil), doorward.ValidationFailed, "sid")
	if _, d := i.guard(t).Verify(t.Context(), i.token(t, "sid", nil)); d != nil {
		t.Errorf("without a feed, of no session: %v", d)
	}
}

// A token that was seen before is checked for everything that may have changed.
func TestSeenBefore(t *testing.T) {
	i := newIssuer(t)
	source := &mutableKeys{set: keySet(t, i.signer)}
	g := i.guard(t, func(c *Config) { c.Keys = source })
	token := i.token(t)
	check := func(name string, code doorward.Code) {
		t.Helper()
		if p, d := g.Verify(t.Context(), token); codeOf(d) != code || (p == nil) == (d == nil) {
			t.Errorf("%s: %v, want %q", name, d, code)
		}
	}
	check("first sight", "")
	check("again", "")
	i.clock.move(-31 * time.Second)
	check("a clock set back", doorward.TokenNotActive)
	i.clock.move(31*time.Second + 15*time.Minute + verify.Leeway - 1)
	check("at the very end", "")
	i.clock.move(1)
	check("past the end", doorward.TokenExpired)
	i.clock.move(-time.Minute)
	check("before the end", "")

	other := newSigner(t, "other", verify.EdDSA)
	source.set = keySet(t, other, i.signer)
	check("one key more", "")
	check("one key more, again", "")
	source.set = keySet(t, other)
	check("the key is gone", doorward.TokenInvalid)
	source.set = keySet(t, newSigner(t, i.id, verify.ES256))
	check("another key by that name", doorward.TokenInvalid)
	source.err = errors.New("out of reach")
	check("keys are out of reach", doorward.Unavailable)
	source.err, source.set = nil, keySet(t)
	check("no keys at all", doorward.Unavailable)
	source.set = keySet(t, i.signer)
	check("all is well again", "")
}

type mutableKeys struct {
	set *verify.KeySet
	err error
}

func (m *mutableKeys) Keys(context.Context, string) (*verify.KeySet, error) { return m.set, m.err }

func keySet(t testing.TB, signers ...*signer) *verify.KeySet {
	t.Helper()
	var keys []verify.Key
	for _, s := range signers {
		keys = append(keys, s.key())
	}
	set, err := verify.NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return &set
}

func TestAlgorithms(t *testing.T) {
	i := newIssuer(t)
	ed := newSigner(t, "ed", verify.EdDSA)
	g := i.guard(t, func(c *Config) {
		c.Keys, c.Algorithms = StaticKeys(*keySet(t, i.signer, ed)), []verify.Algorithm{verify.ES256}
	})
	if _, d := g.Verify(t.Context(), i.token(t)); d != nil {
		t.Error(d)
	}
	if _, d := g.Verify(t.Context(), ed.sign(t, i.claims())); codeOf(d) != doorward.TokenInvalid {
		t.Errorf("EdDSA: %v", d)
	}
}

func TestSkewIsTold(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0:                 "agrees with the issuer's",
		95 * time.Second:  "1m35s ahead of the issuer's",
		-95 * time.Second: "1m35s behind the issuer's",
	} {
		i := newIssuer(t)
		now := func() time.Time { return i.clock.now().Add(ahead + time.Second/2) }
		g := i.guard(t, func(c *Config) { c.Now = now })
		if _, d := g.Verify(t.Context(), i.token(t, "exp", now().Unix()-40, "iat", 1, "nbf", 1)); codeOf(d) != doorward.TokenExpired || !strings.Contains(d.Private.Text, want) {
			t.Errorf("%v: %+v, want %q", ahead, d, want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	i := newIssuer(t)
	for name, keys := range map[string]KeySource{"remote": nil, "static": StaticKeys(*keySet(t, i.signer))} {
		g := i.guard(t, func(c *Config) { c.Keys, c.Revocations, c.Now = keys, &revocations{}, nil })
		now := time.Now().Unix()
		token := i.token(t, "exp", now+900, "iat", now, "nbf", now)
		r := httptest.NewRequest("GET", "/?page=2&sort=name", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		check := func() {
			if _, d := g.Check(r); d != nil {
				t.Fatalf("%+v", d)
			}
		}
		check()
		if n := testing.AllocsPerRun(100, check); n != 0 {
			t.Errorf("%s: a token that was seen before costs %v allocations", name, n)
		}
	}
}

func TestNoCache(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t, func(c *Config) { c.CacheSize = -1 })
	token := i.token(t)
	for range 2 {
		if _, d := g.Verify(t.Context(), token); d != nil {
			t.Error(d)
		}
	}
}

// A handler may stream and hijack: the guard puts nothing between.
func TestResponseWriterIsPassedOn(t *testing.T) {
	i := newIssuer(t)
	var got http.ResponseWriter
	h := i.guard(t).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got = w }))
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+i.token(t))
	h.ServeHTTP(w, r)
	if got != http.ResponseWriter(w) {
		t.Error("the handler gets another ResponseWriter")
	}
}
