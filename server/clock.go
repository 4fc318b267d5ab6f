package server

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	clockEvery   = 10 * time.Second
	clockTimeout = 2 * time.Second
	clockAsks    = 3 // of which the quickest counts

	// clockSlack is how far this machine's clock may be off before the store's
	// counts: what takes the round trips and what time synchronisation leaves.
	clockSlack = 2 * time.Second
)

// clocked is a store on another machine, whose clock all nodes can see.
type clocked interface {
	Now(ctx context.Context) (time.Time, error)
}

// clock is the time that a server goes by: this machine's, unless it is off from
// that of the store. Nodes that disagree by minutes would refuse each other's
// tokens as not yet valid, and would not agree on what was just now.
type clock struct {
	system func() time.Time
	store  clocked
	log    *slog.Logger
	ahead  atomic.Int64 // of the system's, where the store's counts
}

func (c *clock) now() time.Time { return c.system().Add(time.Duration(c.ahead.Load())) }

// offset is what is added to this machine's clock, in seconds.
func (c *clock) offset() float64 { return time.Duration(c.ahead.Load()).Seconds() }

// set asks the store for its time.
func (c *clock) set(ctx context.Context) error {
	var ahead, best time.Duration
	for i := range clockAsks {
		asked := c.system()
		at, err := c.store.Now(ctx)
		if err != nil {
			return err
		}
		took := c.system().Sub(asked)
		if i == 0 || took < best {
			best, ahead = took, at.Sub(asked.Add(took/2))
		}
	}
	if ahead.Abs() < clockSlack {
		ahead = 0
	}
	was := time.Duration(c.ahead.Swap(int64(ahead)))
	if (was - ahead).Abs() >= clockSlack {
		c.log.Warn("this machine's clock is off from the store's, which counts", "by", -ahead)
	}
	return nil
}

// startClock makes cfg go by the store's clock, where it has one. It returns the
// clock, and what ends it.
func startClock(ctx context.Context, cfg *Config) (*clock, func(), error) {
	c := &clock{system: cfg.Now, log: cfg.Log}
	store, ok := cfg.Store.(clocked)
	if !ok {
		return c, func() {}, nil
	}
	c.store, cfg.Now = store, c.now
	first, cancel := context.WithTimeout(ctx, clockTimeout*clockAsks)
	defer cancel()
	if err := c.set(first); err != nil {
		return nil, nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { c.run(background) })
	return c, func() { stop(); wg.Wait() }, nil
}

// run sets the clock again and again. While the store gives no answer, what was
// known of its clock holds.
func (c *clock) run(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asking, cancel := context.WithTimeout(ctx, clockTimeout)
		_ = c.set(asking) // the store is out of reach, which others tell
		cancel()
	}
}
