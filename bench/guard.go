package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/doorward/doorward/guard"
)

// guardRow compares a guarded route with a bare one that answers the same.
// Both get the same request, token and all, so the difference is the guard.
func guardRow(ctx context.Context, b *bench) ([]figure, error) {
	db, err := b.newDatabase(ctx, "guard", b.accounts)
	if err != nil {
		return nil, err
	}
	tokens, err := db.accessTokens(b.clients)
	if err != nil {
		return nil, err
	}
	allocations, err := checkAllocations(db, tokens[0])
	if err != nil {
		return nil, err
	}
	var turns [][]sample
	err = b.serving(ctx, db, b.clients, func(c *child, conns []*conn) error {
		side := func(path string) func() (sample, error) {
			callers := visitors(path, tokens)
			return c.metered(func() (sample, error) { return closedLoop(ctx, conns, callers, b.round) })
		}
		guarded := side("/guarded")
		if turns, err = inTurns(b.rounds, guarded, side("/bare")); err != nil {
			return err
		}
		return b.profiled(c, guarded)
	})
	if err != nil {
		return nil, err
	}
	return append(requestFigures(turns[0], turns[1], 1.25),
		single("allocations of a check", "", allocations).atMost(0)), nil
}

// requestFigures compares requests with bare ones.
func requestFigures(samples, floor []sample, goal float64) []figure {
	return []figure{
		beside("CPU of a request", "µs", each(samples, sample.cpuEach), each(floor, sample.cpuEach)).ratioAtMost(goal),
		beside("requests a second", "", each(samples, sample.perSecond), each(floor, sample.perSecond)),
		beside("p50", "µs", each(samples, quantile(0.5)), each(floor, quantile(0.5))),
		beside("p99", "µs", each(samples, quantile(0.99)), each(floor, quantile(0.99))),
	}
}

// checkAllocations counts what the guard allocates to check a request whose
// token it has seen before.
func checkAllocations(db *database, token string) (float64, error) {
	g, err := guard.New(guard.Config{Issuer: issuer, Audience: []string{issuer}, Keys: guard.StaticKeys(db.keys.public)})
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequest(http.MethodGet, issuer, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if _, d := g.Check(r); d != nil {
		return 0, fmt.Errorf("the token is refused: %s", d.Private.Text)
	}
	return testing.AllocsPerRun(1000, func() { _, _ = g.Check(r) }), nil
}

// firstSightRow compares a guarded route, where no token comes twice, with a
// bare one that only checks a signature.
func firstSightRow(ctx context.Context, b *bench) ([]figure, error) {
	db, err := b.newDatabase(ctx, "first-sight", b.accounts)
	if err != nil {
		return nil, err
	}
	tokens, err := db.accessTokens(b.clients)
	if err != nil {
		return nil, err
	}
	var turns [][]sample
	err = b.serving(ctx, db, b.clients, func(c *child, conns []*conn) error {
		guarded := func() (sample, error) {
			callers, err := strangers(db, b.clients, b.strangers)
			if err != nil {
				return sample{}, err
			}
			return c.metered(func() (sample, error) { return closedLoop(ctx, conns, callers, 0) })()
		}
		// The floor gets tokens too, which it does not look at.
		bare := visitors("/checked", tokens)
		signature := c.metered(func() (sample, error) { return closedLoop(ctx, conns, bare, b.round) })
		if turns, err = inTurns(b.rounds, guarded, signature); err != nil {
			return err
		}
		return b.profiled(c, guarded)
	})
	if err != nil {
		return nil, err
	}
	return requestFigures(turns[0], turns[1], 1.2), nil
}
