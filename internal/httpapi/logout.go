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
	b, err := readBody(w, r)
	if err != nil {
		return err
	}
	presented, err := refreshToken(r, b)
	if err != nil {
		return err
	}
	err = a.endSessionOf(r, presented, everywhere)
	if err != nil {
		return err
	}
	if presented.cookie {
		clearCookie(w)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endSessionOf ends the session of the refresh token; where there is none of
// ours, that of the access token.
func (a *API) endSessionOf(r *http.Request, p presented, everywhere bool) error {
	req := auth.LogoutRequest{Token: p.token, Everywhere: everywhere, Caller: a.caller(r)}
	var refusal *auth.Refusal
	if !p.token.IsZero() {
		err := a.auth.Logout(r.Context(), req)
		if !errors.As(err, &refusal) || r.Header.Get("Authorization") == "" {
			return err
		}
	}
	principal, denial := a.guard.Check(r)
	switch {
	case denial == nil:
	case denial.Code == doorward.TokenRevoked:
		return nil // signed out before: so be it
	case denial.Code == doorward.TokenMissing && p.cookie:
		return nil // the cookie is gone, and with it the session of this browser
	default:
		return denial
	}
	id, err := ulid.Parse(principal.Session)
	if err != nil {
		return doorward.BadInput(doorward.InvalidRequest, "", "The access token names no session")
	}
	req.Token, req.Session = secret.Text{}, id
	return a.auth.Logout(r.Context(), req)
}
