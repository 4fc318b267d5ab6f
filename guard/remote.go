package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/verify"
)

// RemoteConfig says where keys are fetched. Issuer or URL is required.
type RemoteConfig struct {
	// Issuer is the URL of the issuer, whose metadata tells where its keys are:
	// RFC 8414 (/.well-known/oauth-authorization-server), or else OpenID
	// Connect Discovery (/.well-known/openid-configuration). Where it has
	// neither, the keys are looked for at /.well-known/jwks.json under it.
	Issuer string

	// URL is where the key set is, for issuers that do not tell; it is not
	// looked for then. Empty means to ask the issuer.
	URL string

	// Algorithms are those that keys are taken for; none means all of
	// [verify.Algorithms].
	Algorithms []verify.Algorithm

	// Client makes the requests; nil means one with http.DefaultTransport. It
	// follows no redirect to another origin, whatever it would do otherwise.
	Client *http.Client

	// OnError is told of every fetch that failed and every key that cannot be
	// used; nil means nobody is.
	OnError func(error)

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

const (
	fetchTimeout = 5 * time.Second

	// A set is fetched again when its Cache-Control says so, within these
	// bounds. The upper one is how long before its first use a key must be
	// published.
	minFresh     = time.Minute
	maxFresh     = time.Hour
	defaultFresh = 5 * time.Minute

	// maxStale is how long a set that cannot be fetched again is still used,
	// counted from when it was fetched.
	maxStale = 24 * time.Hour

	// coolDown is how long after a fetch no other begins, so that made-up
	// tokens cannot make a guard hammer its issuer. A fetch that failed is
	// tried again sooner at first, after firstRetry, then twice that, and so on.
	coolDown   = 10 * time.Second
	firstRetry = time.Second
)

// RemoteKeys is the key set of an issuer, fetched over HTTPS when it is first
// needed and kept current from then on. It is safe for concurrent use, and
// needs no closing.
//
// A set is used for as long as its Cache-Control says, at least a minute and at
// most an hour, by default 5 minutes, and is then fetched again in the
// background. A key that the set does not have makes it fetch at once, but not
// within 10 seconds of the last time. When the issuer cannot be reached, the
// old set stays in use for up to 24 hours; what it cannot tell is then an error,
// and not a key that does not exist.
type RemoteKeys struct {
	algorithms []verify.Algorithm
	source     source
	onError    func(error)
	now        func() time.Time

	current atomic.Pointer[fetched] // nil before the first

	mu       sync.Mutex
	flight   *flight   // the fetch that is under way, or nil
	earliest time.Time // no fetch begins before, unless by Refresh
	failures int       // in a row
	failure  error     // of the last fetch
}

// fetched is a key set with its times. It never changes.
type fetched struct {
	set   *verify.KeySet
	at    time.Time
	due   time.Time     // to be fetched again from here
	ahead time.Duration // by how much the clock here was ahead of the issuer's
	timed bool          // ahead was measured
}

// flight is one fetch that many may wait for.
type flight struct {
	done chan struct{} // closed when the rest is set
	set  *verify.KeySet
	err  error
}

// NewRemoteKeys returns the keys of an issuer. It makes no request. URLs must
// be https, but for hosts of this machine (localhost, 127.0.0.1, ::1).
func NewRemoteKeys(c RemoteConfig) (*RemoteKeys, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	where, err := newSource(c)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return &RemoteKeys{algorithms: slices.Clone(c.Algorithms), source: where, onError: c.OnError, now: c.Now}, nil
}

// Keys returns the current set; see [KeySource]. It waits for a fetch only if
// there is no set that tells about kid, and no longer than ctx.
func (r *RemoteKeys) Keys(ctx context.Context, kid string) (*verify.KeySet, error) {
	now := r.now()
	if have := r.current.Load(); have != nil && now.Before(have.at.Add(maxStale)) {
		if _, ok := have.set.Key(kid); ok {
			if !now.Before(have.due) {
				r.begin(now)
			}
			return have.set, nil
		}
	}
	f := r.begin(now)
	if f == nil {
		return r.lastFetched()
	}
	return f.wait(ctx)
}

// Refresh fetches the set now and returns when that is done. It is for a
// program that wants to know at its start whether the keys can be had, or that
// was told that they have changed.
func (r *RemoteKeys) Refresh(ctx context.Context) error {
	for {
		r.mu.Lock()
		f, others := r.flight, r.flight != nil
		if !others {
			f = r.launch()
		}
		r.mu.Unlock()
		_, err := f.wait(ctx)
		if !others || ctx.Err() != nil {
			return err
		}
		// What was under way may have been answered before the keys changed.
	}
}

// Skew returns by how much the clock here is ahead of the issuer's, as the
// last fetch measured it, to about a second; false if it could not.
func (r *RemoteKeys) Skew() (time.Duration, bool) {
	have := r.current.Load()
	if have == nil {
		return 0, false
	}
	return have.ahead, have.timed
}

// begin returns the fetch that is under way, or a new one, or nil if it is too
// soon for one.
func (r *RemoteKeys) begin(now time.Time) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight == nil && !now.Before(r.earliest) {
		return r.launch()
	}
	return r.flight
}

// launch begins a fetch, on its own goroutine and with its own limit of time:
// it goes on when the request that caused it is gone, since others wait too.
// The caller holds r.mu.
func (r *RemoteKeys) launch() *flight {
	f := &flight{done: make(chan struct{})}
	r.flight = f
	go r.fly(f)
	return f
}

func (f *flight) wait(ctx context.Context) (*verify.KeySet, error) {
	select {
	case <-f.done:
		return f.set, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the key set did not come in time: %w", context.Cause(ctx))
	}
}

// lastFetched answers while it is too soon to ask again: with the last error,
// or with a set that was fetched just now.
func (r *RemoteKeys) lastFetched() (*verify.KeySet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return nil, r.failure
	}
	return r.current.Load().set, nil
}

func (r *RemoteKeys) fly(f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	answer, err := r.source.fetch(ctx)
	var set verify.KeySet
	var unusable []error
	if err == nil {
		set, unusable, err = verify.ParseKeySet(answer.body, r.algorithms...)
	}
	now := r.now()
	r.mu.Lock()
	if err != nil {
		f.err = r.fail(err, now)
	} else {
		f.set = r.adopt(set, answer, now)
	}
	r.flight = nil
	r.mu.Unlock()
	close(f.done)
	r.report(append(unusable, f.err)...)
}

// fail notes a failure. The caller holds r.mu.
func (r *RemoteKeys) fail(err error, now time.Time) error {
	err = fmt.Errorf("the issuer's key set could not be fetched: %w", err)
	if have := r.current.Load(); have != nil {
		err = fmt.Errorf("%w; the one of %s is used until %s", err,
			have.at.UTC().Format(time.RFC3339), have.at.Add(maxStale).UTC().Format(time.RFC3339))
	}
	r.failure = err
	r.earliest = now.Add(jitter(min(firstRetry<<min(r.failures, 8), coolDown)))
	r.failures++
	return err
}

// adopt makes a set the current one. The caller holds r.mu.
func (r *RemoteKeys) adopt(set verify.KeySet, a answer, now time.Time) *verify.KeySet {
	next := &fetched{set: &set, at: now, due: now.Add(a.fresh), ahead: a.ahead, timed: a.timed}
	// The same keys keep their pointer, by which a guard sees that nothing has
	// changed.
	if have := r.current.Load(); have != nil && bytes.Equal(have.set.JSON(), set.JSON()) {
		next.set = have.set
	}
	r.current.Store(next)
	r.failure, r.failures = nil, 0
	r.earliest = now.Add(jitter(coolDown))
	return next.set
}

// jitter adds up to a quarter, so that guards that were started or cut off
// together do not ask together.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4) }

func (r *RemoteKeys) report(errs ...error) {
	if err := errors.Join(errs...); err != nil && r.onError != nil {
		r.onError(err)
	}
}
