// Package event lists what can happen to an account or to the server, for the
// user and for the operator. The list is closed.
package event

import (
	"time"

	"github.com/doorward/doorward/internal/ulid"
)

// Kind says what happened.
type Kind string

// The kinds of event.
const (
	UserAdded       Kind = "user.added"
	UserSuspended   Kind = "user.suspended"
	UserActivated   Kind = "user.activated"
	UserDeactivated Kind = "user.deactivated"
	PasswordChanged Kind = "password.changed"
	PasswordRenewed Kind = "password.renewed" // the same password, hashed anew
	LoginClosed     Kind = "login.closed"     // too many failures in a row
	SessionStarted  Kind = "session.started"
	SessionEnded    Kind = "session.ended"
	TokenReused     Kind = "token.reused"
	KeyAdded        Kind = "key.added"
	KeyRemoved      Kind = "key.removed"
	APIKeyAdded     Kind = "apikey.added"
	APIKeyRevoked   Kind = "apikey.revoked"
)

// Event is one thing that happened.
type Event struct {
	ID      ulid.ID // holds the time
	Kind    Kind
	User    ulid.ID // zero where it concerns no one
	Session ulid.ID // zero where it concerns none
	By      string  // "user", "operator" or "server"
	Network string  // where the request came from; empty for none
	Detail  string  // for people; never a secret
}

// At returns when it happened.
func (e Event) At() time.Time { return e.ID.Time() }
