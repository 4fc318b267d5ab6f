// Package session holds the rules about sign-ins: how a session starts, how
// its refresh token rotates, how a stolen copy is noticed, and how it ends.
//
// The rules are pure: values in, values out, the time among them. What happens
// on a refresh is decided here, in [Session.Rotate], and nowhere else.
package session

import (
	"crypto/sha256"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// Nonce tells the refresh tokens of one generation apart. The zero Nonce is
// none.
type Nonce [16]byte

// Attempt is the hash of the Idempotency-Key of the request that rotated a
// session. The zero Attempt is a request without a key.
type Attempt [16]byte

// NewAttempt hashes an Idempotency-Key; an empty one gives the zero Attempt.
func NewAttempt(idempotencyKey string) Attempt {
	var a Attempt
	if idempotencyKey != "" {
		sum := sha256.Sum256([]byte(idempotencyKey))
		copy(a[:], sum[:])
	}
	return a
}

// Session is one sign-in on one device. Times are to the millisecond.
type Session struct {
	ID   ulid.ID
	User ulid.ID

	Generation uint32    // of the refresh token that is current
	Parent     Nonce     // of the token of the generation before that was used
	Attempt    Attempt   // of the request that used it
	CreatedAt  time.Time // absolute life is counted from here
	RotatedAt  time.Time // idle life and the grace are counted from here

	AuthTime time.Time // when the user last proved who they are
	Methods  []string  // how, RFC 8176: "pwd", "otp" …
	Device   string    // what the user would call it: "Firefox on Linux"
	Network  string    // where it signed in from: IPv4 /32, IPv6 /64

	End End
}

// End tells when, why and by whom a session was ended. The zero End is none.
type End struct {
	At     time.Time
	Reason EndReason
	By     string // "user", "operator", or "" where nobody asked (reuse)
}

// EndReason says why a session ended.
type EndReason = doorward.EndReason

// The reasons that are stored; one that ran out has none.
const (
	EndLogout      = doorward.EndedLogout
	EndLogoutAll   = doorward.EndedLogoutAll
	EndByUser      = doorward.EndedElsewhere
	EndPassword    = doorward.EndedPassword
	EndSuspended   = doorward.EndedSuspended
	EndDeactivated = doorward.EndedDeactivated
	EndReused      = doorward.EndedReused
)

// Ended reports whether s was ended. One that merely ran out was not.
func (s Session) Ended() bool { return !s.End.At.IsZero() }

// Life bounds how long sessions last.
type Life struct {
	Idle     time.Duration // without a refresh
	Absolute time.Duration // from the sign-in, whatever happens
	Grace    time.Duration // in which a used token may come back without a key
}

// DefaultLife is what a session gets unless configured otherwise.
var DefaultLife = Life{Idle: 7 * 24 * time.Hour, Absolute: 30 * 24 * time.Hour, Grace: 30 * time.Second}

// Expires returns when s runs out unless it is refreshed before.
func (l Life) Expires(s Session) time.Time {
	idle, absolute := s.RotatedAt.Add(l.Idle), l.Ends(s)
	if idle.Before(absolute) {
		return idle
	}
	return absolute
}

// Ends returns the moment that nothing issued to s outlives.
func (l Life) Ends(s Session) time.Time { return s.CreatedAt.Add(l.Absolute) }

// Live reports whether s can still be refreshed at now.
func (l Life) Live(s Session, now time.Time) bool {
	return !s.Ended() && now.Before(l.Expires(s))
}

// Stands reports whether what was issued to s is still to be believed at now.
// One that idled out stands for its last access token, which outlives that: it
// was issued before, and is good to its own end.
func (l Life) Stands(s Session, account user.State, now time.Time) bool {
	return !s.Ended() && account == user.Active && now.Before(l.Ends(s))
}

// Start returns a session that begins at now, with its first generation.
func Start(id, owner ulid.ID, methods []string, device, network string, now time.Time) Session {
	now = now.Truncate(time.Millisecond)
	return Session{
		ID: id, User: owner, Generation: 1,
		CreatedAt: now, RotatedAt: now, AuthTime: now,
		Methods: methods, Device: device, Network: network,
	}
}

// Verdict is what is to be done with a refresh token that was presented.
type Verdict uint8

// The verdicts. The zero Verdict refuses.
const (
	Refused    Verdict = iota // never returned; a caller that meets it has a bug
	Rotated                   // swap in the next session, answer its successor
	Repeated                  // the answer may have been lost: answer the same successor, write nothing
	Sibling                   // another tab at the same time: answer another token of the current generation, write nothing
	Superseded                // a copy is about: end the session
	Over                      // ended before
	IdledOut                  // not refreshed for the idle life
	AgedOut                   // past the absolute life
	Inactive                  // the account is not active
	Suspended                 // the account is suspended
)

func (v Verdict) String() string {
	return [...]string{"refused", "rotated", "repeated", "sibling", "superseded", "over", "idled out", "aged out", "inactive", "suspended"}[v]
}

// Grants reports whether a refresh with this verdict is answered with tokens.
func (v Verdict) Grants() bool { return v == Rotated || v == Repeated || v == Sibling }

// Rotate decides what a genuine refresh token t of session s, presented at now
// in a request with attempt a, is worth, given the state of the account. For
// [Rotated] it also returns the session as it is to be swapped in, which is
// right only if s is still what is stored.
//
// A used token may come back for two honest reasons: its answer was lost, or a
// second tab asked at the same moment. Both look like theft. What tells them
// apart is the Idempotency-Key, which an honest client saves before it asks:
// the same key, however late, is the same request. Without a key there is only
// the time. Whoever else holds a copy gets a token of the same generation at
// most; the first of those to be used carries the line on, and the others are
// then superseded (RFC 9700 §4.14.2).
func (s Session) Rotate(t Token, a Attempt, account user.State, life Life, now time.Time) (Session, Verdict) {
	if v := s.standing(account, life, now); v != Refused {
		return s, v
	}
	switch {
	case t.Generation >= s.Generation:
		// A generation ahead of the row was issued by a store that has since
		// lost its latest writes (a restored backup, a failover). The token is
		// genuine and the newest there is: the line goes on from it.
		next := s
		next.Generation = t.Generation + 1
		next.Parent, next.Attempt = t.Nonce, a
		next.RotatedAt = later(now.Truncate(time.Millisecond), s.RotatedAt)
		return next, Rotated
	case t.Generation != s.Generation-1 || t.Nonce != s.Parent:
		return s, Superseded
	}
	// A clock that was set back puts the rotation into the future; that is
	// "just now" rather than "long ago".
	recent := now.Sub(s.RotatedAt) <= life.Grace
	keyed := s.Attempt != Attempt{}
	switch {
	case a == s.Attempt && (keyed || recent):
		return s, Repeated
	case recent || !keyed:
		return s, Sibling
	default:
		return s, Superseded
	}
}

// standing returns why no token of s is worth anything, or Refused if that
// depends on the token.
func (s Session) standing(account user.State, life Life, now time.Time) Verdict {
	if s.Ended() {
		// Who was thrown out with their account is told so, not that the
		// token is bad; once the account is back, they sign in again.
		switch {
		case s.End.Reason == EndSuspended && account == user.Suspended:
			return Suspended
		case s.End.Reason == EndDeactivated && account == user.Inactive:
			return Inactive
		}
		return Over
	}
	switch {
	case !now.Before(life.Ends(s)):
		return AgedOut
	case !now.Before(s.RotatedAt.Add(life.Idle)):
		return IdledOut
	case account == user.Suspended:
		return Suspended
	case account != user.Active:
		return Inactive
	}
	return Refused
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
