package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/why"
)

// Bounds of the ledger. A flood of refusals is counted, not stored: beyond the
// burst, so many denials of a code are kept in full each second. Each code has
// its own measure, so that nobody can drown a theft in a flood of requests
// without a token.
const (
	ledgerBurst   = 200
	ledgerPerSec  = 1
	ledgerWaiting = 5000 // records that wait for the store, at most
	ledgerFlush   = 100 * time.Millisecond
	ledgerPause   = 5 * time.Second // after the store did not take them
)

// bucket is the measure of one code.
type bucket struct {
	tokens float64
	filled time.Time
}

// take reports whether one more fits at now. A clock that was set back fills
// nothing and takes nothing away.
func (b *bucket) take(now time.Time) bool {
	b.tokens = min(ledgerBurst, b.tokens+max(0, now.Sub(b.filled).Seconds())*ledgerPerSec)
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// Ledger remembers denials, so that `doorward why` can tell their story, and
// logs them. To record one takes no longer than a lock and waits neither for the
// store nor for whoever reads the log.
type Ledger struct {
	store Store
	node  string
	log   *slog.Logger

	mu      sync.Mutex
	buckets map[doorward.Code]*bucket
	waiting []why.Record
	logged  int // how many of those, from the first, the log has
	floods  map[floodKey]int64
}

type floodKey struct {
	minute int64
	code   doorward.Code
}

func newLedger(cfg Config) *Ledger {
	return &Ledger{store: cfg.Store, node: cfg.Node, log: cfg.Log, buckets: make(map[doorward.Code]*bucket), floods: make(map[floodKey]int64)}
}

// Record keeps a denial, or counts it where there are too many.
func (l *Ledger) Record(r why.Record) {
	r.Node = l.node
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[r.Code]
	if b == nil {
		b = &bucket{tokens: ledgerBurst, filled: r.At}
		l.buckets[r.Code] = b
	}
	if !b.take(r.At) || len(l.waiting) >= ledgerWaiting {
		l.floods[floodKey{r.At.Unix() / 60, r.Code}]++
		return
	}
	l.waiting = append(l.waiting, r)
}

// flush logs what waits and hands it to the store. What the store does not
// take waits on, within the bounds.
func (l *Ledger) flush(ctx context.Context) error {
	l.mu.Lock()
	records, counts := l.waiting, l.floods
	logged := l.logged
	l.waiting, l.floods, l.logged = nil, make(map[floodKey]int64), 0
	l.mu.Unlock()
	if len(records) == 0 && len(counts) == 0 {
		return nil
	}
	for _, r := range records[logged:] {
		l.write(ctx, r)
	}
	floods := make([]why.Flood, 0, len(counts))
	for key, n := range counts {
		floods = append(floods, why.Flood{Minute: time.Unix(key.minute*60, 0), Code: key.code, Count: n})
	}
	err := l.store.Update(ctx, func(tx Tx) error { return tx.InsertDenials(records, floods) })
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range counts {
		l.floods[key] += n
	}
	room := max(0, ledgerWaiting-len(l.waiting))
	kept := min(room, len(records))
	l.waiting, l.logged = append(records[:kept:kept], l.waiting...), kept
	for _, lost := range records[kept:] {
		l.floods[floodKey{lost.At.Unix() / 60, lost.Code}]++
	}
	return err
}

// write logs one denial as one line.
func (l *Ledger) write(ctx context.Context, r why.Record) {
	level := slog.LevelInfo
	if r.Code == doorward.Unavailable {
		level = slog.LevelError
	}
	p := r.Private
	attrs := []slog.Attr{
		slog.String("denial", r.ID), slog.String("code", string(r.Code)),
		slog.String("method", r.Method), slog.String("path", r.Path), slog.String("network", r.Network),
		slog.String("check", p.Check), slog.String("why", p.Text),
	}
	for _, a := range []slog.Attr{
		slog.String("next", p.Next), slog.String("user", p.User), slog.String("session", p.Session),
		slog.String("jti", p.Token.ID), slog.String("kid", p.Token.Key), slog.String("sha256", p.Token.Fingerprint),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	l.log.LogAttrs(ctx, level, "refused", attrs...)
}
