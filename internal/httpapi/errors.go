package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ledger"
)

// codes is the one table between the two languages: what a story refuses for,
// and what the public is told. It says less on purpose.
var codes = map[auth.Cause]doorward.Code{
	auth.NoRefreshToken:         doorward.RefreshTokenMissing,
	auth.RefreshTokenForged:     doorward.InvalidRefreshToken,
	auth.SessionUnknown:         doorward.InvalidRefreshToken,
	auth.SessionOver:            doorward.InvalidRefreshToken,
	auth.AccessRevoked:          doorward.TokenRevoked,
	auth.SessionIdledOut:        doorward.InvalidRefreshToken,
	auth.SessionAgedOut:         doorward.InvalidRefreshToken,
	auth.RefreshTokenSuperseded: doorward.RefreshTokenReused,
	auth.AccountInactive:        doorward.UserInactive,
	auth.AccountSuspended:       doorward.AccountSuspended,
	auth.CredentialsWrong:       doorward.InvalidCredentials,
	auth.APIKeyBad:              doorward.APIKeyInvalid,
	auth.TooManyFailures:        doorward.RateLimited,
	auth.HashingBusy:            doorward.Unavailable,
	auth.InputBad:               doorward.InvalidRequest,
	auth.NothingThere:           doorward.NotFound,
	auth.SignupOff:              doorward.NotFound,
}

// retryUnknown is how long a client is told to wait after a fault of ours.
const retryUnknown = time.Second

// denialOf turns what a story returned into what is answered. A refusal is
// looked up in the table; anything else means that we do not know, which is
// never a 401.
func (a *API) denialOf(err error) *doorward.Denial {
	var denial *doorward.Denial
	var refusal *auth.Refusal
	switch {
	case errors.As(err, &denial):
		return denial
	case errors.As(err, &refusal):
		code, ok := codes[refusal.Cause]
		if !ok {
			break
		}
		d := doorward.NewDenial(code, a.now(), refusal.Private)
		d.Member, d.Detail, d.RetryAfter, d.Ended = refusal.Member, refusal.Detail, refusal.RetryAfter, refusal.Ended
		if l := refusal.Limit; l != nil {
			d.Limit = &doorward.Limit{Name: l.Name, Quota: l.Max, Window: l.Window, Reset: refusal.RetryAfter}
		}
		return d
	}
	d := doorward.NewDenial(doorward.Unavailable, a.now(), doorward.Reason{
		Check: "machinery", Text: err.Error(), Next: "look at the store: its disk, its connection, its log",
	})
	d.RetryAfter = retryUnknown
	return d
}

// fail answers a request with what a story returned.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	d := a.denialOf(err)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		// The client has hung up, or its half of the connection: it is no fault
		// that an operator should hear of.
		d.Write(w, a.wire)
		return
	}
	a.deny(w, r, d)
}

// deny is the only place where a refusal leaves the server: it is counted,
// remembered and answered.
func (a *API) deny(w http.ResponseWriter, r *http.Request, d *doorward.Denial) {
	a.Remember(r, d)
	d.Write(w, a.wire)
}

// Remember counts a denial and hands it to the ledger. It is for denials that
// somebody else answers, such as the server's guard on a program's own routes.
func (a *API) Remember(r *http.Request, d *doorward.Denial) {
	a.metrics.denied(d.Code)
	if d.ID == "" {
		return // bad input: the answer said all there is
	}
	record := ledger.NewRecord(r, d)
	record.Network = a.caller(r).Network
	a.auth.Ledger().Record(record)
}
