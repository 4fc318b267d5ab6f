// Package auth holds the stories: what happens, from beginning to end, when
// somebody signs in, refreshes, signs out. One file each. The rules that a
// story follows are in the packages below; what it needs of a store is here.
package auth

import (
	"context"
	"errors"
	"time"

	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/internal/why"
)

// What a store says when a row is not there, or is there already. Every other
// error of a store means that it does not know, and is answered 503.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
)

// Store keeps everything that must outlive the process. Atomicity is its
// business, policy is the stories'.
//
// View and Update run fn in a transaction that sees one state of the store.
// fn may run more than once, so it must set everything it hands out anew each
// time, and it uses nothing of the store but its Tx. When Update returns nil, what fn wrote is durable; when fn returns an
// error, nothing was written and Update returns that error. On any other error
// of Update the outcome is unknown.
//
// ReadSession and SwapSession are the hot path: each is one statement, and a
// store may gather those that wait at the same time into one.
type Store interface {
	View(ctx context.Context, fn func(Tx) error) error
	Update(ctx context.Context, fn func(Tx) error) error

	// ReadSession returns a session with the account it belongs to, or
	// ErrNotFound. It sees every swap that was acknowledged before it.
	ReadSession(ctx context.Context, id ulid.ID) (Standing, error)
	// SwapSession stores next in place of old, if what is stored still has
	// old's generation and has not ended; it reports whether it did. Only the
	// generation, parent, attempt and time of rotation are written. True means
	// durable. On an error the outcome is unknown.
	SwapSession(ctx context.Context, old, next session.Session) (bool, error)

	// Follow calls apply with every revocation after the given sequence
	// number, at least once, in order and in batches, those of other processes
	// included, within 250 ms of their commit; and with none, about once a second,
	// to say that it has just looked and found no more. It returns nil when ctx
	// ends, or an error when the store cannot be read any more: a store that lost
	// its connection leaves it to the caller to begin anew.
	Follow(ctx context.Context, after int64, apply func([]Revocation)) error

	// Check reports whether the store answers.
	Check(ctx context.Context) error
	Close() error
}

// Standing is a session with what a refresh needs to know of its account.
type Standing struct {
	Session session.Session
	Email   string
	Name    string
	State   user.State
}

// Revocation is one entry of the ordered log that tells every node and guard
// what to stop believing.
type Revocation struct {
	Seq     int64
	Kind    RevocationKind
	Subject string // the session's id, or the key's
	At      time.Time
	Reason  string // a session.EndReason, for the operator; may be empty
	By      string // "user", "operator"; may be empty
}

// RevocationKind says what was revoked.
type RevocationKind string

// The kinds of revocation.
const (
	RevokedSession RevocationKind = "session"
	// RevokedAPIKey is the end of an API key.
	RevokedAPIKey RevocationKind = "apikey"
	// ChangedKeys says that the set of keys is another than before.
	ChangedKeys RevocationKind = "keys"
)

// Tx is a transaction. Reads, and writes to what is not there, return
// ErrNotFound; inserts of what is there already return ErrExists, but for a
// denial, which is kept once. In a View every write fails.
type Tx interface {
	// User returns an account by its id.
	User(id ulid.ID) (user.User, error)
	// UserByEmail returns an account by the key of its address.
	UserByEmail(key string) (user.User, error)
	// Users returns at most limit accounts with ids after the given one, by id.
	Users(after ulid.ID, limit int) ([]user.User, error)
	// InsertUser adds an account; ErrExists where the id or the key is taken.
	InsertUser(user.User) error
	// UpdateUser replaces everything of an account but its id and CreatedAt.
	UpdateUser(user.User) error

	Session(id ulid.ID) (session.Session, error)
	// Sessions returns the sessions of an account, latest first, at most limit,
	// the ended ones too.
	Sessions(owner ulid.ID, limit int) ([]session.Session, error)
	// LiveSessions returns all sessions of an account that were not ended.
	LiveSessions(owner ulid.ID) ([]session.Session, error)
	InsertSession(session.Session) error
	// EndSession ends a session and appends that, with the reason and by whom,
	// to the log of revocations. It reports false, and writes nothing, if the
	// session had ended before.
	EndSession(id ulid.ID, end session.End) (bool, error)

	// Revocations returns the log after the sequence number, in order, at most
	// limit entries.
	Revocations(after int64, limit int) ([]Revocation, error)

	// Count returns what a limit has counted; the zero Count where nothing.
	Count(throttle.Key) (throttle.Count, error)
	// SetCount keeps a count until expires; the zero Count forgets it.
	SetCount(key throttle.Key, c throttle.Count, expires time.Time) error

	// MasterKey returns the master key that nodes which were given none keep in
	// the store; the zero key where they keep none there.
	MasterKey() (secret.MasterKey, error)
	// Keys returns all keys, oldest first.
	Keys() ([]signing.Record, error)
	// InsertKey and DeleteKey append ChangedKeys to the log of revocations.
	InsertKey(signing.Record) error
	DeleteKey(id string) error

	APIKey(id ulid.ID) (apikey.Key, error)
	// APIKeys returns at most limit API keys with ids after the given one, by
	// id, those that are over too.
	APIKeys(after ulid.ID, limit int) ([]apikey.Key, error)
	InsertAPIKey(apikey.Key) error
	// RevokeAPIKey ends an API key and appends that to the log of revocations.
	// It reports false, and writes nothing, if it was revoked before.
	RevokeAPIKey(id ulid.ID, end apikey.End) (bool, error)
	// TouchAPIKey records that an API key was used; a later use that is
	// recorded already stays.
	TouchAPIKey(id ulid.ID, at time.Time) error

	InsertEvent(event.Event) error
	// Events returns the latest events, latest first, at most limit; of one
	// account or session where those are not zero.
	Events(owner, of ulid.ID, limit int) ([]event.Event, error)

	// InsertDenials keeps records and adds to the counts of floods.
	InsertDenials([]why.Record, []why.Flood) error
	Denial(id string) (why.Record, error)
	// Denials returns records that match, latest first.
	Denials(DenialQuery) ([]why.Record, error)
	// Floods returns the counts of one minute.
	Floods(minute time.Time) ([]why.Flood, error)

	// Purge deletes at most limit rows of each kind that nobody needs any more,
	// and reports how many went. It may look at a part of the rows at a time and
	// go on from there when it is called again.
	Purge(Retention, int) (int, error)
}

// DenialQuery selects denials; zero members select nothing away.
type DenialQuery struct {
	Code    string
	User    string
	Session string
	After   string // ids after this one, for following; it need not be one that exists
	Limit   int    // at most; zero means 100
}

// Retention says what is no longer needed: all that is older than these times.
type Retention struct {
	Now         time.Time // counts that have expired by then
	Sessions    time.Time // sessions that ended before
	IdleSince   time.Time // sessions not refreshed since
	BegunBefore time.Time // sessions that began before
	Revocations time.Time
	Events      time.Time
	Denials     time.Time
	MaxDenials  int // of which the latest are kept; zero for no bound
}
