package httpapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

// refresh is POST /auth/refresh {refreshToken}, or the cookie.
func (a *API) refresh(w http.ResponseWriter, r *http.Request) error {
	b, err := readBody(w, r)
	if err != nil {
		return err
	}
	presented, err := refreshToken(r, b)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	grant, err := a.auth.Refresh(r.Context(), auth.RefreshRequest{Token: presented.token, IdempotencyKey: key, Caller: a.caller(r)})
	if err != nil {
		return err
	}
	a.answerGrant(w, grant, presented.cookie)
	return nil
}
