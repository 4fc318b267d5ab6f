package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/hashpool"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// LoginRequest asks for a session by password.
type LoginRequest struct {
	Email    string
	Password secret.Text
	Caller   Caller
}

// methodPassword is RFC 8176's name for a password.
const methodPassword = "pwd"

// maxLogins bounds how often a login looks again at an account that changed
// while its password was hashed.
const maxLogins = 3

// countTimeout bounds how long a failure may take to be counted.
const countTimeout = 10 * time.Second

// Login starts a session for whoever knows the password. An account that does
// not exist, is not active, or has another password is answered alike, and at
// the price of one hash each. Only failures count.
func (a *Auth) Login(ctx context.Context, req LoginRequest) (Grant, error) {
	email, key, err := user.ParseEmail(req.Email)
	if err != nil {
		// What is no address is nobody's. It is counted and answered like an
		// unknown one.
		email, key = req.Email, req.Email
	}
	if len(req.Email) > user.MaxEmail {
		return Grant{}, badInput("email", fmt.Sprintf("an address has at most %d bytes", user.MaxEmail))
	}
	if len(req.Password.Reveal()) > password.MaxBytes {
		return Grant{}, badInput("password", fmt.Sprintf("a password has at most %d bytes", password.MaxBytes))
	}
	limits := loginLimits(key, req.Caller.Network)
	leave, err := a.admit(ctx, limits)
	if err != nil {
		return Grant{}, err
	}
	defer leave()

	for range maxLogins {
		u, err := a.userByEmail(ctx, key)
		if err != nil {
			return Grant{}, err
		}
		right, renewed, err := a.checkPassword(ctx, u, req.Password)
		if err != nil {
			return Grant{}, err
		}
		if failure := loginFailure(u, right); failure != "" {
			return Grant{}, a.loginFailed(ctx, limits, u, email, failure, req.Caller)
		}
		if u.State == user.Suspended {
			return Grant{}, refuse(AccountSuspended, doorward.Reason{
				Check: "account state", Text: "the password is right and the account is suspended since " + u.StateAt.UTC().Format(time.RFC3339),
				Next: "an operator lifts it with: " + command("user activate", u.Email), User: u.ID.String(),
			})
		}
		grant, changed, err := a.startSession(ctx, u, renewed, limits, req.Caller)
		if !changed {
			return grant, err
		}
	}
	return Grant{}, errChanging
}

// Failures that an operator can mend.
const (
	noPassword      = "the account has no password"
	inactiveAccount = "the password is right and the account is inactive"
)

// loginFailure says why a login fails alike, or "" where it does not: a
// suspended account is told so, to whoever has the password.
func loginFailure(u user.User, right bool) string {
	switch {
	case u.ID.IsZero():
		return "there is no account with this address"
	case u.Password == "":
		return noPassword
	case !right:
		return "the password is wrong"
	case u.State == user.Inactive:
		return inactiveAccount
	default:
		return ""
	}
}

func (a *Auth) userByEmail(ctx context.Context, key string) (u user.User, err error) {
	err = a.store.View(ctx, func(tx Tx) error {
		var err error
		u, err = tx.UserByEmail(key)
		if errors.Is(err, ErrNotFound) {
			u = user.User{}
			return nil
		}
		return err
	})
	return u, err
}

// checkPassword hashes in the pool. For an account without a password it
// spends the same time on one that nothing matches. Where the stored hash is
// another than is configured now, and the account may sign in, it returns one to
// take its place; where it does not, it spends the time of that, so that the
// state of an account does not show. A foreign hash still takes its own time
// beside ours.
func (a *Auth) checkPassword(ctx context.Context, u user.User, given secret.Text) (right bool, renewed string, err error) {
	encoded := a.dummy
	if u.Password != "" {
		if encoded, err = password.Parse(u.Password); err != nil {
			return false, "", fmt.Errorf("the stored hash of user %s: %w", u.ID, err)
		}
	}
	err = a.hash(ctx, func() {
		right = encoded.Verify(given.Reveal()) && u.Password != ""
		switch {
		case u.Password == "" || !encoded.Stale(a.cfg.Hash):
		case right && u.State == user.Active && encoded.Whole(given.Reveal()):
			renewed = newHash(given, a.cfg.Hash)
		default:
			a.dummy.Verify(given.Reveal())
		}
	})
	return right, renewed, err
}

func newHash(p secret.Text, params password.Params) string {
	return password.Hash(p.Reveal(), params, secret.Random(password.SaltSize))
}

// hash runs fn in the hashing pool; a full pool is a refusal with a time to
// come back at.
func (a *Auth) hash(ctx context.Context, fn func()) error {
	err := a.cfg.Pool.Do(ctx, func() error { fn(); return nil })
	if errors.Is(err, hashpool.ErrBusy) {
		return &Refusal{
			Cause: HashingBusy, RetryAfter: a.cfg.Pool.RetryAfter(),
			Private: doorward.Reason{Check: "hashing pool", Text: "every place in the queue for password hashing is taken", Next: "wait; if it lasts, give the server more processors"},
		}
	}
	return err
}

// startSession writes the session. It reports true instead if the account has
// changed since its password was checked: suspended, given another password,
// or its hash renewed by another login of the same moment.
func (a *Auth) startSession(ctx context.Context, seen user.User, renewed string, limits []counted, caller Caller) (g Grant, changed bool, err error) {
	now := a.now()
	s := session.Start(ulid.New(now), seen.ID, []string{methodPassword}, caller.Device, caller.Network, now)
	err = a.store.Update(ctx, func(tx Tx) error {
		u, err := tx.User(seen.ID)
		if err != nil {
			return err
		}
		if changed = u.State != seen.State || u.Password != seen.Password; changed {
			return nil
		}
		if renewed != "" {
			u.Password = renewed
			if err := tx.UpdateUser(u); err != nil {
				return err
			}
			if err := tx.InsertEvent(newEvent(event.PasswordRenewed, now, u.ID, s.ID, byServer, "", "the hash had other parameters than are configured")); err != nil {
				return err
			}
		}
		if err := forget(tx, limits); err != nil {
			return err
		}
		if err := tx.InsertSession(s); err != nil {
			return err
		}
		return tx.InsertEvent(newEvent(event.SessionStarted, now, u.ID, s.ID, ByUser, caller.Network, caller.Device))
	})
	if err != nil || changed {
		return Grant{}, changed, err
	}
	g, err = a.grant(Standing{Session: s, Email: seen.Email, Name: seen.Name, State: seen.State}, session.First(s.ID), now)
	return g, false, err
}

// loginFailed counts a failure and answers as every failure is answered.
func (a *Auth) loginFailed(ctx context.Context, limits []counted, u user.User, email, why string, caller Caller) error {
	now := a.now()
	// Whoever hangs up has guessed all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTimeout)
	defer cancel()
	err := a.store.Update(ctx, func(tx Tx) error {
		for _, l := range limits {
			c, err := tx.Count(l.key)
			if err != nil {
				return err
			}
			c = l.limit.Fail(c, now)
			if err := tx.SetCount(l.key, c, l.limit.Expires(c)); err != nil {
				return err
			}
			if l.limit == throttle.InARow && c.Failures == l.limit.Max && !u.ID.IsZero() {
				text := fmt.Sprintf("%d failures in a row; open it with: doorward user password", c.Failures)
				if err := tx.InsertEvent(newEvent(event.LoginClosed, now, u.ID, ulid.ID{}, byServer, caller.Network, text)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	private := doorward.Reason{Check: "password", Text: why, Next: "ask for the address and the password again"}
	switch why {
	case inactiveAccount:
		private.Next = "an operator makes it active with: " + command("user activate", u.Email)
	case noPassword:
		private.Next = "an operator sets one with: " + command("user password", u.Email)
	}
	if !u.ID.IsZero() {
		private.User = u.ID.String()
	} else {
		// What was typed into the wrong box may be the password.
		private.Text += fmt.Sprintf(" (of %d bytes)", len(email))
	}
	return refuse(CredentialsWrong, private)
}
