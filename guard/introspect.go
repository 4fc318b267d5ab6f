package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/verify"
)

// Introspector tells what a credential is worth at this moment. It must be safe
// for concurrent use. [Stream] is one, which asks the issuer.
type Introspector interface {
	// Introspect returns who an access token or an API key speaks for. The error
	// is *[Inactive] if that is worth nothing; every other error means that this
	// is not known, and the request is answered 503.
	Introspect(ctx context.Context, credential string) (*doorward.Principal, error)
}

// Inactive is the error of an [Introspector] for a credential that is worth
// nothing: unknown, ended, revoked, expired.
type Inactive struct {
	Text string // what is known of it, for the operator; never a secret
}

func (i *Inactive) Error() string { return i.Text }

const (
	// A key is asked about again in the background when it is used that long
	// after, so that nobody waits; and it is taken for no longer than the second
	// time without an answer. What is revoked meanwhile ends by Revocations.
	keyFresh  = time.Minute
	keyMemory = 5 * time.Minute
	// keyMemoryAlone is all there is where nothing tells of revocations.
	keyMemoryAlone = 10 * time.Second
	badKeyMemory   = 10 * time.Second

	maxKeys      = 10_000 // of each, good and bad, that are remembered
	maxAsking    = 32     // questions about new keys at a time
	askPerSecond = 50     // and how many of them on average
	askBurst     = 100

	askTimeout = 5 * time.Second
)

// keyring remembers API keys that were introspected, in bounded space. A flood
// of keys that are none ends at the checksum; of those that somebody made up
// with care, so many are asked about and no more, and none of them takes the
// place of a good one.
type keyring struct {
	ask    Introspector
	memory time.Duration // of a good key

	mu     sync.Mutex
	good   map[apikey.Hash]*knownKey
	bad    map[apikey.Hash]badKey
	asking map[apikey.Hash]*question
	tokens float64 // of the bucket for new keys
	filled time.Time
}

type knownKey struct {
	principal *doorward.Principal
	asked     time.Time // on the clock that only runs
	again     time.Time // when to ask again
}

type badKey struct {
	why   string
	until time.Time
}

// question is one introspection that many may wait for.
type question struct {
	done      chan struct{} // closed when the rest is set
	principal *doorward.Principal
	err       error
}

func newKeyring(ask Introspector, alone bool) *keyring {
	k := &keyring{
		ask: ask, memory: keyMemory, tokens: askBurst, filled: time.Now(),
		good: make(map[apikey.Hash]*knownKey), bad: make(map[apikey.Hash]badKey), asking: make(map[apikey.Hash]*question),
	}
	if alone {
		k.memory = keyMemoryAlone
	}
	return k
}

// apiKey decides about an API key; strict asks the introspector whatever is
// remembered.
func (g *Guard) apiKey(ctx context.Context, text string, strict bool, now time.Time) (*doorward.Principal, error) {
	id, hash, err := apikey.Parse(text)
	if err != nil {
		why := "what was sent begins like an API key and is none: its length or its characters are wrong"
		if errors.Is(err, apikey.ErrChecksum) {
			why = "the checksum of the API key is wrong: it was mistyped, or cut and pasted badly"
		}
		return nil, badAPIKey(text, ulid.ID{}, why)
	}
	p, err := g.apiKeys.principal(ctx, text, hash, strict)
	if inactive, ok := errors.AsType[*Inactive](err); ok {
		return nil, badAPIKey(text, id, inactive.Text)
	} else if err != nil {
		return nil, fmt.Errorf("what the API key is worth is not known: %w", err)
	}
	if p.Kind != doorward.KindKey || p.Subject != id.String() {
		return nil, errors.New("the introspector answered for another key than it was asked about")
	}
	if !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt) {
		return nil, badAPIKey(text, id, fmt.Sprintf("the API key %q expired at %s", p.Name, p.ExpiresAt.UTC().Format(time.RFC3339)))
	}
	if g.revocations == nil {
		return p, nil
	}
	ending, err := g.revocations.Revoked(p.Subject)
	if err != nil {
		return nil, fmt.Errorf("whether the API key was revoked is not known: %w", err)
	}
	if ending != nil {
		return nil, badAPIKey(text, id, ending.text(fmt.Sprintf("the API key %q was revoked", p.Name)))
	}
	return p, nil
}

func badAPIKey(text string, id ulid.ID, why string) error {
	ref := doorward.TokenRef{Fingerprint: verify.Fingerprint(text)}
	if !id.IsZero() {
		ref.ID = id.String()
	}
	if why == "" {
		why = "the issuer says that the API key is not active: unknown, revoked or expired"
	}
	return &refusal{doorward.APIKeyInvalid, doorward.Reason{
		Check: "apikey", Text: why, Token: ref,
		Next: "Look it up at the issuer (doorward apikey list), and give the caller a key that is good (doorward apikey create).",
	}}
}

// askNow returns nil if the introspector says now that an access token which
// was found good is active.
func (g *Guard) askNow(ctx context.Context, token string, c *verify.Claims) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, err := g.apiKeys.ask.Introspect(ctx, token)
	if inactive, ok := errors.AsType[*Inactive](err); ok {
		why := inactive.Text
		if why == "" {
			why = "the issuer says that the token is not active any more: its session ended, or the account is out of use"
		}
		return &refusal{doorward.TokenRevoked, doorward.Reason{
			Check: "introspection", Text: why, Token: c.Ref(), User: c.Subject, Session: c.Session,
			Next: "Have the client sign in again.",
		}}
	} else if err != nil {
		return fmt.Errorf("the route asks the issuer about every token, and that failed: %w", err)
	}
	return nil
}

// principal returns who a key speaks for: from memory, or by asking once for
// all who come with it meanwhile.
func (k *keyring) principal(ctx context.Context, text string, hash apikey.Hash, strict bool) (*doorward.Principal, error) {
	now := time.Now()
	k.mu.Lock()
	known := k.good[hash]
	if known != nil && now.Sub(known.asked) >= k.memory {
		delete(k.good, hash)
		known = nil
	}
	if known != nil && !strict {
		if !now.Before(known.again) && k.asking[hash] == nil {
			known.again = now.Add(jitter(badKeyMemory)) // if it fails, not at once again
			k.begin(text, hash)
		}
		k.mu.Unlock()
		return known.principal, nil
	}
	if bad, ok := k.bad[hash]; ok && now.Before(bad.until) {
		k.mu.Unlock()
		return nil, &Inactive{bad.why}
	}
	q := k.asking[hash]
	switch {
	case strict && known != nil:
		// A question that is under way may have been answered before now.
		q = k.begin(text, hash)
	case q != nil && !strict:
	case len(k.asking) >= maxAsking || !k.take(now):
		k.mu.Unlock()
		return nil, errors.New("too many API keys that are not known here come at once")
	default:
		q = k.begin(text, hash)
	}
	k.mu.Unlock()
	select {
	case <-q.done:
		return q.principal, q.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// take takes a place in the bucket for new keys. The caller holds k.mu.
func (k *keyring) take(now time.Time) bool {
	k.tokens = min(askBurst, k.tokens+now.Sub(k.filled).Seconds()*askPerSecond)
	k.filled = now
	if k.tokens < 1 {
		return false
	}
	k.tokens--
	return true
}

// begin asks about a key, on a goroutine and with a limit of time of its own: it
// goes on when the request that caused it is gone, since others wait too. The
// caller holds k.mu.
func (k *keyring) begin(text string, hash apikey.Hash) *question {
	q := &question{done: make(chan struct{})}
	k.asking[hash] = q
	asked := time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		defer cancel()
		q.principal, q.err = k.ask.Introspect(ctx, text)
		if q.err == nil && q.principal == nil {
			q.err = errors.New("the introspector answered nothing")
		}
		k.mu.Lock()
		k.learn(hash, q, asked)
		k.mu.Unlock()
		close(q.done)
	}()
	return q
}

// learn remembers an answer. The caller holds k.mu.
func (k *keyring) learn(hash apikey.Hash, q *question, asked time.Time) {
	if k.asking[hash] == q {
		delete(k.asking, hash)
	}
	now := time.Now()
	if inactive, ok := errors.AsType[*Inactive](q.err); ok {
		delete(k.good, hash)
		makeRoom(k.bad, func(b badKey) bool { return !now.Before(b.until) })
		k.bad[hash] = badKey{inactive.Text, now.Add(badKeyMemory)}
		return
	}
	if q.err != nil {
		return // what was known is taken as long as it may be
	}
	makeRoom(k.good, func(known *knownKey) bool { return now.Sub(known.asked) >= k.memory })
	// The memory counts from the question: the answer may be as old as that.
	k.good[hash] = &knownKey{principal: q.principal, asked: asked, again: asked.Add(jitter(min(keyFresh, k.memory/2)))}
}

// makeRoom leaves room for one more: it takes out what is over, or else any.
func makeRoom[V any](m map[apikey.Hash]V, over func(V) bool) {
	if len(m) < maxKeys {
		return
	}
	looked := 0
	for hash, v := range m {
		if over(v) {
			delete(m, hash)
		}
		if looked++; looked == 64 {
			break
		}
	}
	for hash := range m {
		if len(m) < maxKeys {
			return
		}
		delete(m, hash)
	}
}
