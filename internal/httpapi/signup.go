package httpapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

// signup is POST /auth/signup {email, password, name?}.
func (a *API) signup(w http.ResponseWriter, r *http.Request) error {
	b, email, password, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	name, err := b.optional("name")
	if err != nil {
		return err
	}
	u, err := a.auth.Signup(r.Context(), auth.SignupRequest{Email: email, Name: name, Password: password, Caller: a.caller(r)})
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusCreated, struct {
		User profile `json:"user"`
	}{profile{u.ID.String(), u.Email, u.Name}})
	return nil
}
