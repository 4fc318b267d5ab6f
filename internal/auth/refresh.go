package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// maxSwaps bounds how often a refresh decides anew because another one of the
// same session came first. Every round, one of them got through.
const maxSwaps = 100

// shortest is the life of the shortest-lived access token worth issuing. Tokens
// count whole seconds: one for less would never be good.
const shortest = 2 * time.Second

// RefreshRequest asks for new tokens.
type RefreshRequest struct {
	Token          secret.Text // the refresh token; empty for none
	IdempotencyKey string      // empty for none
	Caller         Caller
}

// Refresh trades a refresh token for new tokens: read the session, decide,
// swap the next state in if nothing changed, else look again. What is decided
// is [session.Session.Rotate]'s.
func (a *Auth) Refresh(ctx context.Context, req RefreshRequest) (Grant, error) {
	t, key, err := a.openRefreshToken(ctx, req.Token)
	if err != nil {
		return Grant{}, err
	}
	attempt := session.NewAttempt(req.IdempotencyKey)
	for range maxSwaps {
		st, err := a.store.ReadSession(ctx, t.Session)
		if errors.Is(err, ErrNotFound) {
			return Grant{}, refuseRefresh(SessionUnknown, req.Token, st.Session, "its session is not stored: it ended or ran out long ago")
		} else if err != nil {
			return Grant{}, err
		}
		now := a.now()
		next, verdict := st.Session.Rotate(t, attempt, st.State, a.cfg.Life, now)
		if verdict.Grants() && a.cfg.Life.Ends(st.Session).Sub(now) < shortest {
			verdict = session.AgedOut
		}
		switch verdict {
		case session.Rotated:
			// Nobody waits for the answer any more: acting on the request
			// would only leave behind a token that no one received.
			if err := ctx.Err(); err != nil {
				return Grant{}, err
			}
			swapped, err := a.store.SwapSession(ctx, st.Session, next)
			if err != nil {
				return Grant{}, err
			}
			if !swapped {
				continue
			}
			st.Session = next
			return a.grant(st, key.Successor(t, attempt), now)
		case session.Repeated:
			return a.grant(st, key.Successor(t, attempt), now)
		case session.Sibling:
			sibling := key.Successor(t, attempt)
			if req.IdempotencyKey == "" {
				sibling = sibling.Fresh()
			}
			return a.grant(st, sibling, now)
		case session.Superseded:
			ended, err := a.endReused(ctx, t, attempt, req.Caller, now)
			if err != nil {
				return Grant{}, err
			}
			if !ended {
				continue
			}
			return Grant{}, refuseSuperseded(req.Token, st.Session, now, fmt.Sprintf(
				"a superseded refresh token of generation %d came back, when %d was current since %s: somebody holds a copy; the session was ended",
				t.Generation, st.Session.Generation, st.Session.RotatedAt.UTC().Format(time.RFC3339)))
		default:
			a.sawEnded(st.Session)
			return Grant{}, a.refuseStanding(verdict, req.Token, st, now)
		}
	}
	return Grant{}, errors.New("auth: a session changed too often to refresh it")
}

// openRefreshToken tells a genuine refresh token from everything else. It does
// not ask the store, unless another node may have made the key meanwhile; an
// error that is no *Refusal means that this cannot be known.
func (a *Auth) openRefreshToken(ctx context.Context, text secret.Text) (session.Token, session.Key, error) {
	if text.IsZero() {
		return session.Token{}, session.Key{}, refuse(NoRefreshToken, doorward.Reason{
			Check: "refresh token", Text: "the request holds no refresh token, neither in its body nor in a cookie",
			Next: "send the refresh token of the last answer, or sign in",
		})
	}
	t, key, err := a.keys.refresh(a.now()).Open(text.Reveal())
	if errors.Is(err, session.ErrForged) {
		if err := a.keys.Look(ctx); err != nil {
			return session.Token{}, session.Key{}, err
		}
		t, key, err = a.keys.refresh(a.now()).Open(text.Reveal())
	}
	if err != nil {
		return session.Token{}, session.Key{}, refuseRefresh(RefreshTokenForged, text, session.Session{},
			"not a refresh token that this server issued: its form or its MAC is wrong")
	}
	return t, key, nil
}

// SessionOf returns the session that a refresh token was issued to, and false
// where this server did not issue it. What the token is worth it does not say.
func (a *Auth) SessionOf(text secret.Text) (ulid.ID, bool) {
	t, _, err := a.keys.refresh(a.now()).Open(text.Reveal())
	return t.Session, err == nil
}

// endReused ends the session of a superseded token. It decides once more on
// what is stored now, and reports false if that is no longer the verdict. The
// ending must be kept although the request is refused, so the refusal is a
// value here and no error.
func (a *Auth) endReused(ctx context.Context, t session.Token, attempt session.Attempt, caller Caller, now time.Time) (ended bool, err error) {
	end := session.End{At: now, Reason: session.EndReused}
	err = a.store.Update(ctx, func(tx Tx) error {
		ended = false
		s, err := tx.Session(t.Session)
		if err != nil {
			return err
		}
		owner, err := tx.User(s.User)
		if err != nil {
			return err
		}
		if _, verdict := s.Rotate(t, attempt, owner.State, a.cfg.Life, now); verdict != session.Superseded {
			return nil
		}
		if ended, err = tx.EndSession(s.ID, end); err != nil || !ended {
			return err
		}
		return tx.InsertEvent(newEvent(event.TokenReused, now, s.User, s.ID, byServer, caller.Network,
			fmt.Sprintf("generation %d came back, %d was current", t.Generation, s.Generation)))
	})
	if err == nil && ended {
		a.tellEnded([]ulid.ID{t.Session}, end)
	}
	return ended, err
}

// refuseStanding says why no token of the session is worth anything.
func (a *Auth) refuseStanding(v session.Verdict, token secret.Text, st Standing, now time.Time) *Refusal {
	s := st.Session
	var r *Refusal
	switch v {
	case session.Over:
		r = refuseRefresh(SessionOver, token, s, "its session was ended "+describeEnd(s.End))
	case session.IdledOut:
		r = refuseRefresh(SessionIdledOut, token, s, fmt.Sprintf("its session was last refreshed at %s and idles out after %s", s.RotatedAt.UTC().Format(time.RFC3339), a.cfg.Life.Idle))
		r.Private.By = now.Sub(a.cfg.Life.Expires(s))
	case session.AgedOut:
		r = refuseRefresh(SessionAgedOut, token, s, fmt.Sprintf("its session began at %s and ends for good after %s", s.CreatedAt.UTC().Format(time.RFC3339), a.cfg.Life.Absolute))
		r.Private.By = now.Sub(a.cfg.Life.Ends(s))
	case session.Suspended:
		r = refuseRefresh(AccountSuspended, token, s, "the account is suspended")
		r.Private.Next = "an operator lifts it with: " + command("user activate", st.Email)
	case session.Inactive:
		r = refuseRefresh(AccountInactive, token, s, "the account is "+string(user.Inactive))
		r.Private.Next = "an operator lifts it with: " + command("user activate", st.Email)
	default:
		// A verdict that nobody handles refuses.
		return refuseRefresh(SessionOver, token, s, "the rules gave the verdict "+v.String())
	}
	r.Ended = endOf(v, s, a.cfg.Life)
	return r
}

// endOf returns how a session ended, for who holds a genuine refresh token of
// it: that was their own sign-in, and they may know. Nil where it has not.
func endOf(v session.Verdict, s session.Session, life session.Life) *doorward.SessionEnd {
	switch {
	case s.Ended():
		return &doorward.SessionEnd{Reason: s.End.Reason, By: s.End.By, At: s.End.At}
	case v == session.IdledOut:
		return &doorward.SessionEnd{Reason: doorward.EndedIdle, At: life.Expires(s)}
	case v == session.AgedOut:
		return &doorward.SessionEnd{Reason: doorward.EndedAge, At: life.Ends(s)}
	default:
		return nil
	}
}

// refuseSuperseded refuses a token whose return has ended its session at now.
func refuseSuperseded(token secret.Text, s session.Session, now time.Time, text string) *Refusal {
	r := refuseRefresh(RefreshTokenSuperseded, token, s, text)
	r.Ended = &doorward.SessionEnd{Reason: doorward.EndedReused, At: now}
	return r
}

func refuseRefresh(cause Cause, token secret.Text, s session.Session, text string) *Refusal {
	private := doorward.Reason{
		Check: "refresh token", Text: text, Next: "sign in",
		Token: doorward.TokenRef{Fingerprint: secret.Fingerprint(token.Reveal())},
	}
	if !s.ID.IsZero() {
		private.Session, private.User = s.ID.String(), s.User.String()
	}
	return refuse(cause, private)
}

// describeEnd says when, by whom and why a session ended, as a guard does.
func describeEnd(end session.End) string {
	text := "at " + end.At.UTC().Format(time.RFC3339)
	if end.By != "" {
		text += " by the " + end.By
	}
	return text + " (" + string(end.Reason) + ")"
}
