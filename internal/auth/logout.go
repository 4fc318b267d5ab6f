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
	Token          secret.Text
	IdempotencyKey string // that of the refresh which is not settled; empty for none
	Session        ulid.ID
	Everywhere     bool // every session of the user
	Caller         Caller
}

// Logout ends a session, durably, before it returns. Ending one that is over
// is no error: who signs out wants to be signed out, and is, here at once even if
// it was another node that ended it, whose answer was lost. What the refresh
// token is worth is [session.Session.Rotate]'s to say: a superseded one ends its
// own session and no other, as it would at a refresh.
func (a *Auth) Logout(ctx context.Context, req LogoutRequest) error {
	id := req.Session
	var t session.Token
	if !req.Token.IsZero() {
		var err error
		if t, _, err = a.openRefreshToken(ctx, req.Token); err != nil {
			return err
		}
		id = t.Session
	}
	now := a.now()
	var ended []ulid.ID
	var end session.End
	var s session.Session
	verdict := session.Rotated // an access token was judged by the guard
	err := a.store.Update(ctx, func(tx Tx) (err error) {
		ended = nil
		if s, err = tx.Session(id); errors.Is(err, ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		u, err := tx.User(s.User)
		if err != nil {
			return err
		}
		if !req.Token.IsZero() {
			_, verdict = s.Rotate(t, session.NewAttempt(req.IdempotencyKey), u.State, a.cfg.Life, now)
		}
		end = session.End{At: now, Reason: session.EndLogout, By: ByUser}
		switch {
		case verdict == session.Superseded:
			end.Reason, end.By = session.EndReused, ""
			if err := tx.InsertEvent(newEvent(event.TokenReused, now, s.User, s.ID, byServer, req.Caller.Network, "at a sign-out")); err != nil {
				return err
			}
		case req.Everywhere && verdict.Grants():
			end.Reason = session.EndLogoutAll
			ended, err = endAll(tx, u, end, ulid.ID{}, req.Caller)
			return err
		}
		// One that merely ran out is ended too: what is acknowledged must hold
		// when sessions are given a longer life, or a clock is set back.
		ended, err = endSessions(tx, []session.Session{s}, end, req.Caller)
		return err
	})
	if err != nil {
		return err
	}
	a.tellEnded(ended, end)
	a.sawEnded(s)
	if req.Everywhere && verdict == session.Superseded {
		return refuseSuperseded(req.Token, s, now, "a superseded refresh token asked to end every session of its user; its own was ended")
	}
	return nil
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

// tellEnded makes this node refuse the access tokens of ended sessions at once,
// and those who listen to it too. The others learn it from the log of
// revocations.
func (a *Auth) tellEnded(ended []ulid.ID, end session.End) {
	told := make([]Revocation, len(ended))
	for i, id := range ended {
		told[i] = Revocation{Kind: RevokedSession, Subject: id.String(), At: end.At.Truncate(time.Millisecond), Reason: string(end.Reason), By: end.By}
	}
	a.tell(told...)
}

// tell makes endings known on this node that the log may not have brought yet.
func (a *Auth) tell(endings ...Revocation) {
	for _, end := range endings {
		if _, known := a.revoked.Ended(end.Subject); !known {
			a.revoked.Add(end)
			a.recent.add(end)
		}
	}
}

// sawEnded makes this node refuse the access tokens of a session that it has
// seen to be over, which another node may have ended a moment ago: who is told
// so here must not be let in here by the next request.
func (a *Auth) sawEnded(s session.Session) {
	if s.Ended() && a.now().Sub(s.End.At) < a.revoked.keep {
		a.tellEnded([]ulid.ID{s.ID}, s.End)
	}
}
