package httpapi

import (
	"net/http"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/why"
)

// Told returns what whoever sent a request may know of a denial. It is nil for
// nothing, and everything that goes wrong on the way is nothing: nobody can tell
// a denial that is not known from one that is not theirs.
func (a *API) Told(r *http.Request, code doorward.Code, denial string) *why.Told {
	facts, err := a.auth.Why(r.Context(), denial)
	if err != nil || facts.Record == nil || facts.Record.Code != code {
		return nil
	}
	return why.Tell(facts, a.asker(r))
}

// asker returns what a request proves. It is no sign-in: a token that is over
// still proves whose it was, and no more than that.
func (a *API) asker(r *http.Request) why.Asker {
	who := why.Asker{Network: a.caller(r).Network}
	if cookies := r.CookiesNamed(CookieName); len(cookies) == 1 {
		if of, ok := a.auth.SessionOf(secret.New(cookies[0].Value)); ok {
			who.Session = of.String()
		}
	}
	if r.Header.Get("Authorization") == "" {
		return who
	}
	switch p, d := a.guard.Check(r); {
	case d == nil:
		who.Session, who.User = p.Session, p.Subject
	case d.Code == doorward.TokenExpired, d.Code == doorward.TokenNotActive, d.Code == doorward.TokenRevoked:
		who.Session = d.Private.Session // only a genuine token is refused for these
	}
	return who
}
