package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/throttle"
)

// counted is a limit with the key of what it counts here.
type counted struct {
	limit throttle.Limit
	key   throttle.Key
}

// loginLimits returns what a failed login of an address from a network counts
// against.
func loginLimits(emailKey, network string) []counted {
	return []counted{
		{throttle.PerAccount, throttle.PerAccount.Key(emailKey, network)},
		{throttle.PerNetwork, throttle.PerNetwork.Key(network)},
		{throttle.InARow, throttle.InARow.Key(emailKey)},
	}
}

// forget resets what a success resets: the guesses at this account. The count
// over all accounts of a network stays, or whoever has one account could go on
// guessing at the others. Where nothing was counted nothing is written.
func forget(tx Tx, limits []counted) error {
	for _, l := range limits {
		if l.limit == throttle.PerNetwork {
			continue
		}
		c, err := tx.Count(l.key)
		if err != nil {
			return err
		}
		if c == (throttle.Count{}) {
			continue
		}
		if err := tx.SetCount(l.key, throttle.Count{}, c.Since); err != nil {
			return err
		}
	}
	return nil
}

// admit lets an attempt begin if all limits leave room for it and for the
// attempts under way: those may fail too, so an attempt waits for them where
// the room is tight. Without that, a hundred guesses sent at once would all
// see a count of zero. The room is kept per node; a fleet of n nodes admits at
// most n times the limit at once.
//
// The caller calls leave when its attempt has been counted.
func (a *Auth) admit(ctx context.Context, limits []counted) (leave func(), refusal *Refusal, err error) {
	for {
		now := a.now()
		lefts := make([]int, len(limits))
		err := a.store.View(ctx, func(tx Tx) error {
			refusal = nil
			for i, l := range limits {
				c, err := tx.Count(l.key)
				if err != nil {
					return err
				}
				if lefts[i] = l.limit.Left(c, now); lefts[i] == 0 && refusal == nil {
					refusal = tooMany(l.limit, c, now)
				}
			}
			return nil
		})
		if err != nil || refusal != nil {
			return nil, refusal, err
		}
		leave, busy := a.gate.enter(limits, lefts)
		if leave != nil {
			return leave, nil, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func tooMany(l throttle.Limit, c throttle.Count, now time.Time) *Refusal {
	retry := l.RetryAfter(c, now)
	text := fmt.Sprintf("%d failures since %s reach the limit %q of %d", c.Failures, c.Since.UTC().Format(time.RFC3339), l.Name, l.Max)
	next := fmt.Sprintf("wait %s", retry.Round(time.Second))
	if l.Window == 0 {
		next = "reset it with: doorward user password"
	}
	return &Refusal{
		Cause: TooManyFailures, Limit: &l, RetryAfter: retry,
		Private: doorward.Reason{Check: "limit " + l.Name, Text: text, Next: next},
	}
}

// gate counts the attempts under way. The zero gate is ready.
type gate struct {
	mu       sync.Mutex
	underWay map[throttle.Key]int
	left     chan struct{} // closed, and made anew, when an attempt is over
}

// enter takes a place under every limit, or none, and then returns a channel
// that is closed when it is worth trying again.
func (g *gate) enter(limits []counted, room []int) (leave func(), busy <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.underWay == nil {
		g.underWay = make(map[throttle.Key]int)
		g.left = make(chan struct{})
	}
	for i, l := range limits {
		if g.underWay[l.key] >= room[i] {
			return nil, g.left
		}
	}
	for _, l := range limits {
		g.underWay[l.key]++
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, l := range limits {
			if g.underWay[l.key]--; g.underWay[l.key] == 0 {
				delete(g.underWay, l.key)
			}
		}
		close(g.left)
		g.left = make(chan struct{})
	}, nil
}
