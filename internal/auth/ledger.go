package auth

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ledger"
	"github.com/doorward/doorward/internal/why"
)

// Bounds of the ledger beside those of package ledger.
const (
	ledgerWaiting = 5000 // records that wait for the store, at most
	// ledgerReported is how many may wait where a report comes, so that there is
	// room for what the server itself refuses.
	ledgerReported = ledgerWaiting / 2
	ledgerFlush    = 100 * time.Millisecond
	ledgerPause    = 5 * time.Second // after the store did not take them
)

// Ledger remembers denials, so that `doorward why` can tell their story, and
// logs them. To record one takes no longer than a lock and waits neither for the
// store nor for whoever reads the log.
type Ledger struct {
	store Store
	node  string
	log   *slog.Logger

	mu       sync.Mutex
	own      ledger.Measure
	reported map[string]*ledger.Measure // by the API key that guards report with
	waiting  []why.Record
	logged   int          // how many of those, from the first, the log has
	writing  []why.Record // on their way into the store
	counts   ledger.Counts
}

func newLedger(cfg Config) *Ledger {
	return &Ledger{store: cfg.Store, node: cfg.Node, log: cfg.Log, reported: make(map[string]*ledger.Measure)}
}

// Record keeps a denial, or counts it where there are too many.
func (l *Ledger) Record(r why.Record) {
	l.mu.Lock()
	fits := l.fits(&l.own, r, r.At, ledgerWaiting)
	l.mu.Unlock()
	if !fits {
		return
	}
	r.Node = l.node
	r = r.Masked() // which takes longer than all the rest
	l.mu.Lock()
	l.waiting = append(l.waiting, r)
	l.mu.Unlock()
}

// Report is what a guard in another program tells of its denials.
type Report struct {
	Key     string // the API key's id
	Records []why.Record
	Floods  []why.Flood
}

// Join keeps what a guard reports, which [ledger.Batch.Accept] took, within a
// measure of its key's own: no guard can drown what another one reports, nor
// what the server itself refuses.
func (l *Ledger) Join(r Report, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.reported[r.Key]
	if m == nil {
		m = new(ledger.Measure)
		l.reported[r.Key] = m
	}
	for _, record := range r.Records {
		if l.fits(m, record, now, ledgerReported) {
			l.waiting = append(l.waiting, record)
		}
	}
	for _, f := range r.Floods {
		l.counts.Add(f.Minute, f.Code, f.Count)
	}
}

// fits reports whether a record is to be kept beside fewer than most that wait,
// and counts it where it is not. The caller holds l.mu.
func (l *Ledger) fits(m *ledger.Measure, r why.Record, now time.Time, most int) bool {
	if m.Take(r.Code, now) && len(l.waiting) < most {
		return true
	}
	l.counts.Add(r.At, r.Code, 1)
	return false
}

// unwritten returns a record that the store does not have yet.
func (l *Ledger) unwritten(id string) (why.Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, records := range [][]why.Record{l.waiting, l.writing} {
		for _, r := range records {
			if r.ID == id {
				return r, true
			}
		}
	}
	return why.Record{}, false
}

// flush logs what waits and hands it to the store. What the store does not
// take waits on, within the bounds.
func (l *Ledger) flush(ctx context.Context) error {
	l.mu.Lock()
	records, logged, counts := l.waiting, l.logged, l.counts
	l.waiting, l.logged, l.writing, l.counts = nil, 0, records, ledger.Counts{}
	l.mu.Unlock()
	floods := counts.Floods()
	if len(records) == 0 && len(floods) == 0 {
		return nil
	}
	for _, r := range records[logged:] {
		l.write(ctx, r)
	}
	err := l.store.Update(ctx, func(tx Tx) error { return tx.InsertDenials(records, floods) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = nil
	if err == nil {
		return nil
	}
	for _, f := range floods {
		l.counts.Add(f.Minute, f.Code, f.Count)
	}
	room := max(0, ledgerWaiting-len(l.waiting))
	kept := min(room, len(records))
	l.waiting, l.logged = append(records[:kept:kept], l.waiting...), kept
	for _, lost := range records[kept:] {
		l.counts.Add(lost.At, lost.Code, 1)
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
		slog.String("node", reporter(r)), slog.String("next", p.Next), slog.String("user", p.User), slog.String("session", p.Session),
		slog.String("jti", p.Token.ID), slog.String("kid", p.Token.Key), slog.String("sha256", p.Token.Fingerprint),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	l.log.LogAttrs(ctx, level, "refused", attrs...)
}

// reporter names the guard that refused; empty where this server did, whose
// log it is.
func reporter(r why.Record) string {
	if r.Key == "" {
		return ""
	}
	return r.Node
}
