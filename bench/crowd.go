package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/doorward/doorward/internal/auth"
)

// crowd is what a large store was found to take.
type crowd struct {
	fresh     float64 // bytes of a session that began
	refreshed float64 // bytes of a session that was refreshed
	growth    float64 // bytes for each refresh after the first
	login     float64 // bytes of the event that a login leaves behind
	few, many refreshing
}

// refreshing is how a server was after it had refreshed sessions.
type refreshing struct {
	memory float64 // bytes, resident
	cpu    float64 // µs for each refresh
}

// fewSessions is how many there are in the small store.
const fewSessions = 100

// measureCrowd fills a large store and a small one and refreshes on both: on
// the large one every session once and then some again, in no order.
func (b *bench) measureCrowd(ctx context.Context) (*crowd, error) {
	if b.crowd != nil {
		return b.crowd, nil
	}
	n := b.sessions
	small, err := b.newDatabase(ctx, "few", fewSessions)
	if err != nil {
		return nil, err
	}
	tokens, err := small.addSessions(ctx, small.newSessions(fewSessions))
	if err != nil {
		return nil, err
	}
	var out crowd
	if out.few, err = b.refreshAll(ctx, small, tokens, n/4); err != nil {
		return nil, err
	}

	large, err := b.newDatabase(ctx, "many", n/2)
	if err != nil {
		return nil, err
	}
	sizes := sizes{db: large}
	sizes.note()
	sessions := large.newSessions(n)
	if tokens, err = large.addSessions(ctx, sessions); err != nil {
		return nil, err
	}
	out.fresh = sizes.note() / float64(n)
	rand.Shuffle(n, func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
	if out.many, err = b.refreshAll(ctx, large, tokens, n); err != nil {
		return nil, err
	}
	out.refreshed = out.fresh + sizes.note()/float64(n)
	if _, err = b.refreshAll(ctx, large, tokens, n/4); err != nil {
		return nil, err
	}
	out.growth = sizes.note() / float64(n/4)
	some := sessions[:n/4]
	if err := large.open(ctx, func(store auth.Store) error { return insert(ctx, store, some, started) }); err != nil {
		return nil, err
	}
	out.login = sizes.note() / float64(len(some))
	b.crowd = &out
	return b.crowd, sizes.err
}

// refreshAll refreshes sessions in turn, so many times in all, and puts the
// tokens that are current then in place of the old ones.
func (b *bench) refreshAll(ctx context.Context, db *database, tokens []string, times int) (out refreshing, err error) {
	clients := min(b.clients, len(tokens))
	err = b.serving(ctx, db, clients, func(c *child, conns []*conn) error {
		callers := refreshers(tokens, clients, (times+clients-1)/clients)
		s, err := c.metered(func() (sample, error) { return closedLoop(ctx, conns, callers, 0) })()
		if err != nil {
			return err
		}
		for i := range tokens {
			tokens[i] = callers[i%clients].(*refresher).tokens[i/clients]
		}
		var used Usage
		err = c.ask("Usage", struct{}{}, &used)
		out = refreshing{memory: float64(used.Resident), cpu: s.cpuEach()}
		return err
	})
	return out, err
}

// sizes follows the size of a database.
type sizes struct {
	db   *database
	last int64
	err  error
}

// note returns by how much the size has changed since the last call.
func (s *sizes) note() float64 {
	now, err := s.db.size()
	if err != nil && s.err == nil {
		s.err = err
	}
	change := now - s.last
	s.last = now
	return float64(change)
}

// sizeRow measures what a session takes on the disk. The account, and the event
// of the login, are not part of it.
func sizeRow(ctx context.Context, b *bench) ([]figure, error) {
	c, err := b.measureCrowd(ctx)
	if err != nil {
		return nil, err
	}
	return []figure{
		single(fmt.Sprintf("a session that was refreshed, of %s", number(float64(b.sessions))), "bytes", c.refreshed).atMost(250),
		single("a session that has just begun", "bytes", c.fresh),
		single("growth with each refresh after the first", "bytes", c.growth).atMost(0),
		single("the event of a login, kept for 90 days", "bytes", c.login),
	}, nil
}

// memoryRow compares a server with many sessions, each of which was refreshed,
// with one that has few.
func memoryRow(ctx context.Context, b *bench) ([]figure, error) {
	c, err := b.measureCrowd(ctx)
	if err != nil {
		return nil, err
	}
	const mebi = 1 << 20
	many := number(float64(b.sessions))
	return []figure{
		beside(fmt.Sprintf("resident with %s sessions, against %d", many, fewSessions), "MiB",
			[]float64{c.many.memory / mebi}, []float64{c.few.memory / mebi}),
		single("the difference", "MiB", (c.many.memory-c.few.memory)/mebi).atMost(20),
		beside("CPU of a refresh there, in no order", "µs", []float64{c.many.cpu}, []float64{c.few.cpu}),
	}, nil
}
