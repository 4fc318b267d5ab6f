package auth

import (
	"context"
	"errors"
	"time"

	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

// LogoutRequest says whose session to end: that of a refresh token, or, where
// there is none, that of an access token which the edge has verified.
type LogoutRequest struct {
	Token      secret.Text
	Session    ulid.ID
	Everywhere bool // every session of the user
	Caller     Caller
}

// Logout ends a session, durably, before it returns. Ending one that is over
// is no error: who signs out wants to be signed out, and is.
func (a *Auth) Logout(ctx context.Context, req LogoutRequest) error {
	id := req.Session
	var t session.Token
	if !req.Token.IsZero() {
		var refusal *Refusal
		if t, _, refusal = a.openRefreshToken(req.Token); refusal != nil {
			return refusal
		}
		id = t.Session
	}
	now := a.now()
	var ended []ulid.ID
	err := a.store.Update(ctx, func(tx Tx) error {
		ended = nil
		s, err := tx.Session(id)
		if errors.Is(err, ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		// A session that is over must not end others: its token may have been
		// thrown away where somebody finds it.
		if !a.cfg.Life.Live(s, now) {
			return nil
		}
		end := session.End{At: now, Reason: session.EndLogout, By: ByUser}
		if !req.Everywhere || !req.Token.IsZero() && superseded(s, t) {
			ended, err = endSessions(tx, []session.Session{s}, end, req.Caller)
			return err
		}
		end.Reason = session.EndLogoutAll
		all, err := tx.LiveSessions(s.User)
		if err != nil {
			return err
		}
		ended, err = endSessions(tx, all, end, req.Caller)
		return err
	})
	if err != nil {
		return err
	}
	a.tellEnded(ended, now)
	return nil
}

// superseded reports whether t is older than what an honest holder of the
// session can still have. Such a token ends its own session and no more.
func superseded(s session.Session, t session.Token) bool {
	return t.Generation+1 < s.Generation || t.Generation+1 == s.Generation && t.Nonce != s.Parent
}

// endSessions ends those that have not ended and returns their ids.
func endSessions(tx Tx, all []session.Session, end session.End, caller Caller) ([]ulid.ID, error) {
	var ended []ulid.ID
	for _, s := range all {
		ok, err := tx.EndSession(s.ID, end)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		ended = append(ended, s.ID)
		if err := tx.InsertEvent(newEvent(event.SessionEnded, end.At, s.User, s.ID, end.By, caller.Network, string(end.Reason))); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// tellEnded makes this node refuse the access tokens of ended sessions at
// once. The others learn it from the log of revocations.
func (a *Auth) tellEnded(ended []ulid.ID, at time.Time) {
	for _, id := range ended {
		a.revoked.Add(id.String(), at)
	}
}
