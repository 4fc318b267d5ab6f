package httpapi

import (
	"net/http"
	"regexp"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ledger"
	"github.com/doorward/doorward/internal/secret"
)

// CookieName is the cookie that the refresh token travels in. Its prefix makes
// browsers refuse it unless it is Secure, HttpOnly, for the whole host and no
// other (RFC 6265bis §4.1.3).
const CookieName = "__Host-Http-doorward"

// transportHeader asks for the cookie ("cookie") or the body ("bearer", as
// without it) to carry the refresh token. Its presence also
// proves that no plain form sent the request: a page of another origin would
// have needed a preflight.
const transportHeader = "Doorward-Transport"

// presented is the refresh token of a request and the way it came.
type presented struct {
	token  secret.Text
	cookie bool   // answer by cookie
	key    string // the Idempotency-Key; empty for none
}

// readRefreshToken reads a request that holds a refresh token and nothing else.
func readRefreshToken(w http.ResponseWriter, r *http.Request) (presented, error) {
	b, err := readBody(w, r)
	if err != nil {
		return presented{}, err
	}
	p, err := refreshToken(r, b)
	if err == nil {
		p.key, err = idempotencyKey(r)
	}
	return p, err
}

// refreshToken returns the refresh token of a request: the one in the body, or
// else the one in the cookie. A client that sends one in the body has it from
// there; its browser may add an older cookie that it cannot even see.
func refreshToken(r *http.Request, b body) (presented, error) {
	text, err := b.optional("refreshToken")
	if err != nil || text != "" {
		return presented{token: secret.New(text)}, err
	}
	p := presented{cookie: wantsCookie(r)}
	switch cookies := r.CookiesNamed(CookieName); len(cookies) {
	case 0:
		return p, nil
	case 1:
		return presented{token: secret.New(cookies[0].Value), cookie: true}, nil
	default:
		return p, doorward.BadInput(doorward.InvalidRequest, CookieName, "The request has the cookie more than once")
	}
}

func wantsCookie(r *http.Request) bool { return r.Header.Get(transportHeader) == "cookie" }

// setCookie hands out a refresh token by cookie, for as long as it is good.
func setCookie(w http.ResponseWriter, token secret.Text, until, now time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: CookieName, Value: token.Reveal(), Path: "/",
		MaxAge: max(1, int(until.Sub(now)/time.Second)),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// clearCookie takes the cookie back. Only a sign-out does so: a refusal might
// answer an old request, and would take away the cookie of a newer sign-in.
func clearCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: CookieName, Path: "/", MaxAge: -1,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// checkTransport refuses what cannot be meant, and what another page sent on
// the strength of the cookie.
func (a *API) checkTransport(r *http.Request) error {
	switch r.Header.Get(transportHeader) {
	case "", "cookie", "bearer":
		return a.sameOrigin(r)
	default:
		return doorward.BadInput(doorward.InvalidRequest, transportHeader, "Doorward-Transport is cookie or bearer")
	}
}

// sameOrigin refuses what changes state on the strength of a cookie for
// another origin than our own and the configured ones.
func (a *API) sameOrigin(r *http.Request) error {
	carries := len(r.CookiesNamed(CookieName)) > 0
	if !carries && !wantsCookie(r) {
		return nil // what no browser adds by itself, no other page can borrow
	}
	if err := a.crossOrigin.Check(r); err != nil {
		next := "if it comes through a proxy, let that pass Host, Origin and Sec-Fetch-Site on as they are; a page elsewhere that tries to act for your user was kept from it"
		origin := ""
		if sent := r.Header.Get("Origin"); sent != "" {
			origin = ledger.Cut(ledger.Mask(sent), 200)
			if plainOrigin.MatchString(origin) { // it goes into a command
				next = "if the page is yours, start the server with --allowed-origin " + origin + "; if not, a page elsewhere tries to act for your user, and was kept from it"
			}
			origin = " (Origin: " + origin + ")"
		}
		return a.crossOriginDenial("the request carries the cookie, and its Sec-Fetch-Site or Origin names an origin that is not configured"+origin, next)
	}
	unmarked := r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == ""
	if carries && unmarked && r.Header.Get(transportHeader) == "" && !safeMethod(r.Method) {
		return a.crossOriginDenial("the request carries the cookie, but none of Sec-Fetch-Site, Origin and Doorward-Transport",
			"a program that sends the cookie adds Doorward-Transport: cookie; a proxy must leave Origin and Sec-Fetch-Site as they are")
	}
	return nil
}

var plainOrigin = regexp.MustCompile(`^https?://[A-Za-z0-9][A-Za-z0-9.:-]*$`)

func (a *API) crossOriginDenial(text, next string) error {
	return doorward.NewDenial(doorward.CrossOrigin, a.now(), doorward.Reason{Check: "origin", Text: text, Next: next})
}

func safeMethod(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
