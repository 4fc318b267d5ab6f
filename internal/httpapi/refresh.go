package httpapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

// refresh is POST /auth/refresh {refreshToken}, or the cookie.
func (a *API) refresh(w http.ResponseWriter, r *http.Request) error {
	p, err := readRefreshToken(w, r)
	if err != nil {
		return err
	}
	grant, err := a.auth.Refresh(r.Context(), auth.RefreshRequest{Token: p.token, IdempotencyKey: p.key, Caller: a.caller(r)})
	if err != nil {
		return err
	}
	a.answerGrant(w, grant, p.cookie)
	return nil
}
