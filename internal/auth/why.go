package auth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/internal/why"
)

// factsLimit bounds how many events a story goes back.
const factsLimit = 20

// Why gathers all that is known of a denial, of one too that this server has
// not written down yet. ErrNotFound means that nothing is known.
func (a *Auth) Why(ctx context.Context, id string) (why.Facts, error) {
	if r, ok := a.ledger.unwritten(id); ok {
		facts := why.Facts{ID: id, At: r.At, Record: &r}
		return facts, a.store.View(ctx, func(tx Tx) error { return gatherFacts(tx, &facts) })
	}
	return Why(ctx, a.store, id)
}

// Why gathers all that a store knows of a denial. ErrNotFound means that
// nothing is.
func Why(ctx context.Context, store Store, id string) (why.Facts, error) {
	var facts why.Facts
	at, ok := denialTime(id)
	if !ok {
		return why.Facts{}, ErrNotFound
	}
	err := store.View(ctx, func(tx Tx) error {
		facts = why.Facts{ID: id, At: at}
		record, err := tx.Denial(id)
		if errors.Is(err, ErrNotFound) {
			floods, err := tx.Floods(at)
			if err == nil && len(floods) == 0 {
				return ErrNotFound
			}
			facts.Floods = floods
			return err
		} else if err != nil {
			return err
		}
		facts.Record, facts.At = &record, record.At
		return gatherFacts(tx, &facts)
	})
	return facts, err
}

// denialTime returns when a denial happened, which its id tells.
func denialTime(id string) (time.Time, bool) {
	made, err := ulid.Parse(strings.TrimPrefix(id, "dn_"))
	return made.Time(), err == nil && doorward.ValidDenialID(id)
}

func gatherFacts(tx Tx, facts *why.Facts) error {
	var owner, of ulid.ID
	facts.Session, facts.User, facts.Events = nil, nil, nil
	// What a denial names came from a token that may be forged; text that is
	// no identifier names nothing.
	_ = owner.UnmarshalText([]byte(facts.Record.Private.User))
	_ = of.UnmarshalText([]byte(facts.Record.Private.Session))
	if !of.IsZero() {
		switch s, err := tx.Session(of); {
		case err == nil:
			facts.Session, owner = sessionFacts(s), s.User
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	if owner.IsZero() {
		return nil
	}
	switch u, err := tx.User(owner); {
	case err == nil:
		facts.User = userFacts(u)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	events, err := tx.Events(owner, of, factsLimit)
	for _, e := range events {
		facts.Events = append(facts.Events, eventFacts(e))
	}
	return err
}

func sessionFacts(s session.Session) *why.Session {
	return &why.Session{
		ID: s.ID.String(), StartedAt: s.CreatedAt, RenewedAt: s.RotatedAt, Renewals: int(s.Generation - 1),
		Device: s.Device, Network: s.Network,
		EndedAt: s.End.At, EndReason: string(s.End.Reason), EndedBy: s.End.By,
	}
}

func userFacts(u user.User) *why.User {
	return &why.User{ID: u.ID.String(), Email: u.Email, State: string(u.State), StateAt: u.StateAt, StateBy: u.StateBy}
}

func eventFacts(e event.Event) why.Event {
	return why.Event{At: e.At(), Kind: string(e.Kind), By: e.By, Network: e.Network, Detail: e.Detail}
}
