package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
)

// machine returns the API key of a request, which must be allowed what the scope
// names. What a person was granted does not count: these routes are for
// programs.
func (a *API) machine(r *http.Request, scope string) (*doorward.Principal, error) {
	p, denial := a.guard.Check(r)
	if denial != nil {
		return nil, denial
	}
	if !p.IsKey() {
		d := doorward.NewDenial(doorward.InsufficientScope, a.now(), doorward.Reason{
			Check: "kind", Text: "a user's access token was sent where an API key is due", Next: "make one with: doorward apikey create NAME --scope " + scope,
			User: p.Subject, Session: p.Session, Token: doorward.TokenRef{ID: p.TokenID},
		})
		d.Scope = scope
		return nil, d
	}
	if !apikey.Allows(p.Scopes, scope) {
		return nil, (guard.Need{Scopes: []string{scope}}).Check(p, a.now())
	}
	return p, nil
}

// introspect is POST /auth/introspect (RFC 7662): what a credential is worth at
// this moment, by the store and not by what this node remembers. It costs one
// read of the store.
func (a *API) introspect(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.machine(r, apikey.ScopeIntrospect); err != nil {
		return err
	}
	token, err := formToken(w, r)
	if err != nil {
		return err
	}
	answer, err := a.standing(r, token)
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// introspection is the answer of RFC 7662 §2.2. Of what is not active it says
// nothing else: not whether it ever was, nor why (§2.2, §4).
type introspection struct {
	Active   bool     `json:"active"`
	Kind     string   `json:"kind,omitempty"` // "user" or "key"
	Type     string   `json:"token_type,omitempty"`
	Issuer   string   `json:"iss,omitempty"`
	Subject  string   `json:"sub,omitempty"`
	Audience []string `json:"aud,omitempty"`
	Client   string   `json:"client_id,omitempty"`
	Scope    string   `json:"scope,omitempty"`
	Username string   `json:"username,omitempty"` // the address, as people sign in by it
	Expires  int64    `json:"exp,omitempty"`
	Issued   int64    `json:"iat,omitempty"`
	Begins   int64    `json:"nbf,omitempty"` // what is issued here is good at once
	ID       string   `json:"jti,omitempty"`
	Session  string   `json:"sid,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	Methods  []string `json:"amr,omitempty"`
	Email    string   `json:"email,omitempty"`
	Name     string   `json:"name,omitempty"`
}

// standing judges an access token or an API key. Anything else is not active,
// and so is a refresh token: it is for this server alone, and who holds one that
// is not theirs shall not learn here whether it is any good.
func (a *API) standing(r *http.Request, token string) (introspection, error) {
	if apikey.Claims(token) {
		k, err := a.auth.APIKey(r.Context(), token)
		if _, refused := errors.AsType[*auth.Refusal](err); refused {
			return introspection{}, nil
		} else if err != nil {
			return introspection{}, err
		}
		return a.describePrincipal(KeyPrincipal(k)), nil
	}
	p, denial := a.guard.Verify(r.Context(), token)
	switch {
	case denial != nil && denial.Code == doorward.Unavailable:
		return introspection{}, denial
	case denial != nil:
		return introspection{}, nil
	}
	of, err := ulid.Parse(p.Session)
	if err != nil {
		return introspection{}, nil
	}
	_, stands, err := a.auth.StandingNow(r.Context(), of)
	if err != nil || !stands {
		return introspection{}, err
	}
	return a.describePrincipal(p), nil
}

func (a *API) describePrincipal(p *doorward.Principal) introspection {
	i := introspection{
		Active: true, Kind: string(p.Kind), Type: "Bearer", Issuer: a.cfg.Issuer,
		Subject: p.Subject, Audience: p.Audience, Client: p.Client, Scope: strings.Join(p.Scopes, " "),
		Username: p.Email, Issued: p.IssuedAt.Unix(), Begins: p.IssuedAt.Unix(), ID: p.TokenID, Session: p.Session, Methods: p.Methods, Email: p.Email, Name: p.Name,
	}
	if !p.ExpiresAt.IsZero() {
		i.Expires = p.ExpiresAt.Unix()
	}
	if !p.AuthTime.IsZero() {
		i.AuthTime = p.AuthTime.Unix()
	}
	return i
}

// KeyPrincipal returns who speaks by an API key.
func KeyPrincipal(k apikey.Key) *doorward.Principal {
	return &doorward.Principal{
		Kind: doorward.KindKey, Subject: k.ID.String(), Name: k.Name, Scopes: k.Scopes,
		IssuedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt,
	}
}

// formToken reads the form of RFC 7662 §2.1. The query is not looked at: URLs
// end up in logs.
func formToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", doorward.BadInput(doorward.UnsupportedMediaType, "", "The body must be application/x-www-form-urlencoded")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return "", unreadable(err)
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return "", doorward.BadInput(doorward.InvalidRequest, "", "The body is not a form")
	}
	switch tokens := form["token"]; {
	case len(tokens) == 1 && tokens[0] != "":
		return tokens[0], nil
	case len(tokens) > 1:
		return "", doorward.BadInput(doorward.InvalidRequest, "token", "The form has the parameter \"token\" more than once")
	default:
		return "", doorward.BadInput(doorward.InvalidRequest, "token", "The parameter \"token\" is missing")
	}
}
