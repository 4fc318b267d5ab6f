package httpapi

import (
	"errors"
	"net/http"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/ulid"
)

// logout is POST /auth/logout, by the refresh token (body or cookie) or else by
// the access token.
func (a *API) logout(w http.ResponseWriter, r *http.Request) error { return a.endSession(w, r, false) }

// logoutAll is POST /auth/logout/all.
func (a *API) logoutAll(w http.ResponseWriter, r *http.Request) error {
	return a.endSession(w, r, true)
}

func (a *API) endSession(w http.ResponseWriter, r *http.Request, everywhere bool) error {
	p, err := readRefreshToken(w, r)
	if err != nil {
		return err
	}
	if len(r.CookiesNamed(CookieName)) > 0 {
		// Whatever comes of it, this browser wants to be rid of its cookie.
		clearCookie(w)
	}
	req := auth.LogoutRequest{Token: p.token, IdempotencyKey: p.key, Everywhere: everywhere, Caller: a.caller(r)}
	if err := a.endSessionOf(r, req, p); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endSessionOf ends the session of the refresh token; where there is none of
// ours, that of the access token. A request that holds tokens of two sessions
// ends both: who sends it wants to be signed out.
func (a *API) endSessionOf(r *http.Request, req auth.LogoutRequest, p presented) error {
	var refused *auth.Refusal
	if !p.token.IsZero() {
		err := a.auth.Logout(r.Context(), req)
		if err != nil && !errors.As(err, &refused) || r.Header.Get("Authorization") == "" {
			return err
		}
	}
	principal, denial := a.person(r)
	switch {
	case denial == nil:
	case !p.token.IsZero() && refused == nil:
		return nil // the refresh token has spoken; the access token may be as old as it likes
	case denial.Code == doorward.TokenRevoked:
		return nil // signed out before: so be it
	case denial.Code == doorward.TokenMissing && p.cookie:
		return nil // the cookie is gone, and with it the session of this browser
	default:
		return denial
	}
	id, err := ulid.Parse(principal.Session)
	if err != nil {
		return foreignToken(a.now())
	}
	req.Token, req.Session = secret.Text{}, id
	return a.auth.Logout(r.Context(), req)
}
