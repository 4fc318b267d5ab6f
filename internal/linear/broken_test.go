package linear

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/fleet"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/server"
)

// brokenStores are wrong in one way each, and each way is one that somebody
// could think of: to save a comparison, a wait or a read.
var brokenStores = fleet.Broken{
	"swaps whatever is stored":            func(s server.Store) server.Store { return blindSwap{s} },
	"answers an ending before its commit": func(s server.Store) server.Store { return early{s} },
	"takes a used token for a current":    func(s server.Store) server.Store { return generous{s} },
	"forgets the key of an attempt":       func(s server.Store) server.Store { return forgetful{s} },
	"reads what it read a while ago":      func(s server.Store) server.Store { return &stale{Store: s} },
	"loses a swap now and then":           func(s server.Store) server.Store { return &lossy{Store: s} },
	"does not hear of other nodes":        func(s server.Store) server.Store { return deaf{s} },
}

// TestBroken: what is wrong is noticed.
func TestBroken(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(brokenStores)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, "sqlite:"+filepath.Join(t.TempDir(), "doorward.db"), 1, 0, name)
			c.hearsay = 1500 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
			defer cancel()
			f := c.run(ctx, seedOf(t))
			if len(f.wrong) == 0 {
				t.Fatalf("%d histories, and nothing wrong with any", f.histories)
			}
			lines := strings.Split(f.wrong[0], "\n")
			t.Logf("noticed after %d histories: %s", f.histories, strings.Join(lines[:min(len(lines), 40)], "\n"))
		})
	}
}

// blindSwap does not compare what is stored with what was read.
type blindSwap struct{ server.Store }

func (b blindSwap) SwapSession(ctx context.Context, _, next session.Session) (bool, error) {
	for {
		st, err := b.ReadSession(ctx, next.ID)
		if err != nil || st.Session.Ended() {
			return false, err
		}
		if ok, err := b.Store.SwapSession(ctx, st.Session, next); ok || err != nil {
			return ok, err
		}
	}
}

// early acknowledges an ending, and writes it some time later.
type early struct{ server.Store }

var errUndo = errors.New("not yet")

type endings struct {
	auth.Tx
	any bool
}

func (e *endings) EndSession(id ulid.ID, end session.End) (bool, error) {
	ok, err := e.Tx.EndSession(id, end)
	e.any = e.any || ok
	return ok, err
}

func (b early) Update(ctx context.Context, fn func(auth.Tx) error) error {
	err := b.Store.Update(ctx, func(tx auth.Tx) error {
		e := &endings{Tx: tx}
		err := fn(e)
		if err == nil && e.any {
			err = errUndo
		}
		return err
	})
	if errors.Is(err, errUndo) {
		time.AfterFunc(50*time.Millisecond, func() { _ = b.Store.Update(context.WithoutCancel(ctx), fn) })
		err = nil
	}
	return err
}

// generous rotates a session again by the token that it was rotated with, where
// a sibling is due, which writes nothing.
type generous struct{ server.Store }

func (b generous) ReadSession(ctx context.Context, id ulid.ID) (auth.Standing, error) {
	st, err := b.Store.ReadSession(ctx, id)
	st.Session.Generation--
	return st, err
}

func (b generous) SwapSession(ctx context.Context, old, next session.Session) (bool, error) {
	old.Generation++
	return b.Store.SwapSession(ctx, old, next)
}

// forgetful keeps no keys.
type forgetful struct{ server.Store }

func (b forgetful) SwapSession(ctx context.Context, old, next session.Session) (bool, error) {
	next.Attempt = session.Attempt{}
	return b.Store.SwapSession(ctx, old, next)
}

// stale answers reads from memory for two seconds, or until a swap shows that they
// are old.
type stale struct {
	server.Store
	read sync.Map
}

type reading struct {
	st auth.Standing
	at time.Time
}

func (b *stale) ReadSession(ctx context.Context, id ulid.ID) (auth.Standing, error) {
	if r, ok := b.read.Load(id); ok && time.Since(r.(reading).at) < 2*time.Second {
		return r.(reading).st, nil
	}
	st, err := b.Store.ReadSession(ctx, id)
	if err == nil {
		b.read.Store(id, reading{st, time.Now()})
	}
	return st, err
}

func (b *stale) SwapSession(ctx context.Context, old, next session.Session) (bool, error) {
	defer b.read.Delete(old.ID)
	return b.Store.SwapSession(ctx, old, next)
}

// lossy says that it has swapped, and has not, every other time.
type lossy struct {
	server.Store
	mu    sync.Mutex
	other bool
}

func (b *lossy) SwapSession(ctx context.Context, old, next session.Session) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.other = !b.other; b.other {
		return b.Store.SwapSession(ctx, old, next)
	}
	st, err := b.ReadSession(ctx, old.ID)
	return err == nil && !st.Session.Ended() && st.Session.Generation == old.Generation, err
}

// deaf follows nothing.
type deaf struct{ server.Store }

func (b deaf) Follow(ctx context.Context, _ int64, _ func([]auth.Revocation)) error {
	<-ctx.Done()
	return errors.New("nothing was heard")
}
