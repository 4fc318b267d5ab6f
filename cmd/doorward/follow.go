package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/why"
)

const (
	followEvery = 500 * time.Millisecond
	// followBack is how far back each look goes. A denial is in the store a moment
	// after it was answered, and that of a guard in another program later than
	// that: its id, which holds the time of the answer, is then older than ids
	// that were told before.
	followBack = 2 * time.Minute
	followMost = 10_000 // in that time, more than a ledger keeps
)

// follow tells each denial as it comes, until an interrupt. It is read by ids:
// those of the last minutes that were not told yet.
type follow struct {
	app   *app
	query auth.DenialQuery
	begun time.Time
	told  map[string]time.Time // by id, when it was first seen
	flood time.Time            // the last minute whose counts were told
	down  bool                 // the store did not answer the last time
}

func (a *app) whyFollow(cmd *cobra.Command, o operator, q auth.DenialQuery, email string, last int) error {
	if err := o.only(cmd.Context(), &q, email); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	now := a.now()
	f := &follow{app: a, query: q, begun: now, told: make(map[string]time.Time), flood: now.Truncate(time.Minute)}
	if last > 0 {
		q.Limit = last
		list, err := o.denials(ctx, q)
		if err != nil {
			return err
		}
		f.tell(list)
	}
	for ctx.Err() == nil {
		if err := f.look(ctx, o); err != nil && ctx.Err() == nil && !f.down {
			f.down = true
			fmt.Fprintln(a.err, "the store does not answer; it is asked again:", err)
		}
		if a.out.(*output).err != nil {
			return nil // nobody reads on; it is reported where all such errors are
		}
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
		}
	}
	return nil
}

func (f *follow) look(ctx context.Context, o operator) error {
	now := f.app.now()
	since := now.Add(-followBack)
	if since.Before(f.begun) {
		since = f.begun
	}
	q := f.query
	q.After, q.Limit = firstDenialID(since), followMost
	list, err := o.denials(ctx, q)
	if err != nil {
		return err
	}
	f.down = false
	f.tell(list)
	for id, seen := range f.told {
		if now.Sub(seen) > 2*followBack {
			delete(f.told, id)
		}
	}
	if minute := now.Add(-followBack).Truncate(time.Minute); minute.After(f.flood) && f.query.User == "" {
		f.flood = minute
		return f.tellFloods(ctx, o, minute)
	}
	return nil
}

// firstDenialID returns an id before all of those that were made from t on.
func firstDenialID(t time.Time) string {
	var id ulid.ID
	made := ulid.New(t)
	copy(id[:6], made[:6])
	return "dn_" + id.String()
}

// tell prints those that were not told before, the oldest first.
func (f *follow) tell(list []listed) {
	for _, d := range slices.Backward(list) {
		if _, ok := f.told[d.ID]; ok {
			continue
		}
		f.told[d.ID] = f.app.now()
		f.line(d, func() string {
			who := ""
			if d.Email != "" {
				who = ", " + d.Email
			}
			return fmt.Sprintf("%s  %s  %s  %s from %s%s: %s", why.Stamp(d.At), d.ID, d.Code,
				d.request(), why.Printable(d.Network), who, why.Printable(d.Private.Text))
		})
	}
}

// tellFloods prints what was counted in a minute that is over.
func (f *follow) tellFloods(ctx context.Context, o operator, minute time.Time) error {
	var floods []why.Flood
	err := o.store.View(ctx, func(tx auth.Tx) (err error) {
		floods, err = tx.Floods(minute)
		return err
	})
	for _, flood := range floods {
		if f.query.Code != "" && f.query.Code != string(flood.Code) {
			continue
		}
		f.line(flood, func() string {
			return fmt.Sprintf("%s  %d more of %s in this minute were counted and not kept", why.Stamp(flood.Minute), flood.Count, flood.Code)
		})
	}
	return err
}

// line prints one line: of JSON with --json, else of words.
func (f *follow) line(fact any, words func() string) {
	if !f.app.json {
		f.app.say("%s", words())
		return
	}
	enc := json.NewEncoder(f.app.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(fact) // the output keeps its error
}
