package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// revokedMargin is how long beyond the life of an access token a session that
// ended is remembered: the leeway of verifiers, and clocks of nodes that
// disagree by minutes. No token is taken for longer than that life, even one
// that was issued for a longer one; see guard.Config.MaxLife.
const revokedMargin = 15 * time.Minute

// Revoked is the set of sessions and API keys that ended so lately that access
// tokens of theirs, or memories of a key, may still be about, and of keys that
// changed. It is in memory, it is fed by the log of revocations, and it forgets
// what nobody can name any more.
type Revoked struct {
	keep  time.Duration
	size  atomic.Int64 // so that the usual case, an empty set, takes no lock
	mu    sync.RWMutex
	ended map[string]ended
}

// ended is one ending. It is forgotten by how long it has been known, on the
// clock that only runs: one that is set forward and back would let a token in
// again.
type ended struct {
	Revocation
	known time.Time
}

func newRevoked(accessLife time.Duration) *Revoked {
	return &Revoked{keep: accessLife + revokedMargin, ended: make(map[string]ended)}
}

// Add remembers an ending. It reports false where the same entry of the log was
// remembered before: a log may be told again.
func (r *Revoked) Add(end Revocation) (news bool) {
	r.mu.Lock()
	news = r.ended[end.Subject].Seq != end.Seq || end.Seq == 0
	r.ended[end.Subject] = ended{Revocation: end, known: time.Now()}
	r.size.Store(int64(len(r.ended)))
	r.mu.Unlock()
	return news
}

// Ended returns how a session or an API key ended, and false if it did not. It
// allocates nothing.
func (r *Revoked) Ended(id string) (Revocation, bool) {
	if r.size.Load() == 0 {
		return Revocation{}, false
	}
	r.mu.RLock()
	end, ok := r.ended[id]
	r.mu.RUnlock()
	return end.Revocation, ok
}

// Len returns how many endings are remembered.
func (r *Revoked) Len() int { return int(r.size.Load()) }

func (r *Revoked) forget() {
	r.mu.Lock()
	for id, end := range r.ended {
		if time.Since(end.known) > r.keep {
			delete(r.ended, id)
		}
	}
	r.size.Store(int64(len(r.ended)))
	r.mu.Unlock()
}

// revocationsPage is how many entries of the log are read at a time.
const revocationsPage = 1000

// loadRevocations reads the log, of which what no longer matters is purged.
func (a *Auth) loadRevocations(ctx context.Context) error {
	for after := int64(0); ; {
		var page []Revocation
		err := a.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.Revocations(after, revocationsPage)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		a.take(ctx, page)
		after = page[len(page)-1].Seq
	}
}

// apply takes in what the log of revocations says. It returns what of that is
// news, and whether the keys have changed.
func (a *Auth) apply(entries []Revocation) (news []Revocation, keys bool) {
	for _, entry := range entries {
		if !a.revoked.Add(entry) {
			continue
		}
		keys = keys || entry.Kind == ChangedKeys
		news = append(news, entry)
	}
	return news, keys
}
