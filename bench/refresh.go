package main

import (
	"context"
	"fmt"
	"runtime"
)

// refreshRow measures refreshes that are on the disk before they are answered,
// against the two things that a refresh cannot do without: a bare route that
// reads the same request and makes one signature, and the bare commit of
// SQLite's driver for database/sql. Refreshes at the same time share a commit.
func refreshRow(ctx context.Context, b *bench) ([]figure, error) {
	db, err := b.newDatabase(ctx, "refresh", b.accounts)
	if err != nil {
		return nil, err
	}
	tokens, err := db.addSessions(ctx, db.newSessions(b.clients))
	if err != nil {
		return nil, err
	}
	var turns [][]sample
	err = b.serving(ctx, db, b.clients, func(c *child, conns []*conn) error {
		side := func(callers []caller) func() (sample, error) {
			return c.metered(func() (sample, error) { return closedLoop(ctx, conns, callers, b.round/2) })
		}
		callers := refreshers(tokens, b.clients, -1)
		bare := make([]caller, b.clients)
		for i := range bare {
			bare[i] = &same{request: refreshRequest(nil, "/signed", tokens[i]), body: answer}
		}
		refresh := side(callers)
		turns, err = inTurns(b.rounds, refresh, side(bare), c.inside("Commit", 1, b.round/2), side(callers[:1]))
		if err != nil {
			return err
		}
		return b.profiled(c, refresh)
	})
	if err != nil {
		return nil, err
	}
	many, signed, commit, one := turns[0], turns[1], turns[2], turns[3]
	cores := runtime.NumCPU()
	cpu := beside("CPU of a refresh, against a bare route that signs", "µs", each(many, sample.cpuEach), each(signed, sample.cpuEach)).atMost(60)
	return []figure{
		cpu,
		beside("the same, against a bare commit", "µs", each(many, sample.cpuEach), each(commit, sample.cpuEach)),
		beside(fmt.Sprintf("refreshes a second, %d clients, load on the same cores", b.clients), "",
			each(many, sample.perSecond), each(commit, sample.perSecond)).atLeast(10_000),
		single(fmt.Sprintf("refreshes a second that %d cores have the CPU for", cores), "", float64(cores)*1e6/cpu.Value),
		single(fmt.Sprintf("p50, %d clients", b.clients), "µs", median(many, quantile(0.5))),
		single(fmt.Sprintf("p99, %d clients", b.clients), "µs", median(many, quantile(0.99))),
		beside("p50, 1 client", "µs", each(one, quantile(0.5)), each(commit, sample.wallEach)),
	}, nil
}
