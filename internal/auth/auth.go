package auth

import (
	"context"
	"log/slog"
	"time"

	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/hashpool"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/ulid"
)

// Config is what the stories need. Every field is required.
type Config struct {
	Store      Store
	Master     secret.MasterKey // seals the server's keys at rest
	Issuer     string           // `iss`, without a trailing slash
	Audience   []string         // `aud`
	AccessLife time.Duration    // of an access token
	Life       session.Life
	Access     signing.Policy // of the keys that sign access tokens
	Refresh    signing.Policy // of the keys that authenticate refresh tokens
	Passwords  password.Policy
	Hash       password.Params
	Pool       *hashpool.Pool
	Signup     bool // whether strangers may make accounts
	Retention  Keep
	Node       string // what this server calls itself in its records
	Now        func() time.Time
	Log        *slog.Logger
}

// Keep says how long what is over is remembered.
type Keep struct {
	Sessions   time.Duration // ended sessions, so that a denial can say when and why
	Events     time.Duration
	Denials    time.Duration
	MaxDenials int
}

// Auth tells the stories. It is safe for use by many goroutines.
type Auth struct {
	cfg     Config
	store   Store
	keys    *Keyring
	revoked *Revoked
	recent  *Recent
	touched *touches
	ledger  *Ledger
	gate    gate
	signups chan struct{} // holds one for each that is under way
	now     func() time.Time
	log     *slog.Logger
	dummy   password.Encoded // for accounts that do not exist

	stop context.CancelFunc
	done chan struct{}
}

// New prepares the stories. It asks the store nothing and starts nothing: an
// operator's command needs no more. A server calls Start.
func New(cfg Config) *Auth {
	return &Auth{
		cfg: cfg, store: cfg.Store, now: cfg.Now, log: cfg.Log,
		keys: newKeyring(cfg), revoked: newRevoked(cfg.AccessLife), ledger: newLedger(cfg),
		recent: newRecent(cfg.AccessLife), touched: newTouches(cfg.Store),
		signups: make(chan struct{}, maxSignups),
		dummy:   password.Dummy(cfg.Hash),
	}
}

// Start loads the keys, making the first ones, and the revocations that still
// matter, and starts what runs beside the requests. Close ends that.
func (a *Auth) Start(ctx context.Context) error {
	if err := a.keys.Load(ctx); err != nil {
		return err
	}
	if err := a.loadRevocations(ctx); err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop, a.done = stop, make(chan struct{})
	go a.run(background)
	return nil
}

// Keys returns the keys in force.
func (a *Auth) Keys() *Keyring { return a.keys }

// Revoked returns the sessions and API keys that ended lately.
func (a *Auth) Revoked() *Revoked { return a.revoked }

// Recent returns the end of the log of revocations.
func (a *Auth) Recent() *Recent { return a.recent }

// Ledger returns the record of denials.
func (a *Auth) Ledger() *Ledger { return a.ledger }

// Check reports whether the store answers.
func (a *Auth) Check(ctx context.Context) error { return a.store.Check(ctx) }

// Close stops what runs beside the requests and writes the denials that wait.
// The store stays open: it is the caller's.
func (a *Auth) Close() {
	if a.stop != nil {
		a.stop()
		<-a.done
	}
}

// Caller is what is known of who asks, before they prove anything.
type Caller struct {
	Network string // the network that attempts count for
	Device  string // what the user would call it
}

// Signed-in users and operators act on accounts; records say which it was.
const (
	ByUser     = "user"
	ByOperator = "operator"
	byServer   = "server"
)

func newEvent(kind event.Kind, at time.Time, owner, of ulid.ID, by, network, detail string) event.Event {
	return event.Event{ID: ulid.New(at), Kind: kind, User: owner, Session: of, By: by, Network: network, Detail: detail}
}
