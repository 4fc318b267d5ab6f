package main

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// loginRow compares logins with bare hashes of the same parameters.
func loginRow(ctx context.Context, b *bench) ([]figure, error) {
	db, err := b.newDatabase(ctx, "login", b.accounts)
	if err != nil {
		return nil, err
	}
	workers := runtime.NumCPU()
	clients := 2 * workers // so that another password waits whenever one is done
	var turns [][]sample
	err = b.serving(ctx, db, clients, func(c *child, conns []*conn) error {
		callers := entrants(db.emails(), clients)
		login := c.metered(func() (sample, error) { return closedLoop(ctx, conns, callers, b.round) })
		if turns, err = inTurns(b.rounds, login, c.inside("Hash", workers, b.round)); err != nil {
			return err
		}
		return b.profiled(c, login)
	})
	if err != nil {
		return nil, err
	}
	logins, hashes := turns[0], turns[1]
	return []figure{
		beside("CPU of a login", "ms", millis(each(logins, sample.cpuEach)), millis(each(hashes, sample.cpuEach))).ratioAtMost(1.03),
		beside("logins a second", "", each(logins, sample.perSecond), each(hashes, sample.perSecond)).ratioAtLeast(0.97),
		single("p99", "ms", median(logins, quantile(0.99))/1000),
	}, nil
}

func millis(micros []float64) []float64 {
	for i := range micros {
		micros[i] /= 1000
	}
	return micros
}

// floodClients keep the pool full and are few enough to be taken in by it.
const floodClients = 8

// floodRow measures guarded requests while as many people sign in as the
// server can take, and beside it without them.
func floodRow(ctx context.Context, b *bench) ([]figure, error) {
	db, err := b.newDatabase(ctx, "flood", b.accounts)
	if err != nil {
		return nil, err
	}
	tokens, err := db.accessTokens(b.clients)
	if err != nil {
		return nil, err
	}
	var turns [][]sample
	var logins []float64
	err = b.serving(ctx, db, b.clients+floodClients, func(c *child, conns []*conn) error {
		callers, flood := visitors("/guarded", tokens), entrants(db.emails(), floodClients)
		closed := func() (sample, error) { return closedLoop(ctx, conns, callers, b.round/2) }
		open := func() (sample, error) { return openLoop(ctx, conns, callers, b.rate, b.round/2) }
		flooded := func(work func() (sample, error)) func() (sample, error) {
			return func() (sample, error) {
				s, n, err := during(ctx, conns[b.clients:], flood, work)
				logins = append(logins, n)
				return s, err
			}
		}
		if turns, err = inTurns(b.rounds, flooded(closed), closed, flooded(open), open); err != nil {
			return err
		}
		return b.profiled(c, flooded(open))
	})
	if err != nil {
		return nil, err
	}
	closedFlood, closed, openFlood, open := turns[0], turns[1], turns[2], turns[3]
	rate := number(float64(b.rate))
	return []figure{
		beside("requests a second, as many as go", "", each(closedFlood, sample.perSecond), each(closed, sample.perSecond)).atLeast(10_000),
		beside("p99 of them", "ms", millis(each(closedFlood, quantile(0.99))), millis(each(closed, quantile(0.99)))),
		beside("p50 at "+rate+" a second", "ms", millis(each(openFlood, quantile(0.5))), millis(each(open, quantile(0.5)))),
		beside("p99 at "+rate+" a second", "ms", millis(each(openFlood, quantile(0.99))), millis(each(open, quantile(0.99)))).atMost(5),
		single("logins a second beside them", "", middle(logins)),
	}, nil
}

// during does some work while a flood goes on, and returns how many of the
// flood were answered in a second.
func during(ctx context.Context, conns []*conn, flood []caller, work func() (sample, error)) (sample, float64, error) {
	var over atomic.Bool
	type result struct {
		sample
		err error
	}
	ended := make(chan result, 1)
	begun := time.Now()
	go func() {
		s, err := load(ctx, conns, flood, func(int, int) (time.Duration, bool) { return time.Since(begun), !over.Load() })
		ended <- result{s, err}
	}()
	s, err := work()
	over.Store(true)
	r := <-ended
	if err == nil {
		err = r.err
	}
	return s, r.perSecond(), err
}
