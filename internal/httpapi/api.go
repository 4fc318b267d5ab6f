// Package httpapi is the edge to HTTP: JSON in, JSON out, one file per route.
// It decodes, asks a story, and answers; it decides nothing about people or
// sessions.
package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/cors"
	"github.com/doorward/doorward/internal/ledger"
	"github.com/doorward/doorward/internal/session"
)

// Config is what the edge needs. Every field but the lists is required.
type Config struct {
	Auth           *auth.Auth
	Guard          *guard.Guard
	Issuer         string // without a trailing slash
	Life           session.Life
	AllowedOrigins []string       // of pages elsewhere that may call; exact origins
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	StreamsPerKey  int            // of revocations, at a time; zero for the usual number
	Metrics        *Metrics
	Pages          http.Handler // answers /errors/{code}
	Now            func() time.Time
	Log            *slog.Logger
}

// API answers the routes.
type API struct {
	cfg         Config
	auth        *auth.Auth
	guard       *guard.Guard
	crossOrigin *http.CrossOriginProtection
	metrics     *Metrics
	streams     *streams
	wire        doorward.Wire
	now         func() time.Time
	log         *slog.Logger
	handler     http.Handler
}

// New returns the API.
func New(cfg Config) (*API, error) {
	a := &API{
		cfg: cfg, auth: cfg.Auth, guard: cfg.Guard, metrics: cfg.Metrics,
		crossOrigin: http.NewCrossOriginProtection(),
		streams:     newStreams(cfg.StreamsPerKey),
		wire:        doorward.Wire{Issuer: cfg.Issuer},
		now:         cfg.Now, log: cfg.Log,
	}
	policy, err := cors.New(cfg.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	for _, origin := range policy.Origins() {
		if err := a.crossOrigin.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("allowed origin %q: %w", origin, err)
		}
	}
	mux := http.NewServeMux()
	for pattern, methods := range a.routes() {
		mux.Handle(pattern, a.route(pattern, methods))
	}
	mux.Handle("/errors/", cfg.Pages)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.deny(w, r, doorward.BadInput(doorward.NotFound, "", ""))
	})
	a.handler = a.recovered(policy.Handler(mux))
	return a, nil
}

// ServeHTTP answers all routes.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// endpoint answers a request or returns why it does not.
type endpoint func(http.ResponseWriter, *http.Request) error

type methods map[string]endpoint

func (a *API) routes() map[string]methods {
	return map[string]methods{
		"/auth/signup":         {http.MethodPost: a.signup},
		"/auth/login":          {http.MethodPost: a.login},
		"/auth/refresh":        {http.MethodPost: a.refresh},
		"/auth/logout":         {http.MethodPost: a.logout},
		"/auth/logout/all":     {http.MethodPost: a.logoutAll},
		"/auth/me":             {http.MethodGet: a.me},
		"/auth/sessions":       {http.MethodGet: a.sessions},
		"/auth/sessions/{sid}": {http.MethodDelete: a.endOne},
		"/auth/password":       {http.MethodPost: a.password},
		"/auth/introspect":     {http.MethodPost: a.introspect},

		"/revocations": {http.MethodGet: a.revocations},

		"/denials": {http.MethodPost: a.denials},

		"/.well-known/jwks.json":                  {http.MethodGet: a.jwks},
		"/.well-known/oauth-authorization-server": {http.MethodGet: a.metadata},
		"/.well-known/openid-configuration":       {http.MethodGet: a.metadata},

		"/healthz": {http.MethodGet: a.healthz},
		"/readyz":  {http.MethodGet: a.readyz},
	}
}

// route is one path: it picks the method, refuses what comes from elsewhere on
// the strength of a cookie, and counts.
func (a *API) route(pattern string, m methods) http.Handler {
	if get, ok := m[http.MethodGet]; ok {
		m[http.MethodHead] = get
	}
	allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ") + ", OPTIONS"
	counts := a.metrics.route(pattern)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		sw := &statusWriter{ResponseWriter: w}
		defer func() { counts.observe(sw.status, time.Since(begin)) }()
		serve, ok := m[r.Method]
		switch {
		case ok:
			if err := a.checkTransport(r); err != nil {
				a.fail(sw, r, err)
			} else if err := serve(sw, r); err != nil {
				a.fail(sw, r, err)
			}
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", allow)
			sw.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", allow)
			a.deny(sw, r, doorward.BadInput(doorward.MethodNotAllowed, "", "The methods allowed here are "+allow))
		}
	})
}

// statusWriter remembers the status for the counters.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// recovered answers 503 where a handler panics: it is a bug of ours, and says
// nothing about the caller's session.
func (a *API) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			a.log.Error("a handler panicked", "path", ledger.Cut(ledger.Mask(r.URL.Path), 256), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a.fail(w, r, fmt.Errorf("panic: %v", p))
		}()
		next.ServeHTTP(w, r)
	})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil { // only our own structs of strings and numbers come here
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // a caller that is gone needs no answer
}
