package sqlite

import (
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/ulid"
)

const (
	insertEvent = `INSERT INTO event (id, kind, user, session, by, network, detail) VALUES (?, ?, ?, ?, ?, ?, ?)`

	events                = `SELECT id, kind, user, session, by, network, detail FROM event `
	selectEvents          = events + `ORDER BY id DESC LIMIT ?`
	selectEventsOfUser    = events + `WHERE user = ? ORDER BY id DESC LIMIT ?`
	selectEventsOfSession = events + `WHERE session = ? ORDER BY id DESC LIMIT ?`
	selectEventsOfBoth    = events + `WHERE session = ? AND user = ? ORDER BY id DESC LIMIT ?`
)

func scanEvent(r *stmt) event.Event {
	return event.Event{
		ID: r.idAt(0), Kind: event.Kind(r.textAt(1)), User: r.idAt(2), Session: r.idAt(3),
		By: r.textAt(4), Network: r.textAt(5), Detail: r.textAt(6),
	}
}

func (t *tx) InsertEvent(e event.Event) error {
	return affect(t.prepare(insertEvent).id(e.ID).text(string(e.Kind)).optionalID(e.User).optionalID(e.Session).
		text(e.By).text(e.Network).text(e.Detail))
}

func (t *tx) Events(owner, of ulid.ID, limit int) ([]event.Event, error) {
	var q *stmt
	switch {
	case owner.IsZero() && of.IsZero():
		q = t.prepare(selectEvents)
	case of.IsZero():
		q = t.prepare(selectEventsOfUser).id(owner)
	case owner.IsZero():
		q = t.prepare(selectEventsOfSession).id(of)
	default:
		q = t.prepare(selectEventsOfBoth).id(of).id(owner)
	}
	return all(q.limit(limit), scanEvent)
}
