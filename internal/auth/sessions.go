package auth

import (
	"context"
	"errors"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// maxDevices bounds how many sessions are listed.
const maxDevices = 200

// Me returns the account and the session of a verified access token. It asks
// the store, so an ending that this node has not heard of counts at once.
func (a *Auth) Me(ctx context.Context, id ulid.ID) (Standing, error) {
	st, err := a.store.ReadSession(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Standing{}, accessRevoked(id, session.Session{})
	}
	if err == nil && st.Session.Ended() {
		a.sawEnded(st.Session)
		return Standing{}, accessRevoked(id, st.Session)
	}
	return st, err
}

// Sessions returns the live sessions of a user, latest first.
func (a *Auth) Sessions(ctx context.Context, owner ulid.ID) (live []session.Session, err error) {
	now := a.now()
	err = a.store.View(ctx, func(tx Tx) error {
		live = nil
		all, err := tx.LiveSessions(owner)
		for _, s := range all {
			if a.cfg.Life.Live(s, now) && len(live) < maxDevices {
				live = append(live, s)
			}
		}
		return err
	})
	return live, err
}

// EndSession ends one session. owner is the user whose it must be; the zero ID
// is an operator, who may end any.
func (a *Auth) EndSession(ctx context.Context, owner, id ulid.ID, caller Caller) error {
	by := ByUser
	if owner.IsZero() {
		by = ByOperator
	}
	now := a.now()
	end := session.End{At: now, Reason: session.EndByUser, By: by}
	var found bool
	var ended []ulid.ID
	var s session.Session
	err := a.store.Update(ctx, func(tx Tx) (err error) {
		found, ended = false, nil
		s, err = tx.Session(id)
		if errors.Is(err, ErrNotFound) || err == nil && !owner.IsZero() && s.User != owner {
			return nil // another user's session is as good as none
		} else if err != nil {
			return err
		}
		found = true
		ended, err = endSessions(tx, []session.Session{s}, end, caller)
		return err
	})
	if err != nil {
		return err
	}
	if !found {
		return refuse(NothingThere, doorward.Reason{Check: "session", Text: "there is no such session of this user"})
	}
	a.tellEnded(ended, end)
	a.sawEnded(s)
	return nil
}

// EndAll ends every session of a user on an operator's word and returns how
// many there were.
func (a *Auth) EndAll(ctx context.Context, emailKey string) (int, error) {
	end := session.End{At: a.now(), Reason: session.EndLogoutAll, By: ByOperator}
	var ended []ulid.ID
	err := a.store.Update(ctx, func(tx Tx) error {
		ended = nil
		u, err := tx.UserByEmail(emailKey)
		if err != nil {
			return err
		}
		ended, err = endAll(tx, u, end, ulid.ID{}, Caller{})
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return 0, noSuchUser()
	}
	if err == nil {
		a.tellEnded(ended, end)
	}
	return len(ended), err
}

// endAll ends the live sessions of a user but the one to keep.
func endAll(tx Tx, u user.User, end session.End, keep ulid.ID, caller Caller) ([]ulid.ID, error) {
	all, err := tx.LiveSessions(u.ID)
	if err != nil {
		return nil, err
	}
	others := all[:0]
	for _, s := range all {
		if s.ID != keep {
			others = append(others, s)
		}
	}
	return endSessions(tx, others, end, caller)
}
