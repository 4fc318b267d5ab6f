package sqlite

import (
	"math"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
)

// Rows whose table is in the order of time go from its beginning: of the
// oldest few, those that are old enough. One that is out of order goes when its
// turn comes.
const (
	purgeCounts = `DELETE FROM count WHERE key IN (
		SELECT key FROM count WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`
	purgeRevocations = `DELETE FROM revocation WHERE at < ? AND seq IN (
		SELECT seq FROM revocation ORDER BY seq LIMIT ?)`
	purgeEvents = `DELETE FROM event WHERE id IN (
		SELECT id FROM event WHERE id < ? ORDER BY id LIMIT ?)`
	purgeDenials = `DELETE FROM denial WHERE (at < ? OR n <= (SELECT max(n) FROM denial) - ?) AND n IN (
		SELECT n FROM denial ORDER BY n LIMIT ?)`
	purgeFloods = `DELETE FROM flood WHERE (minute, code) IN (
		SELECT minute, code FROM flood WHERE minute < ? ORDER BY minute LIMIT ?)`

	purgeEnded = `DELETE FROM session WHERE id IN (
		SELECT id FROM session WHERE ended_at < ? ORDER BY ended_at LIMIT ?)`
	// No index tells which sessions were not refreshed for long, because every
	// refresh would have to keep it. So they are looked for, a stretch of the
	// table at a time.
	endOfStretch = `SELECT id FROM session WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?`
	purgeStretch = `DELETE FROM session WHERE id IN (
		SELECT id FROM session WHERE id > ? AND id <= ? AND (rotated_at < ? OR created_at < ?) ORDER BY id LIMIT ?)`
)

// defaultStretch is how many sessions a purge looks at: some milliseconds of
// work.
const defaultStretch = 10_000

var lastID = func() (id ulid.ID) {
	for i := range id {
		id[i] = 0xFF
	}
	return id
}()

// firstID returns the least id of a time.
func firstID(t time.Time) (id ulid.ID) {
	ms := max(0, t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

func (t *tx) Purge(r auth.Retention, limit int) (int, error) {
	most := int64(r.MaxDenials)
	if most <= 0 {
		most = math.MaxInt64
	}
	gone := 0
	for _, q := range []*stmt{
		t.prepare(purgeCounts).time(r.Now).limit(limit),
		t.prepare(purgeRevocations).time(r.Revocations).limit(limit),
		t.prepare(purgeEvents).id(firstID(r.Events)).limit(limit),
		t.prepare(purgeDenials).time(r.Denials).int(most).limit(limit),
		t.prepare(purgeFloods).time(r.Denials).limit(limit),
	} {
		if err := q.run(); err != nil {
			return 0, err
		}
		gone += t.c.changes()
	}
	sessions, err := t.purgeSessions(r, limit)
	return gone + sessions, err
}

func (t *tx) purgeSessions(r auth.Retention, limit int) (int, error) {
	if err := t.prepare(purgeEnded).time(r.Sessions).limit(limit).run(); err != nil {
		return 0, err
	}
	gone := t.c.changes()
	from := t.store.purged
	to, err := all(t.prepare(endOfStretch).id(from).int(t.store.stretch-1), func(s *stmt) ulid.ID { return s.idAt(0) })
	if err != nil {
		return 0, err
	}
	end, next := lastID, ulid.ID{}
	if len(to) > 0 {
		end, next = to[0], to[0]
	}
	q := t.prepare(purgeStretch).id(from).id(end).time(r.IdleSince).time(r.BegunBefore).limit(limit - gone)
	if err := q.run(); err != nil {
		return 0, err
	}
	if gone += t.c.changes(); gone < limit {
		t.store.purged = next
	}
	return gone, nil
}
