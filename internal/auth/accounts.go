package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// SignupRequest asks for an account.
type SignupRequest struct {
	Email    string
	Name     string
	Password secret.Text
	Caller   Caller
}

// Signup makes an account for a stranger, where that is allowed.
func (a *Auth) Signup(ctx context.Context, req SignupRequest) (user.User, error) {
	if !a.cfg.Signup {
		return user.User{}, refuse(SignupOff, doorward.Reason{Check: "sign-up", Text: "sign-up is turned off", Next: "an operator adds accounts with: doorward user add"})
	}
	return a.addUser(ctx, req, ByUser)
}

// AddUser makes an account on an operator's word.
func (a *Auth) AddUser(ctx context.Context, req SignupRequest) (user.User, error) {
	return a.addUser(ctx, req, ByOperator)
}

func (a *Auth) addUser(ctx context.Context, req SignupRequest, by string) (user.User, error) {
	u, refusal := newUser(req.Email, req.Name, a.now(), by)
	if refusal != nil {
		return user.User{}, refusal
	}
	if refusal := a.weak(req.Password, u); refusal != nil {
		return user.User{}, refusal
	}
	if err := a.hash(ctx, func() { u.Password = newHash(req.Password, a.cfg.Hash) }); err != nil {
		return user.User{}, err
	}
	return u, a.insertUser(ctx, u, by, req.Caller.Network)
}

// ImportUser makes an account with a hash from elsewhere; see package password
// for the formats. It is renewed at the next login.
func (a *Auth) ImportUser(ctx context.Context, email, name, hash string) (user.User, error) {
	u, refusal := newUser(email, name, a.now(), ByOperator)
	if refusal != nil {
		return user.User{}, refusal
	}
	if hash != "" {
		if _, err := password.Parse(hash); err != nil {
			return user.User{}, badInput("password", err.Error())
		}
	}
	u.Password = hash
	return u, a.insertUser(ctx, u, ByOperator, "")
}

func newUser(email, name string, now time.Time, by string) (user.User, *Refusal) {
	now = now.Truncate(time.Millisecond)
	address, key, err := user.ParseEmail(email)
	if err == nil {
		name, err = user.ParseName(name)
	}
	if err != nil {
		return user.User{}, invalid(err)
	}
	return user.User{
		ID: ulid.New(now), Email: address, EmailKey: key, Name: name,
		State: user.Active, StateAt: now, StateBy: by, CreatedAt: now, PasswordAt: now,
	}, nil
}

func invalid(err error) *Refusal {
	var e *user.InvalidError
	if errors.As(err, &e) {
		return badInput(e.Member, e.Reason)
	}
	return badInput("", err.Error())
}

func (a *Auth) weak(p secret.Text, u user.User) *Refusal {
	if err := a.cfg.Passwords.Check(p.Reveal(), u.EmailKey, u.Name); err != nil {
		return badInput("password", err.Error())
	}
	return nil
}

func (a *Auth) insertUser(ctx context.Context, u user.User, by, network string) error {
	err := a.store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertUser(u); err != nil {
			return err
		}
		return tx.InsertEvent(newEvent(event.UserAdded, u.CreatedAt, u.ID, ulid.ID{}, by, network, ""))
	})
	if errors.Is(err, ErrExists) {
		return badInput("email", "an account with this address exists already")
	}
	return err
}

// PasswordRequest changes the password of the user of a verified access token.
type PasswordRequest struct {
	User    ulid.ID
	Session ulid.ID // stays; every other one ends
	Current secret.Text
	New     secret.Text
	Caller  Caller
}

// ChangePassword sets a new password for whoever knows the current one, and
// ends every other session of theirs. Wrong guesses count as failed logins.
func (a *Auth) ChangePassword(ctx context.Context, req PasswordRequest) error {
	if len(req.Current.Reveal()) > password.MaxBytes {
		return badInput("current", fmt.Sprintf("a password has at most %d bytes", password.MaxBytes))
	}
	var seen user.User
	err := a.store.View(ctx, func(tx Tx) (err error) {
		seen, err = tx.User(req.User)
		return err
	})
	if err != nil {
		return err
	}
	if refusal := a.weak(req.New, seen); refusal != nil {
		refusal.Member = "new"
		return refusal
	}
	limits := loginLimits(seen.EmailKey, req.Caller.Network)
	leave, refusal, err := a.admit(ctx, limits)
	if err != nil || refusal != nil {
		return firstError(err, refusal)
	}
	defer leave()
	right, _, err := a.checkPassword(ctx, seen, req.Current)
	if err != nil {
		return err
	}
	if !right {
		return a.loginFailed(ctx, limits, seen, seen.Email, "the current password is wrong", req.Caller)
	}
	var hash string
	if err := a.hash(ctx, func() { hash = newHash(req.New, a.cfg.Hash) }); err != nil {
		return err
	}
	return a.setPassword(ctx, seen, hash, req.Session, ByUser, limits, req.Caller)
}

// ResetPassword sets a new password on an operator's word, ends every session
// and opens a login that too many failures had closed.
func (a *Auth) ResetPassword(ctx context.Context, emailKey string, p secret.Text) error {
	seen, err := a.userByEmail(ctx, emailKey)
	if err != nil {
		return err
	}
	if seen.ID.IsZero() {
		return noSuchUser()
	}
	if refusal := a.weak(p, seen); refusal != nil {
		return refusal
	}
	var hash string
	if err := a.hash(ctx, func() { hash = newHash(p, a.cfg.Hash) }); err != nil {
		return err
	}
	limits := []counted{{throttle.InARow, throttle.InARow.Key(seen.EmailKey)}}
	return a.setPassword(ctx, seen, hash, ulid.ID{}, ByOperator, limits, Caller{})
}

func (a *Auth) setPassword(ctx context.Context, seen user.User, hash string, keep ulid.ID, by string, limits []counted, caller Caller) error {
	now := a.now().Truncate(time.Millisecond)
	var ended []ulid.ID
	err := a.store.Update(ctx, func(tx Tx) error {
		ended = nil
		u, err := tx.User(seen.ID)
		if err != nil {
			return err
		}
		if u.Password != seen.Password {
			return errors.New("auth: the password was changed at the same time")
		}
		u.Password, u.PasswordAt = hash, now
		if err := tx.UpdateUser(u); err != nil {
			return err
		}
		if err := forget(tx, limits); err != nil {
			return err
		}
		ended, err = endAll(tx, u, session.End{At: now, Reason: session.EndPassword, By: by}, keep, caller)
		if err != nil {
			return err
		}
		return tx.InsertEvent(newEvent(event.PasswordChanged, now, u.ID, keep, by, caller.Network, ""))
	})
	if err == nil {
		a.tellEnded(ended, now)
	}
	return err
}

func noSuchUser() *Refusal {
	return refuse(NothingThere, doorward.Reason{Check: "user", Text: "there is no account with this address"})
}

// Suspend takes an account out of use on an operator's word and ends its
// sessions; Activate lifts that; Deactivate is the user's own way out. Each
// returns the account as it is then, and does nothing if it is so already.

// Suspend suspends the account with this address.
func (a *Auth) Suspend(ctx context.Context, emailKey string) (user.User, error) {
	return a.setState(ctx, emailKey, user.Suspended, event.UserSuspended, session.EndSuspended, ByOperator)
}

// Activate makes the account with this address active. Sessions that ended
// stay ended.
func (a *Auth) Activate(ctx context.Context, emailKey string) (user.User, error) {
	return a.setState(ctx, emailKey, user.Active, event.UserActivated, "", ByOperator)
}

// Deactivate makes the account with this address inactive.
func (a *Auth) Deactivate(ctx context.Context, emailKey, by string) (user.User, error) {
	return a.setState(ctx, emailKey, user.Inactive, event.UserDeactivated, session.EndDeactivated, by)
}

func (a *Auth) setState(ctx context.Context, emailKey string, state user.State, kind event.Kind, reason session.EndReason, by string) (u user.User, err error) {
	now := a.now().Truncate(time.Millisecond)
	var ended []ulid.ID
	err = a.store.Update(ctx, func(tx Tx) error {
		ended = nil
		var err error
		if u, err = tx.UserByEmail(emailKey); err != nil || u.State == state {
			return err
		}
		u.State, u.StateAt, u.StateBy = state, now, by
		if err := tx.UpdateUser(u); err != nil {
			return err
		}
		if err := tx.InsertEvent(newEvent(kind, now, u.ID, ulid.ID{}, by, "", "")); err != nil {
			return err
		}
		if state != user.Active {
			ended, err = endAll(tx, u, session.End{At: now, Reason: reason, By: by}, ulid.ID{}, Caller{})
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return user.User{}, noSuchUser()
	}
	if err == nil {
		a.tellEnded(ended, now)
	}
	return u, err
}
