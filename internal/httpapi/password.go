package httpapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

// password is POST /auth/password {current, new}.
func (a *API) password(w http.ResponseWriter, r *http.Request) error {
	id, err := a.who(r)
	if err != nil {
		return err
	}
	b, err := readBody(w, r)
	if err != nil {
		return err
	}
	current, err := b.secret("current")
	if err != nil {
		return err
	}
	replacement, err := b.secret("new")
	if err != nil {
		return err
	}
	err = a.auth.ChangePassword(r.Context(), auth.PasswordRequest{
		User: id.user, Session: id.session, Current: current, New: replacement, Caller: a.caller(r),
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
