package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	choreEvery  = time.Minute
	purgeStep   = 500 // rows of a kind in one transaction: no writer waits long for a purge
	followRetry = 500 * time.Millisecond
)

// run is what goes on beside the requests: the log of revocations is followed,
// denials are written, keys are made in time, and what is over is purged.
func (a *Auth) run(ctx context.Context) {
	defer close(a.done)
	var wg sync.WaitGroup
	wg.Go(func() { a.follow(ctx) })
	wg.Go(func() {
		every(ctx, ledgerFlush, func() {
			if err := a.ledger.flush(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("denials wait to be written", "error", err)
				pause(ctx, ledgerPause)
			}
		})
	})
	wg.Go(func() { every(ctx, choreEvery, func() { a.chores(ctx) }) })
	wg.Go(func() {
		every(ctx, touchFlush, func() {
			if err := a.touched.flush(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("when API keys were last used cannot be written yet", "error", err)
			}
		})
	})
	wg.Go(func() {
		every(ctx, followRetry, func() {
			if err := a.keys.retry(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("the changed keys cannot be read yet", "error", err)
			}
		})
	})
	wg.Wait()
	// The last uses and denials are written after the last request was answered.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := a.touched.flush(last); err != nil {
		a.log.Error("when API keys were last used was not written", "error", err)
	}
	if err := a.ledger.flush(last); err != nil {
		a.log.Error("the last denials were not written", "error", err)
	}
}

func every(ctx context.Context, d time.Duration, fn func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fn()
		case <-ctx.Done():
			return
		}
	}
}

// follow keeps the sets in memory in step with the log. While the store cannot
// be read, what is known stays in force. On each connection all of the log is
// read, not only what comes after the last entry that was read before: a standby
// that took over, or a backup, may lack the latest ones and give their numbers to
// others.
func (a *Auth) follow(ctx context.Context) {
	for lost := false; ; {
		err := a.store.Follow(ctx, 0, func(entries []Revocation) {
			lost = false
			a.take(ctx, entries)
			if len(entries) == 0 {
				a.recent.look()
			}
		})
		if ctx.Err() != nil {
			return
		}
		if !lost {
			a.log.Error("the log of revocations cannot be followed", "error", err)
		}
		lost = true
		pause(ctx, followRetry)
	}
}

// take takes in entries of the log.
func (a *Auth) take(ctx context.Context, entries []Revocation) {
	news, keys := a.apply(entries)
	if keys {
		if err := a.keys.reload(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("the changed keys cannot be read yet", "error", err)
		}
	}
	// Last, so that whoever hears of a change of keys finds them changed.
	a.recent.add(news...)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (a *Auth) chores(ctx context.Context) {
	now := a.now()
	a.revoked.forget()
	a.recent.forget()
	err := errors.Join(a.keys.tend(ctx), a.purge(ctx, now))
	if err != nil && ctx.Err() == nil {
		a.log.Error("housekeeping failed and will be tried again", "error", err)
	}
}

func (a *Auth) purge(ctx context.Context, now time.Time) error {
	keep := a.cfg.Retention
	old := Retention{
		Now:         now,
		Sessions:    now.Add(-keep.Sessions),
		IdleSince:   now.Add(-a.cfg.Life.Idle - keep.Sessions),
		BegunBefore: now.Add(-a.cfg.Life.Absolute - keep.Sessions),
		Revocations: now.Add(-2 * a.revoked.keep),
		Events:      now.Add(-keep.Events),
		Denials:     now.Add(-keep.Denials),
		MaxDenials:  keep.MaxDenials,
	}
	for {
		var gone int
		err := a.store.Update(ctx, func(tx Tx) (err error) {
			gone, err = tx.Purge(old, purgeStep)
			return err
		})
		if err != nil || gone < purgeStep {
			return err
		}
	}
}
