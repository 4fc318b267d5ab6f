package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/ulid"
)

const (
	insertEvent = `INSERT INTO doorward.event (id, kind, owner, session, by, network, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`

	events                = `SELECT id, kind, owner, session, by, network, detail FROM doorward.event `
	latestEvents          = ` ORDER BY id DESC LIMIT $1`
	selectEvents          = events + latestEvents
	selectEventsOfUser    = events + `WHERE owner = $2` + latestEvents
	selectEventsOfSession = events + `WHERE session = $2` + latestEvents
	selectEventsOfBoth    = events + `WHERE session = $2 AND owner = $3` + latestEvents
)

func scanEvent(r pgx.CollectableRow) (e event.Event, err error) {
	var owner, of *[16]byte
	err = r.Scan((*[16]byte)(&e.ID), (*string)(&e.Kind), &owner, &of, &e.By, &e.Network, &e.Detail)
	if owner != nil {
		e.User = *owner
	}
	if of != nil {
		e.Session = *of
	}
	return e, err
}

func (t *tx) InsertEvent(e event.Event) error {
	return t.insert(insertEvent, [16]byte(e.ID), text(e.Kind), optionalID(e.User), optionalID(e.Session), text(e.By), text(e.Network), text(e.Detail))
}

func (t *tx) Events(owner, of ulid.ID, n int) ([]event.Event, error) {
	switch {
	case owner.IsZero() && of.IsZero():
		return all(t, scanEvent, selectEvents, limit(n))
	case of.IsZero():
		return all(t, scanEvent, selectEventsOfUser, limit(n), [16]byte(owner))
	case owner.IsZero():
		return all(t, scanEvent, selectEventsOfSession, limit(n), [16]byte(of))
	default:
		return all(t, scanEvent, selectEventsOfBoth, limit(n), [16]byte(of), [16]byte(owner))
	}
}
