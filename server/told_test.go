package server_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/why"
	"github.com/doorward/doorward/server"
)

const (
	here  = "X-Forwarded-For: 203.0.113.7"
	there = "X-Forwarded-For: 198.51.100.1"
)

func behindProxy(c *server.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
}

// page asks for the page of a denial as JSON.
func (h *house) page(t *testing.T, path, denial string, fields ...string) (*http.Response, string) {
	t.Helper()
	resp, body := h.send(t, http.MethodGet, path+"?denial="+denial, append(fields, "Accept: application/json"), "")
	return resp, string(body)
}

// told returns what a page says to who asked for it alone.
func told(t *testing.T, page string) string {
	t.Helper()
	var p struct {
		Denial struct{ Yours *why.Told }
	}
	if err := json.Unmarshal([]byte(page), &p); err != nil {
		t.Fatalf("%v: %s", err, page)
	}
	if p.Denial.Yours == nil {
		return ""
	}
	return strings.Join(p.Denial.Yours.Text, " ")
}

// refusedAs sends a request that must be refused, and returns the denial's id.
func (h *house) refusedAs(t *testing.T, code doorward.Code, method, path string, fields []string, body string) string {
	t.Helper()
	resp, answer := h.send(t, method, path, fields, body)
	if !strings.Contains(string(answer), `"code":"`+string(code)+`"`) {
		t.Fatalf("%s %s: %s %s, want %s", method, path, resp.Status, answer, code)
	}
	return resp.Header.Get(doorward.DenialHeader)
}

func TestCallersOwnView(t *testing.T) {
	h := newHouse(t, behindProxy)
	h.addUser(t, "ada@example.com")
	h.addUser(t, "berta@example.com")
	ada, berta := h.login(t, "ada@example.com"), h.login(t, "berta@example.com")
	again := h.login(t, "ada@example.com")
	bearer := func(token string) string { return "Authorization: Bearer " + token }
	cookie := func(token string) string { return "Cookie: __Host-Http-doorward=" + token }

	h.offset.Add(int64(20 * time.Minute))
	expired := h.refusedAs(t, doorward.TokenExpired, http.MethodGet, "/auth/me", []string{here, bearer(ada.AccessToken)}, "")
	h.offset.Add(-int64(20 * time.Minute))
	h.send(t, http.MethodPost, "/auth/logout", []string{cookie(ada.RefreshToken), "Doorward-Transport: cookie"}, "")
	revoked := h.refusedAs(t, doorward.TokenRevoked, http.MethodGet, "/auth/me", []string{here, bearer(ada.AccessToken)}, "")
	over := h.refusedAs(t, doorward.InvalidRefreshToken, http.MethodPost, "/auth/refresh", []string{here}, `{"refreshToken":"`+ada.RefreshToken+`"}`)
	forged := h.refusedAs(t, doorward.InvalidRefreshToken, http.MethodPost, "/auth/refresh", []string{here}, `{"refreshToken":"dwr_forged"}`)
	missing := h.refusedAs(t, doorward.TokenMissing, http.MethodGet, "/auth/me", []string{here}, "")
	wrong := h.refusedAs(t, doorward.InvalidCredentials, http.MethodPost, "/auth/login", []string{here}, `{"email":"ada@example.com","password":"wrong"}`)

	const signedOut = "You had signed out on this device, "
	for _, test := range []struct {
		name   string
		code   doorward.Code
		denial string
		fields []string
		want   string // begins with
	}{
		{"expired, to a neighbour", doorward.TokenExpired, expired, []string{here}, "The access token had expired 5 minutes "},
		{"expired, to its holder, elsewhere", doorward.TokenExpired, expired, []string{there, bearer(ada.AccessToken)}, "The access token had expired 5 minutes "},
		{"missing, to a neighbour", doorward.TokenMissing, missing, []string{here}, "No access token reached"},
		{"revoked, to its holder by access token", doorward.TokenRevoked, revoked, []string{there, bearer(ada.AccessToken)}, signedOut},
		{"revoked, to its holder by cookie", doorward.TokenRevoked, revoked, []string{there, cookie(ada.RefreshToken)}, signedOut},
		{"revoked, to its user, signed in anew", doorward.TokenRevoked, revoked, []string{there, bearer(again.AccessToken)}, signedOut},
		{"a refresh token of a session that is over", doorward.InvalidRefreshToken, over, []string{there, cookie(ada.RefreshToken)}, signedOut},

		{"revoked, to a neighbour", doorward.TokenRevoked, revoked, []string{here}, ""},
		{"revoked, to another user", doorward.TokenRevoked, revoked, []string{there, bearer(berta.AccessToken)}, ""},
		{"revoked, to another user's cookie", doorward.TokenRevoked, revoked, []string{there, cookie(berta.RefreshToken)}, ""},
		{"revoked, to a forged cookie", doorward.TokenRevoked, revoked, []string{there, cookie("dwr_forged")}, ""},
		{"revoked, to an altered token", doorward.TokenRevoked, revoked, []string{there, bearer(ada.AccessToken + "A")}, ""},
		{"another session's cookie of the same user", doorward.TokenRevoked, revoked, []string{there, cookie(again.RefreshToken)}, ""},
		{"expired, to a stranger", doorward.TokenExpired, expired, []string{there}, ""},
		{"a header that nobody trusts", doorward.TokenExpired, expired, []string{"X-Forwarded-For: 203.0.113.7, 198.51.100.1"}, ""},
		{"forged: it is not said that it was", doorward.InvalidRefreshToken, forged, []string{here}, ""},
		{"a wrong password: it is not said which", doorward.InvalidCredentials, wrong, []string{here}, ""},
		{"under another code", doorward.TokenMissing, expired, []string{here}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := "/errors/" + string(test.code)
			_, page := h.page(t, path, test.denial, test.fields...)
			if got := told(t, page); !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("told %q, want %q", got, test.want)
			}
			if test.want != "" {
				return
			}
			// What is not theirs, and what never was, is the same answer.
			unknown := "dn_" + ulid.New(h.now().Add(-time.Minute)).String()
			for _, accept := range []string{"Accept: text/html", "Accept: application/json", "Accept: text/markdown"} {
				theirs, body := h.send(t, http.MethodGet, path+"?denial="+test.denial, append(test.fields, accept), "")
				nobodys, want := h.send(t, http.MethodGet, path+"?denial="+unknown, append(test.fields, accept), "")
				if strings.ReplaceAll(string(body), test.denial, unknown) != string(want) {
					t.Errorf("%s: the page tells a denial that is known from one that is not:\n%s\n%s", accept, body, want)
				}
				for _, r := range []*http.Response{theirs, nobodys} {
					r.Header.Del("Date")
					if got := r.Header.Get("Cache-Control"); got != "no-store" {
						t.Errorf("Cache-Control: %s", got)
					}
				}
				if len(theirs.Header) != len(nobodys.Header) || theirs.Header.Get("Content-Length") != nobodys.Header.Get("Content-Length") || theirs.StatusCode != nobodys.StatusCode {
					t.Errorf("%s: the heads differ: %v, %v", accept, theirs.Header, nobodys.Header)
				}
			}
		})
	}

	t.Run("a store out of reach", func(t *testing.T) {
		h.broken.down.Store(true)
		defer h.broken.down.Store(false)
		resp, page := h.page(t, "/errors/TOKEN_EXPIRED", expired, here)
		if got := told(t, page); got != "" || resp.StatusCode != http.StatusOK {
			t.Errorf("%s, told %q", resp.Status, got)
		}
	})
}
