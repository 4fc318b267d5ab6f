package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/cors"
	"github.com/doorward/doorward/verify"
)

// Config says what a guard lets through. Issuer and Audience are required.
type Config struct {
	// Issuer is the `iss` of the tokens to take, byte for byte. Unless Keys is
	// set it is also the URL that the issuer's keys are found under, by
	// [RemoteKeys].
	Issuer string

	// Audience is who the guarded service is: `aud` of a token must hold at
	// least one of these, byte for byte.
	Audience []string

	// Keys finds the issuer's keys; nil means RemoteKeys for Issuer.
	Keys KeySource

	// Revocations tells which sessions have ended: a [Stream] in most programs.
	// Nil means that tokens are good until they expire, even once their user has
	// signed out. With it, a token without `sid` is refused, because nothing
	// could revoke it.
	Revocations Revocations

	// Introspector tells what a credential is worth at this moment. With one,
	// API keys are taken beside access tokens, and routes may be strict ([Need]).
	// Nil means Revocations, if that is an Introspector as a Stream is, or else
	// none.
	Introspector Introspector

	// MaxLife is how long after it was issued a token is taken at most, whatever
	// its `exp` says; zero means to its `exp`. With it a shorter life, once
	// configured, holds for tokens that were issued before as well. A Stream
	// tells the life that its server has configured, and the shorter one counts.
	MaxLife time.Duration

	// Algorithms are the only ones taken; none means all of
	// [verify.Algorithms], which are all asymmetric.
	Algorithms []verify.Algorithm

	// Realm is named in challenges; empty means "doorward".
	Realm string

	// ResourceMetadata is the URL of the service's metadata (RFC 9728), to be
	// named in challenges; empty means none.
	ResourceMetadata string

	// AllowedOrigins are the origins, each as scheme://host or
	// scheme://host:port, whose scripts may call the service with credentials
	// and read its answers (CORS); none means none.
	AllowedOrigins []string

	// AllowedHeaders are the request headers that such scripts may send beside
	// the usual ones (Authorization, Content-Type, conditions and the like).
	AllowedHeaders []string

	// CacheSize is about how many verified tokens are remembered, 1 KiB each;
	// zero means 10,000, and less than zero means none.
	CacheSize int

	// OnDenial is called with each refusal that the guard answers, before the
	// answer is sent; it must be quick. The request's Authorization field is a
	// secret, the denial holds none. Nil means that the private side of
	// refusals is lost.
	OnDenial func(*http.Request, *doorward.Denial)

	// OnError is told what goes wrong behind the scenes, and whether it is
	// mended by waiting: a key set that cannot be fetched while an older one
	// still serves, a key that cannot be used. Nil means nobody is. It is not
	// used if Keys is set.
	OnError func(error)

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// HTTPClient fetches the keys; nil means one with http.DefaultTransport.
	// It is not used if Keys is set.
	HTTPClient *http.Client
}

// Guard checks requests. It is safe for concurrent use, and needs no closing.
type Guard struct {
	rules       verify.Rules
	keys        KeySource
	revocations Revocations
	apiKeys     *keyring // nil where no API keys are taken
	maxLife     time.Duration
	stream      *Stream // nil where another Revocations is used
	cache       *cache
	cors        *cors.Policy
	wire        doorward.Wire
	onDenial    func(*http.Request, *doorward.Denial)
	now         func() time.Time
}

// Revocations tells which sessions and API keys have ended. It is asked for
// every request and must answer from memory. It must be safe for concurrent use.
type Revocations interface {
	// Revoked returns how a session (by its `sid`) or an API key (by its id)
	// ended, or nil if it has not. An error means that this is not known, or not
	// recently enough; the request is then answered 503.
	Revoked(id string) (*Ending, error)
}

// Ending is what is known of the end of a session or an API key, for the
// operator.
type Ending struct {
	At     time.Time // zero if not known
	Reason string    // "logout", "password" …; may be empty
	By     string    // "user", "operator"; may be empty
}

const (
	defaultCacheSize = 10_000

	// retryAfter is what a caller is told to wait when something is out of
	// reach: long enough not to hurt, short enough to notice that it is back.
	retryAfter = 5 * time.Second
)

// New returns a guard. It makes no request: keys are fetched when the first
// token comes.
func New(c Config) (*Guard, error) {
	if len(c.Algorithms) == 0 {
		c.Algorithms = verify.Algorithms()
	}
	g := &Guard{
		rules: verify.Rules{
			Issuer: c.Issuer, Audience: slices.Clone(c.Audience), Algorithms: slices.Clone(c.Algorithms),
		},
		keys: c.Keys, revocations: c.Revocations,
		wire: doorward.Wire{
			Issuer: strings.TrimSuffix(c.Issuer, "/"), Realm: c.Realm, ResourceMetadata: c.ResourceMetadata,
		},
		onDenial: c.OnDenial, now: c.Now, maxLife: c.MaxLife,
	}
	if err := g.rules.Validate(); err != nil {
		return nil, fmt.Errorf("guard: %s", strings.TrimPrefix(err.Error(), "verify: "))
	}
	var err error
	if g.cors, err = cors.New(c.AllowedOrigins, c.AllowedHeaders...); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.keys == nil {
		g.keys, err = NewRemoteKeys(RemoteConfig{
			Issuer: c.Issuer, Algorithms: c.Algorithms, Client: c.HTTPClient, OnError: c.OnError, Now: c.Now,
		})
		if err != nil {
			return nil, err
		}
	}
	if s, ok := c.Revocations.(*Stream); ok {
		s.attach(g.keys)
		g.stream = s
	}
	if c.Introspector == nil {
		c.Introspector, _ = c.Revocations.(Introspector)
	}
	if c.Introspector != nil {
		g.apiKeys = newKeyring(c.Introspector, c.Revocations == nil)
	}
	if c.CacheSize == 0 {
		c.CacheSize = defaultCacheSize
	}
	g.cache = newCache(c.CacheSize)
	return g, nil
}

// Check decides about a request: it returns who it speaks for, or why it is
// refused. It reads the Authorization field and nothing else, and answers
// nothing; see [Guard.Handler] for a middleware.
func (g *Guard) Check(r *http.Request) (*doorward.Principal, *doorward.Denial) {
	return g.check(r, false)
}

func (g *Guard) check(r *http.Request, strict bool) (*doorward.Principal, *doorward.Denial) {
	token, err := bearer(r)
	if err != nil {
		return nil, g.denial(err, "", g.now())
	}
	return g.verify(r.Context(), token, strict)
}

// Verify decides about an access token or an API key that came by another way
// than the Authorization field, such as the metadata of a gRPC call.
func (g *Guard) Verify(ctx context.Context, token string) (*doorward.Principal, *doorward.Denial) {
	return g.verify(ctx, token, false)
}

func (g *Guard) verify(ctx context.Context, token string, strict bool) (*doorward.Principal, *doorward.Denial) {
	now := g.now()
	p, err := g.principal(ctx, token, strict, now)
	if err != nil {
		return nil, g.denial(err, token, now)
	}
	return p, nil
}

func (g *Guard) principal(ctx context.Context, token string, strict bool, now time.Time) (*doorward.Principal, error) {
	if token == "" {
		return nil, missing("the token is empty", emptyNext)
	}
	if g.apiKeys != nil && apikey.Claims(token) {
		return g.apiKey(ctx, token, strict, now)
	}
	seen, err := g.authenticate(ctx, token, now)
	if err != nil {
		return nil, err
	}
	if err := g.checkSession(seen.claims); err != nil {
		return nil, err
	}
	if strict {
		if err := g.askNow(ctx, token, seen.claims); err != nil {
			return nil, err
		}
	}
	return seen.principal, nil
}

// authenticate returns what a token says once it is known to be genuine and
// active. Errors that are no *verify.Failure mean that this cannot be known.
func (g *Guard) authenticate(ctx context.Context, token string, now time.Time) (*entry, error) {
	if len(token) > verify.MaxSize {
		_, err := verify.KeyID(token) // says so, before anything is spent on it
		return nil, err
	}
	sum, life := digest(token), g.life()
	if seen := g.cache.get(&sum); seen != nil {
		keys, err := g.keys.Keys(ctx, seen.claims.KeyID)
		if err != nil {
			return nil, err
		}
		if keys == seen.keys && life == seen.life {
			return seen, seen.claims.Active(now)
		}
	}
	kid, err := verify.KeyID(token)
	if err != nil {
		return nil, err
	}
	keys, err := g.keys.Keys(ctx, kid)
	if err != nil {
		return nil, err
	}
	claims, err := verify.Token(token, *keys, g.rules, now)
	if err != nil {
		return nil, err
	}
	if end := claims.IssuedAt.Add(life); life > 0 && end.Before(claims.ExpiresAt) {
		claims.ExpiresAt = end
		if err := claims.Active(now); err != nil {
			return nil, err
		}
	}
	// Only what was verified is remembered: a flood of made-up tokens costs
	// a look each and pushes no good one out.
	seen := &entry{sum: sum, keys: keys, life: life, claims: claims, principal: claims.Principal()}
	g.cache.add(seen, now)
	return seen, nil
}

// life returns how long after it was issued a token is taken at most; zero for
// as long as it says.
func (g *Guard) life() time.Duration {
	if g.stream == nil {
		return g.maxLife
	}
	told := g.stream.accessLife()
	if g.maxLife == 0 || told == 0 {
		return max(g.maxLife, told)
	}
	return min(g.maxLife, told)
}

// checkSession returns an error if the session has ended, or if that cannot be
// known.
func (g *Guard) checkSession(c *verify.Claims) error {
	if g.revocations == nil {
		return nil
	}
	if c.Session == "" {
		return &refusal{doorward.ValidationFailed, doorward.Reason{
			Check: "session", Token: c.Ref(), User: c.Subject,
			Text: "the token names no session (sid), so nothing can tell whether that has ended",
			Next: "Have the issuer put sid into its access tokens, or run this guard without revocations.",
		}}
	}
	ending, err := g.revocations.Revoked(c.Session)
	if err != nil {
		return fmt.Errorf("whether the session has ended is not known: %w", err)
	}
	if ending != nil {
		return &refusal{doorward.TokenRevoked, doorward.Reason{
			Check: "session", Text: ending.text("the session of the token was ended"), Token: c.Ref(), User: c.Subject, Session: c.Session,
			Next: "Have the client sign in again.",
		}}
	}
	return nil
}

// text goes on from what ended, to when, why and by whom.
func (e *Ending) text(text string) string {
	if !e.At.IsZero() {
		text += " at " + e.At.UTC().Format(time.RFC3339)
	}
	if e.By != "" {
		text += " by the " + e.By
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

// refusal is a denial but for its time and id.
type refusal struct {
	code   doorward.Code
	reason doorward.Reason
}

func (f *refusal) Error() string { return f.reason.Text }

// denial turns why a token was not taken into what is told of it.
func (g *Guard) denial(err error, token string, now time.Time) *doorward.Denial {
	if f, ok := errors.AsType[*refusal](err); ok {
		return doorward.NewDenial(f.code, now, f.reason)
	}
	if d, ok := errors.AsType[*doorward.Denial](err); ok {
		return d
	}
	code, reason := doorward.Unavailable, doorward.Reason{
		Check: "reach", Text: err.Error(), Token: doorward.TokenRef{Fingerprint: verify.Fingerprint(token)},
		Next: "See that the issuer answers, and that this service reaches it; nothing is known about the token itself.",
	}
	if f, ok := errors.AsType[*verify.Failure](err); ok {
		code, reason = f.Code, f.Reason()
		g.explain(&reason, f.Check, token)
	}
	d := doorward.NewDenial(code, now, reason)
	switch code {
	case doorward.Unavailable:
		d.RetryAfter = retryAfter
	case doorward.TokenNotActive:
		d.RetryAfter = reason.By - verify.Leeway // when it will be let through
	}
	return d
}

// explain adds to the reason what only the guard knows.
func (g *Guard) explain(reason *doorward.Reason, check verify.Check, token string) {
	switch check {
	case verify.CheckForm, verify.CheckAlphabet, verify.CheckHeader, verify.CheckPayload:
		if m, ok := mistakenFor(token); ok {
			reason.Text, reason.Next = m.text, m.next
		}
	case verify.CheckKid, verify.CheckAlg:
		claimed, _ := verify.Unverified(token)
		if iss := claimed.Claims.Issuer; iss != "" && iss != g.rules.Issuer {
			reason.Text += fmt.Sprintf("; it says it was issued by %.200q", iss)
		}
	case verify.CheckExp, verify.CheckNbf, verify.CheckIat:
		if source, ok := g.keys.(interface{ Skew() (time.Duration, bool) }); ok {
			if ahead, ok := source.Skew(); ok {
				reason.Text += "; " + skewText(ahead)
			}
		}
	}
}

func skewText(ahead time.Duration) string {
	switch ahead = ahead.Round(time.Second); {
	case ahead > time.Second:
		return fmt.Sprintf("the clock here is %s ahead of the issuer's", ahead)
	case ahead < -time.Second:
		return fmt.Sprintf("the clock here is %s behind the issuer's", -ahead)
	default:
		return "the clock here agrees with the issuer's"
	}
}
