package auth

import (
	"time"

	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/ulid"
)

// Grant is what a sign-in or a refresh is answered with.
type Grant struct {
	AccessToken  secret.Text
	ExpiresIn    time.Duration // of the access token
	RefreshToken secret.Text
	RefreshUntil time.Time // when the refresh token runs out if it is not used
	Session      ulid.ID
	User         Profile
}

// Profile is what a user's own client is told of the account.
type Profile struct {
	ID    ulid.ID
	Email string
	Name  string
}

// clientID names the server's own sign-in as the OAuth client of its tokens;
// RFC 9068 §2.2 requires one.
const clientID = "doorward"

// ownScopes is what a sign-in at the server itself is granted: to read what
// the token tells of its user (OpenID Connect Core §5.4).
var ownScopes = []string{"profile", "email"}

// grant signs an access token for a session and joins it with its refresh
// token. It is slow next to the rest and runs outside every transaction.
func (a *Auth) grant(st Standing, t session.Token, now time.Time) (Grant, error) {
	s := st.Session
	// Nothing issued to a session outlives it.
	expires := now.Add(a.cfg.AccessLife)
	if end := a.cfg.Life.Ends(s); end.Before(expires) {
		expires = end
	}
	access, err := a.keys.Sign(signing.Claims{
		Issuer: a.cfg.Issuer, Subject: s.User.String(), Audience: a.cfg.Audience,
		IssuedAt: now, ExpiresAt: expires,
		ID: ulid.New(now).String(), Session: s.ID.String(), Client: clientID,
		Scopes: ownScopes, AuthTime: s.AuthTime, Methods: s.Methods, Email: st.Email, Name: st.Name,
	}, now)
	if err != nil {
		return Grant{}, err
	}
	return Grant{
		AccessToken:  secret.New(access),
		ExpiresIn:    expires.Sub(now),
		RefreshToken: secret.New(a.keys.refresh(now).Issue(t)),
		RefreshUntil: a.cfg.Life.Expires(s),
		Session:      s.ID,
		User:         Profile{ID: s.User, Email: st.Email, Name: st.Name},
	}, nil
}
