package httpapi

import (
	"net/http"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

// who is the user and the session of a verified access token.
type who struct{ user, session ulid.ID }

func (a *API) who(r *http.Request) (who, error) {
	principal, denial := a.person(r)
	if denial != nil {
		return who{}, denial
	}
	owner, err := ulid.Parse(principal.Subject)
	if err != nil {
		return who{}, foreignToken(a.now())
	}
	of, err := ulid.Parse(principal.Session)
	if err != nil {
		return who{}, foreignToken(a.now())
	}
	return who{owner, of}, nil
}

// person returns the user whom a request speaks for. Routes that ask for one
// take no API keys.
func (a *API) person(r *http.Request) (*doorward.Principal, *doorward.Denial) {
	principal, denial := a.guard.Check(r)
	if denial == nil {
		denial = guard.Need{}.Check(principal, a.now())
	}
	return principal, denial
}

// foreignToken refuses a token that our keys signed and our stories did not
// write: another program has the keys.
func foreignToken(now time.Time) *doorward.Denial {
	return doorward.NewDenial(doorward.ValidationFailed, now, doorward.Reason{
		Check: "claims", Text: "sub or sid is no identifier of this server",
	})
}

// me is GET /auth/me: the user and this session.
func (a *API) me(w http.ResponseWriter, r *http.Request) error {
	id, err := a.who(r)
	if err != nil {
		return err
	}
	st, err := a.auth.Me(r.Context(), id.session)
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, struct {
		User    account `json:"user"`
		Session signIn  `json:"session"`
	}{
		account{profile{id.user.String(), st.Email, st.Name}, string(st.State)},
		a.describe(st.Session, id.session),
	})
	return nil
}

type account struct {
	profile
	State string `json:"state"`
}

// signIn is a session as its user sees it.
type signIn struct {
	SID         string    `json:"sid"`
	Device      string    `json:"device"`
	Network     string    `json:"network"`
	CreatedAt   time.Time `json:"createdAt"`
	RefreshedAt time.Time `json:"refreshedAt"`
	ExpiresAt   time.Time `json:"expiresAt"`
	AuthTime    time.Time `json:"authTime"`
	Methods     []string  `json:"amr"`
	Current     bool      `json:"current"`
}

func (a *API) describe(s session.Session, current ulid.ID) signIn {
	return signIn{
		SID: s.ID.String(), Device: s.Device, Network: s.Network,
		CreatedAt: s.CreatedAt.UTC(), RefreshedAt: s.RotatedAt.UTC(), ExpiresAt: a.cfg.Life.Expires(s).UTC(),
		AuthTime: s.AuthTime.UTC(), Methods: s.Methods, Current: s.ID == current,
	}
}
