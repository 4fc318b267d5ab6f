package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/why"
)

// Revocations.

const (
	insertRevocation  = `INSERT INTO revocation (kind, subject, at) VALUES (?, ?, ?)`
	selectRevocations = `SELECT seq, kind, subject, at FROM revocation WHERE seq > ? AND at >= ? ORDER BY seq LIMIT ?`
)

func scanRevocation(r *stmt) auth.Revocation {
	return auth.Revocation{Seq: r.intAt(0), Kind: auth.RevocationKind(r.textAt(1)), Subject: r.textAt(2), At: r.timeAt(3)}
}

func (t *tx) revoke(kind auth.RevocationKind, subject string, at time.Time) error {
	t.revoked = true
	return t.prepare(insertRevocation).text(string(kind)).text(subject).time(at).run()
}

func (t *tx) Revocations(after int64, since time.Time, limit int) ([]auth.Revocation, error) {
	return all(t.prepare(selectRevocations).int(after).time(since).limit(limit), scanRevocation)
}

// Counts.

const (
	selectCount = `SELECT failures, since FROM count WHERE key = ?`
	deleteCount = `DELETE FROM count WHERE key = ?`
	upsertCount = `INSERT INTO count (key, failures, since, expires_at) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET failures = excluded.failures, since = excluded.since, expires_at = excluded.expires_at`
)

func scanCount(r *stmt) throttle.Count {
	return throttle.Count{Failures: int(r.intAt(0)), Since: r.timeAt(1)}
}

func (t *tx) Count(key throttle.Key) (throttle.Count, error) {
	c, err := one(t.prepare(selectCount).blob(key[:]), scanCount)
	if errors.Is(err, auth.ErrNotFound) {
		return throttle.Count{}, nil
	}
	return c, err
}

func (t *tx) SetCount(key throttle.Key, c throttle.Count, expires time.Time) error {
	if c == (throttle.Count{}) {
		return t.prepare(deleteCount).blob(key[:]).run()
	}
	return t.prepare(upsertCount).blob(key[:]).int(int64(c.Failures)).time(c.Since).time(expires).run()
}

// Keys.

const (
	selectKeys = `SELECT id, use, algorithm, sealed, created_at, active_at FROM key ORDER BY created_at, id`
	insertKey  = `INSERT INTO key (id, use, algorithm, sealed, created_at, active_at) VALUES (?, ?, ?, ?, ?, ?)`
	deleteKey  = `DELETE FROM key WHERE id = ?`
)

func scanKey(r *stmt) signing.Record {
	return signing.Record{
		ID: r.textAt(0), Use: signing.Use(r.textAt(1)), Algorithm: r.textAt(2),
		Sealed: append([]byte(nil), r.bytesAt(3)...), CreatedAt: r.timeAt(4), ActiveAt: r.timeAt(5),
	}
}

func (t *tx) Keys() ([]signing.Record, error) { return all(t.prepare(selectKeys), scanKey) }

func (t *tx) InsertKey(k signing.Record) error {
	err := affect(t.prepare(insertKey).text(k.ID).text(string(k.Use)).text(k.Algorithm).blob(k.Sealed).
		time(k.CreatedAt).time(k.ActiveAt))
	if err != nil {
		return err
	}
	return t.revoke(auth.ChangedKeys, k.ID, time.Now())
}

func (t *tx) DeleteKey(id string) error {
	if err := affect(t.prepare(deleteKey).text(id)); err != nil {
		return err
	}
	return t.revoke(auth.ChangedKeys, id, time.Now())
}

// Events.

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

// Denials.

const (
	// A record that is there already was written by a try whose outcome the
	// writer did not learn.
	insertDenial = `INSERT INTO denial (id, at, code, user, session, record) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	upsertFlood  = `INSERT INTO flood (minute, code, count) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET count = count + excluded.count`

	selectDenial = `SELECT record FROM denial WHERE id = ?`
	selectFloods = `SELECT minute, code, count FROM flood WHERE minute = ? ORDER BY code`

	defaultDenials = 100
)

func (t *tx) InsertDenials(records []why.Record, floods []why.Flood) error {
	for _, r := range records {
		r.At = r.At.Truncate(time.Millisecond).UTC()
		record, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("sqlite: denial %s: %w", r.ID, err)
		}
		q := t.prepare(insertDenial).text(r.ID).time(r.At).text(string(r.Code)).
			optionalText(r.Private.User).optionalText(r.Private.Session).text(string(record))
		if err := q.run(); err != nil {
			return err
		}
	}
	for _, f := range floods {
		if err := t.prepare(upsertFlood).time(minute(f.Minute)).text(string(f.Code)).int(f.Count).run(); err != nil {
			return err
		}
	}
	return nil
}

func minute(t time.Time) time.Time { return t.Truncate(time.Minute) }

func (t *tx) Denial(id string) (why.Record, error) {
	record, err := one(t.prepare(selectDenial).text(id), scanRecord)
	if err != nil {
		return why.Record{}, err
	}
	return parseRecord(record)
}

func (t *tx) Denials(query auth.DenialQuery) ([]why.Record, error) {
	where, values := []string{"id > ?"}, []string{query.After}
	for _, c := range []struct{ column, value string }{
		{"session", query.Session}, {"user", query.User}, {"code", query.Code},
	} {
		if c.value != "" {
			where, values = append(where, c.column+" = ?"), append(values, c.value)
		}
	}
	q := t.prepare(`SELECT record FROM denial WHERE ` + strings.Join(where, " AND ") + ` ORDER BY id DESC LIMIT ?`)
	for _, v := range values {
		q.text(v)
	}
	limit := query.Limit
	if limit == 0 {
		limit = defaultDenials
	}
	texts, err := all(q.limit(limit), scanRecord)
	if err != nil {
		return nil, err
	}
	records := make([]why.Record, len(texts))
	for i, text := range texts {
		if records[i], err = parseRecord(text); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func scanRecord(r *stmt) string { return r.textAt(0) }

func parseRecord(text string) (r why.Record, err error) {
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("sqlite: a stored denial: %w", err)
	}
	return r, nil
}

func (t *tx) Floods(m time.Time) ([]why.Flood, error) {
	return all(t.prepare(selectFloods).time(minute(m)), func(r *stmt) why.Flood {
		return why.Flood{Minute: r.timeAt(0), Code: doorward.Code(r.textAt(1)), Count: r.intAt(2)}
	})
}
