package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
)

// TestPagesAreTrue makes every code happen on a running server, follows `type`
// of the answer, and holds the page that is there to what was just answered.
func TestPagesAreTrue(t *testing.T) {
	absent := map[doorward.Code]string{
		doorward.MFARequired: "there is no second factor yet",
	}
	h := newHouse(t)
	own := h.server.Guard()
	issuer := "http://" + h.web.Listener.Addr().String()
	elsewhere, err := guard.New(guard.Config{Issuer: issuer, Audience: []string{"https://api.example.com"}, Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	unreached, err := guard.New(guard.Config{Issuer: "http://127.0.0.1:1", Audience: []string{"x"}, Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux := http.NewServeMux()
	mux.Handle("/", h.server)
	mux.Handle("/api/reports", own.Require("reports:read")(api))
	mux.Handle("/api/transfer", own.Need(guard.Need{MaxAge: time.Minute})(api))
	mux.Handle("/api/elsewhere", elsewhere.Handler(api))
	mux.Handle("/api/unreached", unreached.Handler(api))
	h.web.Config.Handler = mux

	h.addUser(t, "ada@example.com")
	h.addUser(t, "berta@example.com")
	bearer := func(token string) []string { return []string{"Authorization: Bearer " + token} }
	refresh := func(token string) (string, string, []string, string) {
		return http.MethodPost, "/auth/refresh", nil, `{"refreshToken":"` + token + `"}`
	}
	ada := h.login(t, "ada@example.com")
	login := func(password string) (string, string, []string, string) {
		return http.MethodPost, "/auth/login", nil, `{"email":"ada@example.com","password":"` + password + `"}`
	}
	get := func(path string, fields []string) (string, string, []string, string) {
		return http.MethodGet, path, fields, ""
	}

	var next string // a refresh token that takes the place of another
	shift := func(d time.Duration) { h.offset.Add(int64(d)) }
	for _, test := range []struct {
		code   doorward.Code
		before func()
		ask    func() (method, path string, fields []string, body string)
		after  func()
	}{
		{code: doorward.TokenMissing, ask: func() (string, string, []string, string) { return get("/auth/me", nil) }},
		{code: doorward.TokenInvalid, ask: func() (string, string, []string, string) { return get("/auth/me", bearer("undefined")) }},
		{
			code:   doorward.TokenExpired,
			before: func() { shift(20 * time.Minute) }, after: func() { shift(-20 * time.Minute) },
			ask: func() (string, string, []string, string) { return get("/auth/me", bearer(ada.AccessToken)) },
		},
		{
			code:   doorward.TokenNotActive,
			before: func() { shift(-20 * time.Minute) }, after: func() { shift(20 * time.Minute) },
			ask: func() (string, string, []string, string) { return get("/auth/me", bearer(ada.AccessToken)) },
		},
		{code: doorward.ValidationFailed, ask: func() (string, string, []string, string) { return get("/api/elsewhere", bearer(ada.AccessToken)) }},
		{code: doorward.Unavailable, ask: func() (string, string, []string, string) { return get("/api/unreached", bearer(ada.AccessToken)) }},
		{code: doorward.InsufficientScope, ask: func() (string, string, []string, string) { return get("/api/reports", bearer(ada.AccessToken)) }},
		{
			code:   doorward.StepUpRequired,
			before: func() { shift(5 * time.Minute) }, after: func() { shift(-5 * time.Minute) },
			ask: func() (string, string, []string, string) { return get("/api/transfer", bearer(ada.AccessToken)) },
		},
		{
			code: doorward.APIKeyInvalid,
			ask: func() (string, string, []string, string) {
				return get("/auth/me", bearer("dwk_01JD3WQ8F4Z5M6N7P8R9S0T1V21CR5AYMZRKMGWCTRFPHCFV0H6SDR19EA3GMN07E"))
			},
		},
		{code: doorward.RefreshTokenMissing, ask: func() (string, string, []string, string) { return http.MethodPost, "/auth/refresh", nil, "" }},
		{code: doorward.InvalidRefreshToken, ask: func() (string, string, []string, string) { return refresh("dwr_forged") }},
		{
			code: doorward.RefreshTokenReused,
			before: func() {
				_, second := h.post(t, "/auth/refresh", map[string]string{"refreshToken": ada.RefreshToken})
				_, third := h.post(t, "/auth/refresh", map[string]string{"refreshToken": second.RefreshToken})
				next = third.RefreshToken
			},
			ask: func() (string, string, []string, string) { return refresh(ada.RefreshToken) },
		},
		{code: doorward.InvalidRefreshToken, ask: func() (string, string, []string, string) { return refresh(next) }},
		{code: doorward.TokenRevoked, ask: func() (string, string, []string, string) { return get("/auth/me", bearer(ada.AccessToken)) }},
		{
			code: doorward.CrossOrigin,
			ask: func() (string, string, []string, string) {
				return http.MethodPost, "/auth/refresh", []string{"Cookie: __Host-Http-doorward=x", "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, ""
			},
		},
		{
			code: doorward.UserInactive,
			before: func() {
				next = h.login(t, "berta@example.com").RefreshToken
				h.act(t, []string{"deactivate", "berta@example.com"})
			},
			ask: func() (string, string, []string, string) { return refresh(next) },
		},
		{code: doorward.InvalidCredentials, ask: func() (string, string, []string, string) { return login("wrong") }},
		{
			code:   doorward.AccountSuspended,
			before: func() { h.act(t, []string{"suspend", "ada@example.com"}) },
			ask:    func() (string, string, []string, string) { return login(testPassword) },
		},
		{
			code: doorward.RateLimited,
			before: func() {
				for range 4 {
					h.send(t, http.MethodPost, "/auth/login", nil, `{"email":"ada@example.com","password":"wrong"}`)
				}
			},
			ask: func() (string, string, []string, string) { return login("wrong") },
		},
		{code: doorward.InvalidRequest, ask: func() (string, string, []string, string) { return http.MethodPost, "/auth/login", nil, "{" }},
		{code: doorward.NotFound, ask: func() (string, string, []string, string) { return get("/nothing", nil) }},
		{code: doorward.MethodNotAllowed, ask: func() (string, string, []string, string) { return http.MethodPut, "/auth/login", nil, "" }},
		{code: doorward.ContentTooLarge, ask: func() (string, string, []string, string) {
			return http.MethodPost, "/auth/login", nil, `{"email":"` + h.vars["large"] + `"}`
		}},
		{code: doorward.UnsupportedMediaType, ask: func() (string, string, []string, string) {
			return http.MethodPost, "/auth/login", []string{"Content-Type: text/plain"}, "{}"
		}},
	} {
		t.Run(string(test.code), func(t *testing.T) {
			if test.before != nil {
				test.before()
			}
			method, path, fields, body := test.ask()
			resp, answer := h.send(t, method, path, fields, body)
			if test.after != nil {
				test.after()
			}
			h.pageIsTrue(t, test.code, resp, answer, issuer)
		})
		absent[test.code] = "made"
	}
	for _, info := range doorward.Codes() {
		if absent[info.Code] == "" {
			t.Errorf("%s was not made to happen", info.Code)
		}
	}
}

var digits = regexp.MustCompile(`\d+`)

// pageIsTrue follows `type` of an answer.
func (h *house) pageIsTrue(t *testing.T, code doorward.Code, resp *http.Response, answer []byte, issuer string) {
	t.Helper()
	var problem struct {
		Type, Code, Detail string
	}
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Code != string(code) {
		t.Fatalf("%s %s, want %s", resp.Status, answer, code)
	}
	path, ok := strings.CutPrefix(problem.Type, issuer)
	if !ok && code != doorward.Unavailable { // whose issuer is the one that is not reached
		t.Fatalf("type %s is not at %s", problem.Type, issuer)
	}
	path = strings.TrimPrefix(path, "http://127.0.0.1:1")
	got, text := h.send(t, http.MethodGet, path, []string{"Accept: application/json"}, "")
	var page struct {
		Code, Detail string
		Status       int
		Wire         []string
	}
	if err := json.Unmarshal(text, &page); err != nil || got.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s", path, got.Status, text)
	}
	if page.Code != string(code) || page.Status != resp.StatusCode {
		t.Errorf("the page is about %s %d, and the answer was %s %d", page.Code, page.Status, code, resp.StatusCode)
	}
	// Times and limits are of the moment; everything else is byte for byte.
	shape := func(s string) string {
		if strings.HasPrefix(s, "HTTP/1.1") || strings.HasPrefix(s, "WWW-Authenticate") {
			return s
		}
		return digits.ReplaceAllString(s, "N")
	}
	wire := []string{fmt.Sprintf("HTTP/1.1 %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))}
	for _, name := range []string{"WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy"} {
		if value := resp.Header.Get(name); value != "" {
			wire = append(wire, name+": "+value)
		}
	}
	for i := range max(len(wire), len(page.Wire)) {
		var want, have string
		if i < len(page.Wire) {
			want = page.Wire[i]
		}
		if i < len(wire) {
			have = wire[i]
		}
		if shape(want) != shape(have) {
			t.Errorf("the page shows %q, and the answer was %q", want, have)
		}
	}
	for accept, want := range map[string]string{"text/html": "<h1>" + string(code) + "</h1>", "text/markdown": "# " + string(code) + "\n"} {
		if _, text := h.send(t, http.MethodGet, path, []string{"Accept: " + accept}, ""); !strings.Contains(string(text), want) {
			t.Errorf("as %s the page has no %q", accept, want)
		}
	}
}
