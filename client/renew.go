package client

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"time"

	"github.com/doorward/doorward"
)

const (
	// patience is how long a renewal that fails for now is tried again, while
	// callers may be waiting; then the calls that need it fail.
	patience = 15 * time.Second

	// Between tries, and then between renewals, there is a pause that doubles.
	firstPause  = 250 * time.Millisecond
	firstBreak  = time.Second
	longestWait = 30 * time.Second

	// longestBreak is how long an issuer's address may put renewals off: one
	// answer of a gateway's must not do so for a day.
	longestBreak = 5 * time.Minute

	// lockWait is how long another program's renewal is waited for.
	lockWait = time.Second

	// maxLost is how often somebody else may have changed the record first.
	maxLost = 100
)

var errBusy = unavailable("the record in the store changes too often", nil)

// held is the record as the store has it.
type held struct {
	raw []byte
	rec record
}

// usable returns a token to send a call with. It waits only if there is none
// that is still good.
func (s *Session) usable(ctx context.Context) (*grant, error) {
	if g := s.current.Load(); g != nil && g.stage(s.now()) < due {
		return g, nil
	}
	g, err := s.have(ctx)
	if err != nil {
		return nil, err
	}
	at := g.stage(s.now())
	if at < due {
		return g, nil
	}
	f := s.begin(g, false)
	if at < spent {
		return g, nil
	}
	next, err := f.wait(ctx)
	if err != nil && isTemporary(err) && g.stage(s.now()) < dead {
		return g, nil // only the wall clock spoke against it
	}
	return next, err
}

// have returns the token of the session, however old it is.
func (s *Session) have(ctx context.Context) (*grant, error) {
	if g := s.current.Load(); g != nil {
		return g, nil
	}
	return s.looking.join(nil, func() (*grant, error) {
		g, _, err := s.look()
		return g, err
	}).wait(ctx)
}

// begin starts to renew what has taken the place of old or, if nothing has, old
// itself. After a failure it takes a break first, unless somebody is in a hurry.
func (s *Session) begin(old *grant, hurry bool) *flight {
	refused := s.onBreak
	if hurry {
		refused = nil
	}
	return s.renewing.join(refused, func() (*grant, error) {
		g, err := s.renew(old)
		s.settled(err)
		return g, err
	})
}

// onBreak returns the last failure while it is too soon to try again.
func (s *Session) onBreak() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.earliest.Sub(s.now())
	var e *Error
	if left <= 0 || !errors.As(s.failure, &e) {
		return nil
	}
	again := *e
	again.RetryAfter = left
	return &again
}

// settled notes how a renewal ended.
func (s *Session) settled(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || s.current.Load() == nil {
		s.failure, s.failures, s.earliest = nil, 0, time.Time{}
		return
	}
	pause := backoff(firstBreak, s.failures)
	var e *Error
	if errors.As(err, &e) {
		pause = max(pause, e.RetryAfter)
	}
	s.failure, s.failures, s.earliest = err, s.failures+1, s.now().Add(pause)
}

// backoff is the pause after n failures before: it doubles, and is varied by
// half either way, so that programs that failed together do not come back
// together.
func backoff(first time.Duration, n int) time.Duration {
	pause := min(first<<min(n, 10), longestWait)
	return pause/2 + mathrand.N(pause)
}

func isTemporary(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Temporary()
}

// mayPass reports whether another try in a moment may fare better. A refusal by
// something in the issuer's place is not over so soon, and callers need not wait.
func mayPass(err error) bool {
	var e, cause *Error
	return errors.As(err, &e) && e.Temporary() && (!errors.As(e.Err, &cause) || cause.Temporary())
}

// renew returns a token in the place of old: another's, if the store has one
// by now, or else a new one from the issuer. What fails for now is tried again.
func (s *Session) renew(old *grant) (*grant, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience+s.issuer.timeout)
	defer cancel()
	start := s.now()
	for tries := 0; ; tries++ {
		g, err := s.turn(ctx, old)
		if err == nil || !mayPass(err) {
			return g, err
		}
		pause := backoff(firstPause, tries)
		var e *Error
		if errors.As(err, &e) {
			pause = max(pause, e.RetryAfter)
		}
		if s.now().Sub(start)+pause > patience {
			return nil, err
		}
		_ = sleep(ctx, pause, nil)
	}
}

// turn is one try. It looks before it asks, and again when it has the lock:
// what counts is what is stored, never what was known.
func (s *Session) turn(ctx context.Context, old *grant) (*grant, error) {
	if g, _, err := s.look(); err != nil || s.replaces(g, old) {
		return g, err
	}
	defer s.lock(ctx)()
	for range maxLost {
		g, h, err := s.look()
		if err != nil || s.replaces(g, old) {
			return g, err
		}
		h, ok := s.attempt(h)
		if !ok {
			continue
		}
		sent := s.now()
		t, err := s.issuer.refresh(ctx, h.rec.RefreshToken, h.rec.Attempt)
		var e *Error
		switch {
		case err == nil:
			if g, ok := s.settle(h, h.rec.with(t, sent), sent); ok {
				return g, nil
			}
		case errors.As(err, &e) && denied(e):
			if _, ok := s.settle(h, h.rec.over(e), sent); ok {
				return nil, e
			}
		default:
			return nil, unsettled(e)
		}
	}
	return nil, errBusy
}

// unsettled is what callers get to know of a refresh that neither brought a token
// nor ended the session. Whatever answered, and with whatever code: the session is
// kept, so the error must not read like the end of it.
func unsettled(e *Error) *Error {
	e.RetryAfter = min(e.RetryAfter, longestBreak)
	if e.Recovery() == doorward.RecoverWait {
		return e
	}
	return &Error{
		Code: doorward.Unavailable, Detail: "the token could not be renewed; the session is kept",
		Status: e.Status, Denial: e.Denial, Help: e.Help, RetryAfter: e.RetryAfter, Err: e,
	}
}

// replaces reports whether g is good enough in the place of old.
func (s *Session) replaces(g, old *grant) bool { return g.token != old.token && g.stage(s.now()) < due }

// lock keeps other programs that share the store from renewing too, if it can.
func (s *Session) lock(ctx context.Context) (unlock func()) {
	locker, ok := s.store.(Locker)
	if !ok {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	unlock, err := locker.Lock(ctx)
	if err != nil {
		return func() {} // nothing depends on it
	}
	return unlock
}

// look reads the record and goes by it.
func (s *Session) look() (*grant, held, error) {
	s.keep.Lock()
	defer s.keep.Unlock()
	h, err := s.load()
	if err != nil {
		return nil, held{}, err
	}
	if g := s.adopt(h, time.Time{}); g != nil {
		return g, h, nil
	}
	return nil, h, s.over
}

// load reads the record. The caller holds s.keep.
func (s *Session) load() (held, error) {
	raw, err := s.shelf.load()
	if err != nil {
		return held{}, unavailable("the store cannot be read", err)
	}
	rec, err := parseRecord(raw)
	if err != nil {
		return held{}, unavailable("what the store has cannot be read; sign in to replace it", err)
	}
	return held{raw, rec}, nil
}

// attempt saves a key for the next refresh beside the token, or takes the one
// that is there: whoever asks with the same token and key gets the same answer,
// however often and however late. It reports false if somebody else changed the
// record. If the key cannot be saved there is none: a key that is lost with the
// program would turn the token that is kept into one used by a stranger.
func (s *Session) attempt(h held) (held, bool) {
	if h.rec.Attempt != "" {
		return h, true
	}
	next := h.rec
	next.Attempt = rand.Text()
	keyed := held{next.text(), next}
	s.keep.Lock()
	defer s.keep.Unlock()
	saved, err := s.shelf.save(h.raw, keyed.raw)
	if err != nil {
		return h, true
	}
	return keyed, saved
}

// settle puts what came of a refresh in the place of the record that it was
// asked with. It reports false if that is not there any more: somebody has
// renewed, signed in or signed out meanwhile, and that counts.
func (s *Session) settle(h held, next record, sent time.Time) (*grant, bool) {
	s.keep.Lock()
	defer s.keep.Unlock()
	raw := next.text()
	if !s.shelf.swap(h.raw, raw) {
		return nil, false
	}
	return s.adopt(held{raw, next}, sent), true
}

// adopt makes the record what calls go by, and returns its token; nil if there
// is none, for which s.over has the reason. sent is when the token was asked
// for, and zero if another did so. The caller holds s.keep.
func (s *Session) adopt(h held, sent time.Time) *grant {
	if !h.rec.live(s.issuer.url) {
		s.current.Store(nil)
		s.end(h.rec)
		return nil
	}
	s.line, s.over = h.rec.Line, nil
	g := s.current.Load()
	switch {
	case !sent.IsZero():
		g = newGrant(h.rec, sent)
	case g == nil || g.token != h.rec.AccessToken || g.line != h.rec.Line:
		g = restored(h.rec, s.now())
	}
	s.current.Store(g)
	return g
}

// end says why there is no session, and tells the program if there was one.
func (s *Session) end(r record) {
	switch {
	case r.Ended != nil && r.Issuer == s.issuer.url:
		s.over = r.Ended.error()
	case s.line != "":
		s.over = nobody("somebody who shares the session has signed out")
	case s.over == nil || s.over.Code == doorward.RefreshTokenMissing:
		s.over = nobody("nobody is signed in")
	}
	if s.line != "" && s.onEnd != nil {
		go s.onEnd(s.over)
	}
	s.line = ""
}
