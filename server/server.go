// Package server is the whole Doorward server for a Go program to embed: a
// Config in, an http.Handler out.
//
//	store, err := sqlite.Open(ctx, "doorward.db")
//	auth, err := server.New(ctx, server.Config{Store: store, MasterKey: key, Issuer: "https://auth.example.com"})
//	mux.Handle("/", auth)
//	mux.Handle("/api/", auth.Guard().Handler(api))
//
// The command doorward is this package and a command line.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/hashpool"
	"github.com/doorward/doorward/internal/httpapi"
	"github.com/doorward/doorward/internal/pages"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/why"
	"github.com/doorward/doorward/verify"
)

// Store keeps everything that must outlive the process. Packages sqlite
// and postgres have one each. A program can hand one in and cannot write one:
// what a store must do is this project's to change.
type Store = auth.Store

// Config says how a server behaves. The zero value of every field but the
// first three is a sound default.
type Config struct {
	// Store is required. It stays the caller's to close, after the server.
	Store Store
	// MasterKey seals the server's private keys in the store: 32 bytes, as
	// base64 or hex. Required. Whoever has it and the store can sign tokens;
	// without it the keys in the store are lost and everybody signs in anew.
	MasterKey string
	// Issuer is the public URL of the server, which its tokens name as `iss`:
	// https, or http on a loopback address, without a path. Required.
	Issuer string

	// Audience is what its tokens name as `aud`. Empty means the issuer.
	Audience []string
	// AccessLife is the life of an access token. Zero means 15 minutes; at
	// least 5 seconds, at most 24 hours.
	AccessLife time.Duration
	// IdleLife is how long a session lasts without a refresh. Zero means 7 days.
	IdleLife time.Duration
	// AbsoluteLife is how long a session lasts at all. Zero means 30 days.
	AbsoluteLife time.Duration
	// Algorithm signs access tokens: ES256, RS256 or EdDSA. Empty means ES256.
	Algorithm verify.Algorithm
	// KeyAge is how long a key signs before the next one takes its place. Zero
	// means 90 days.
	KeyAge time.Duration

	// Signup lets strangers make accounts.
	Signup bool
	// PasswordLength is the least length of a new password in code points.
	// Zero means 15; never under 8 (NIST SP 800-63B-4 §3.1.1.2).
	PasswordLength int
	// Hash sets the price of a password hash. The zero value means Argon2id
	// with 19 MiB, two passes and one lane; it cannot be set any weaker.
	Hash HashCost
	// HashWorkers is how many passwords are hashed at a time. Zero means one
	// for each processor.
	HashWorkers int

	// AllowedOrigins are the origins of pages elsewhere that may call the
	// server: "https://app.example.com". Empty means its own only.
	AllowedOrigins []string
	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	// Empty means none: client addresses are those of the connections.
	TrustedProxies []netip.Prefix

	// Node names this server in its records. Empty means the host's name.
	Node string
	// Now is this machine's clock; where the store has another, and they are
	// more than 2 seconds apart, the store's counts, so that all nodes agree.
	// Nil means the system's.
	Now func() time.Time
	// Log gets what an operator should know. Nil means slog.Default().
	Log *slog.Logger
}

// HashCost is the price of an Argon2id hash (RFC 9106).
type HashCost struct {
	MemoryKiB int
	Passes    int
	Lanes     int
}

const (
	defaultAccessLife = 15 * time.Minute
	minAccessLife     = 5 * time.Second
	maxAccessLife     = 24 * time.Hour
)

// What is over is remembered this long.
var keep = auth.Keep{
	Sessions:   7 * 24 * time.Hour,
	Events:     90 * 24 * time.Hour,
	Denials:    7 * 24 * time.Hour,
	MaxDenials: 50_000,
}

// Server answers the routes of Doorward. It is safe for concurrent use.
type Server struct {
	cfg     Config
	auth    *auth.Auth
	pool    *hashpool.Pool
	guard   *guard.Guard
	metrics *httpapi.Metrics
	api     *httpapi.API
	clock   *clock

	stopClock func()
}

// New starts a server on a store, making its first keys where there are none.
// Close ends it.
func New(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	clock, stopClock, err := startClock(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, pool: hashpool.New(cfg.HashWorkers), clock: clock, stopClock: stopClock}
	s.auth, err = cfg.stories(s.pool)
	if err != nil {
		s.pool.Close()
		stopClock()
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if err := s.auth.Start(ctx); err != nil {
		return err
	}
	var err error
	s.guard, err = guard.New(guard.Config{
		Issuer: s.cfg.Issuer, Audience: s.cfg.Audience,
		Algorithms:  verify.Algorithms(),
		Keys:        ownKeys{s.auth.Keys()},
		Revocations: ownEndings{s.auth.Revoked()}, Introspector: ownStanding{s.auth},
		MaxLife:  s.cfg.AccessLife,
		OnDenial: func(r *http.Request, d *doorward.Denial) { s.api.Remember(r, d) },
		Now:      s.cfg.Now,
	})
	if err != nil {
		return err
	}
	s.metrics = httpapi.NewMetrics(map[string]func() float64{
		"doorward_revoked_sessions":            func() float64 { return float64(s.auth.Revoked().Len()) },
		"doorward_revocation_streams":          func() float64 { return float64(s.api.Streams()) },
		"doorward_revocations_silence_seconds": func() float64 { return s.auth.Recent().Silence().Seconds() },
		"doorward_password_hashes_queued":      func() float64 { return float64(s.pool.Stats().Queued) },
		"doorward_clock_offset_seconds":        s.clock.offset,
	})
	tell := func(r *http.Request, code doorward.Code, denial string) *why.Told { return s.api.Told(r, code, denial) }
	s.api, err = httpapi.New(httpapi.Config{
		Pages: pages.Errors(tell),
		Auth:  s.auth, Guard: s.guard, Issuer: s.cfg.Issuer, Life: s.cfg.life(),
		AllowedOrigins: s.cfg.AllowedOrigins, TrustedProxies: s.cfg.TrustedProxies,
		Metrics: s.metrics, Now: s.cfg.Now, Log: s.cfg.Log,
	})
	return err
}

// Operate returns the stories for an operator's command on a store that a
// server may be running on, and what ends them. They go by the clock that the
// servers go by. Master keys are needed only for what concerns keys.
func Operate(ctx context.Context, cfg Config) (*auth.Auth, func(), error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, nil, err
	}
	_, stopClock, err := startClock(ctx, &cfg)
	if err != nil {
		return nil, nil, err
	}
	pool := hashpool.New(1)
	done := func() { pool.Close(); stopClock() }
	stories, err := cfg.stories(pool)
	if err != nil {
		done()
		return nil, nil, err
	}
	return stories, done, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.api.ServeHTTP(w, r) }

// Guard returns a guard for handlers in the same program. It takes keys and
// endings from the server itself, and makes no call. It takes API keys too, and
// has strict routes, at the price of a read of the store.
func (s *Server) Guard() *guard.Guard { return s.guard }

// Metrics answers in the Prometheus text format. It tells how much the server
// is used, so it belongs on a listener of its own.
func (s *Server) Metrics() http.Handler { return s.metrics }

// EndStreams ends the streams of revocations and takes no new ones. An
// http.Server that is shut down would wait for them: call it when that begins,
// such as by its RegisterOnShutdown.
func (s *Server) EndStreams() { s.api.EndStreams() }

// Close stops what runs beside the requests and writes what waits. Requests
// must have ended before.
func (s *Server) Close() {
	s.auth.Close()
	s.pool.Close()
	s.stopClock()
}

func (c Config) stories(pool *hashpool.Pool) (*auth.Auth, error) {
	var master secret.MasterKey
	if c.MasterKey != "" {
		var err error
		if master, err = secret.ParseMasterKey(c.MasterKey); err != nil {
			return nil, fmt.Errorf("the master key: %w", err)
		}
	}
	access := signing.AccessPolicy(string(c.Algorithm), c.AccessLife)
	if c.KeyAge > 0 {
		access.Age = c.KeyAge
	}
	return auth.New(auth.Config{
		Store: c.Store, Master: master, Issuer: c.Issuer, Audience: c.Audience,
		AccessLife: c.AccessLife, Life: c.life(),
		Access: access, Refresh: signing.RefreshPolicy(c.AbsoluteLife),
		Passwords: password.Policy{MinLength: c.PasswordLength},
		Hash:      c.Hash.params(), Pool: pool,
		Signup: c.Signup, Retention: keep, Node: c.Node, Now: c.Now, Log: c.Log,
	}), nil
}

func (c Config) life() session.Life {
	return session.Life{Idle: c.IdleLife, Absolute: c.AbsoluteLife, Grace: session.DefaultLife.Grace}
}

// complete checks a configuration and fills in what was left out.
func (c Config) complete() (Config, error) {
	if c.Store == nil {
		return c, errors.New("server: a store is required")
	}
	if err := checkIssuer(c.Issuer); err != nil {
		return c, err
	}
	if len(c.Audience) == 0 {
		c.Audience = []string{c.Issuer}
	}
	if c.AccessLife == 0 {
		c.AccessLife = defaultAccessLife
	}
	if c.AccessLife < minAccessLife || c.AccessLife > maxAccessLife {
		return c, fmt.Errorf("server: an access token lives from %s to %s, not %s", minAccessLife, maxAccessLife, c.AccessLife)
	}
	if c.IdleLife == 0 {
		c.IdleLife = session.DefaultLife.Idle
	}
	if c.AbsoluteLife == 0 {
		c.AbsoluteLife = max(session.DefaultLife.Absolute, c.IdleLife)
	}
	if c.IdleLife < c.AccessLife || c.AbsoluteLife < c.IdleLife {
		return c, fmt.Errorf("server: the lives must grow from access (%s) over idle (%s) to absolute (%s)", c.AccessLife, c.IdleLife, c.AbsoluteLife)
	}
	if c.Algorithm == "" {
		c.Algorithm = verify.ES256
	}
	if c.PasswordLength != 0 && c.PasswordLength < password.LeastMinLength {
		return c, fmt.Errorf("server: a new password has at least %d characters; it cannot be lowered to %d", password.LeastMinLength, c.PasswordLength)
	}
	if err := c.Hash.params().Validate(); err != nil {
		return c, fmt.Errorf("server: %w", err)
	}
	if c.Node == "" {
		c.Node, _ = os.Hostname() // a host without a name is a node without one
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c, nil
}

func (h HashCost) params() password.Params {
	if h == (HashCost{}) {
		return password.DefaultParams
	}
	return password.Params{Memory: h.MemoryKiB, Time: h.Passes, Parallelism: h.Lanes}
}

// checkIssuer takes an issuer as RFC 8414 §2 has it, without a path: the
// routes are at the root.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if issuer == "" || err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("server: the issuer must be the URL of the server, such as https://auth.example.com; it is %q", issuer)
	}
	if u.Path != "" || strings.HasSuffix(issuer, "/") {
		return fmt.Errorf("server: the issuer %q must end behind the host, without a slash", issuer)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return fmt.Errorf("server: the issuer %q must begin with https:// (http:// is for localhost only)", issuer)
	}
	return nil
}

func loopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
