package httpapi

import (
	"net/http"

	"github.com/doorward/doorward/internal/auth"
)

// login is POST /auth/login {email, password}.
func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	_, email, password, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	grant, err := a.auth.Login(r.Context(), auth.LoginRequest{Email: email, Password: password, Caller: a.caller(r)})
	if err != nil {
		return err
	}
	a.answerGrant(w, grant, wantsCookie(r))
	return nil
}

// tokens is the answer to a login and to a refresh.
type tokens struct {
	AccessToken  string  `json:"accessToken"`
	TokenType    string  `json:"tokenType"`
	ExpiresIn    int64   `json:"expiresIn"` // seconds
	RefreshToken string  `json:"refreshToken,omitempty"`
	User         profile `json:"user"`
}

type profile struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

func (a *API) answerGrant(w http.ResponseWriter, g auth.Grant, byCookie bool) {
	out := tokens{
		AccessToken: g.AccessToken.Reveal(), TokenType: "Bearer", ExpiresIn: int64(g.ExpiresIn.Seconds()),
		User: profile{ID: g.User.ID.String(), Email: g.User.Email, Name: g.User.Name},
	}
	if byCookie {
		setCookie(w, g.RefreshToken, g.RefreshUntil, a.now())
	} else {
		out.RefreshToken = g.RefreshToken.Reveal()
	}
	answerJSON(w, http.StatusOK, out)
}
