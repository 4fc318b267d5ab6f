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
	select {
	case a.signups <- struct{}{}:
		defer func() { <-a.signups }()
	default:
		return user.User{}, crowded()
	}
	if err := a.countSignup(ctx, req.Caller.Network); err != nil {
		return user.User{}, err
	}
	return a.addUser(ctx, req, ByUser)
}

// maxSignups is how many sign-ups go on at a time: they share the hashing pool
// with everybody's logins.
const maxSignups = 8

// countSignup counts a sign-up, or refuses it where its network has made too
// many accounts.
func (a *Auth) countSignup(ctx context.Context, network string) error {
	now := a.now()
	key := throttle.Signup.Key(network)
	var refusal *Refusal
	err := a.store.Update(ctx, func(tx Tx) error {
		refusal = nil
		c, err := tx.Count(key)
		if err != nil {
			return err
		}
		if throttle.Signup.Left(c, now) == 0 {
			refusal = tooMany(throttle.Signup, c, now)
			return nil
		}
		c = throttle.Signup.Fail(c, now)
		return tx.SetCount(key, c, throttle.Signup.Expires(c))
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	return err
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
	var err error
	if u.Password, err = a.hashNew(ctx, req.Password); err != nil {
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
	for range maxLogins {
		var seen user.User
		err := a.store.View(ctx, func(tx Tx) (err error) {
			seen, err = tx.User(req.User)
			return err
		})
		if errors.Is(err, ErrNotFound) {
			return accessRevoked(req.Session, session.Session{})
		} else if err != nil {
			return err
		}
		if refusal := a.weak(req.New, seen); refusal != nil {
			refusal.Member = "new"
			return refusal
		}
		changed, err := a.changePassword(ctx, req, seen)
		if !changed {
			return err
		}
	}
	return errChanging
}

var errChanging = errors.New("auth: the account changed too often while its password was checked")

// changePassword is one try. It reports true, and has done nothing, if the
// account has got another hash meanwhile.
func (a *Auth) changePassword(ctx context.Context, req PasswordRequest, seen user.User) (changed bool, err error) {
	limits := loginLimits(seen.EmailKey, req.Caller.Network)
	leave, err := a.admit(ctx, limits)
	if err != nil {
		return false, err
	}
	defer leave()
	right, _, err := a.checkPassword(ctx, seen, req.Current)
	if err != nil {
		return false, err
	}
	if !right {
		return false, a.loginFailed(ctx, limits, seen, seen.Email, "the current password is wrong", req.Caller)
	}
	hash, err := a.hashNew(ctx, req.New)
	if err != nil {
		return false, err
	}
	var over bool
	var own session.Session
	err = a.setPassword(ctx, seen.ID, hash, newPassword{by: ByUser, keep: req.Session, limits: limits, caller: req.Caller,
		// Who was signed out while we hashed, or suspended, changes nothing.
		allow: func(tx Tx, u user.User) (ok bool, err error) {
			own, err = tx.Session(req.Session)
			if over = errors.Is(err, ErrNotFound) || err == nil && own.Ended(); over {
				return false, nil
			}
			changed = u.Password != seen.Password
			return !changed, err
		}})
	if err == nil && over {
		a.sawEnded(own)
		err = accessRevoked(req.Session, own)
	}
	return changed && err == nil, err
}

// accessRevoked refuses the access token of a session, as it is stored; the zero
// Session is one that is not.
func accessRevoked(id ulid.ID, s session.Session) *Refusal {
	private := doorward.Reason{Check: "session", Text: "the session of the token is not stored any more", Next: "sign in", Session: id.String()}
	if s.Ended() {
		private.Text, private.User = "the session of the token was ended "+describeEnd(s.End), s.User.String()
	}
	return refuse(AccessRevoked, private)
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
	hash, err := a.hashNew(ctx, p)
	if err != nil {
		return err
	}
	return a.setPassword(ctx, seen.ID, hash, newPassword{
		by: ByOperator, limits: []counted{{throttle.InARow, throttle.InARow.Key(seen.EmailKey)}},
		allow: func(Tx, user.User) (bool, error) { return true, nil },
	})
}

func (a *Auth) hashNew(ctx context.Context, p secret.Text) (hash string, err error) {
	err = a.hash(ctx, func() { hash = newHash(p, a.cfg.Hash) })
	return hash, err
}

// newPassword says how a password is set.
type newPassword struct {
	by     string
	keep   ulid.ID   // the session that does not end; zero for none
	limits []counted // to forget
	caller Caller
	allow  func(Tx, user.User) (bool, error) // asked within the transaction
}

func (a *Auth) setPassword(ctx context.Context, id ulid.ID, hash string, n newPassword) error {
	now := a.now().Truncate(time.Millisecond)
	end := session.End{At: now, Reason: session.EndPassword, By: n.by}
	var ended []ulid.ID
	err := a.store.Update(ctx, func(tx Tx) error {
		ended = nil
		u, err := tx.User(id)
		if err != nil {
			return err
		}
		if ok, err := n.allow(tx, u); err != nil || !ok {
			return err
		}
		u.Password, u.PasswordAt = hash, now
		if err := tx.UpdateUser(u); err != nil {
			return err
		}
		if err := forget(tx, n.limits); err != nil {
			return err
		}
		ended, err = endAll(tx, u, end, n.keep, n.caller)
		if err != nil {
			return err
		}
		return tx.InsertEvent(newEvent(event.PasswordChanged, now, u.ID, n.keep, n.by, n.caller.Network, ""))
	})
	if err == nil {
		a.tellEnded(ended, end)
	}
	return err
}

func noSuchUser() *Refusal {
	return refuse(NothingThere, doorward.Reason{Check: "user", Text: "there is no account with this address"})
}

// Suspend takes the account with this address out of use on an operator's word
// and ends its sessions. It returns the account as it is then, and does nothing
// if it is so already; so do Activate and Deactivate.
func (a *Auth) Suspend(ctx context.Context, emailKey string) (user.User, error) {
	return a.setState(ctx, emailKey, user.Suspended, event.UserSuspended, session.EndSuspended, ByOperator)
}

// Activate makes the account with this address active. Sessions that ended
// stay ended.
func (a *Auth) Activate(ctx context.Context, emailKey string) (user.User, error) {
	return a.setState(ctx, emailKey, user.Active, event.UserActivated, "", ByOperator)
}

// Deactivate makes the account with this address inactive, the user's own way
// out, and ends its sessions.
func (a *Auth) Deactivate(ctx context.Context, emailKey, by string) (user.User, error) {
	return a.setState(ctx, emailKey, user.Inactive, event.UserDeactivated, session.EndDeactivated, by)
}

func (a *Auth) setState(ctx context.Context, emailKey string, state user.State, kind event.Kind, reason session.EndReason, by string) (u user.User, err error) {
	now := a.now().Truncate(time.Millisecond)
	end := session.End{At: now, Reason: reason, By: by}
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
			ended, err = endAll(tx, u, end, ulid.ID{}, Caller{})
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return user.User{}, noSuchUser()
	}
	if err == nil {
		a.tellEnded(ended, end)
	}
	return u, err
}
