package postgres

import (
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
)

// Rows whose table is in the order of time go from its beginning: of the oldest
// few, those that are old enough. Rows that somebody works on are left for the
// next time.
const (
	purgeCounts = `DELETE FROM doorward.count WHERE key IN (
		SELECT key FROM doorward.count WHERE expires_at <= $2 ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`
	purgeRevocations = `DELETE FROM doorward.revocation WHERE at < $2 AND seq IN (
		SELECT seq FROM doorward.revocation ORDER BY seq LIMIT $1)`
	purgeEvents = `DELETE FROM doorward.event WHERE id IN (
		SELECT id FROM doorward.event WHERE id < $2 ORDER BY id LIMIT $1)`
	// $3 is how many are kept: what is before the first of those goes.
	purgeDenials = `DELETE FROM doorward.denial
		WHERE (at < $2 OR id < (SELECT id FROM doorward.denial ORDER BY id DESC OFFSET $3 - 1 LIMIT 1))
		AND id IN (SELECT id FROM doorward.denial ORDER BY id LIMIT $1)`
	purgeFloods = `DELETE FROM doorward.flood WHERE (minute, code) IN (
		SELECT minute, code FROM doorward.flood WHERE minute < $2 ORDER BY minute LIMIT $1 FOR UPDATE SKIP LOCKED)`

	purgeEnded = `DELETE FROM doorward.session WHERE id IN (
		SELECT id FROM doorward.session WHERE ended_at < $2 ORDER BY ended_at LIMIT $1 FOR UPDATE SKIP LOCKED)`
	// No index tells which sessions were not refreshed for long, because every
	// refresh would have to keep it. So they are looked for, a stretch of the
	// table at a time.
	endOfStretch = `SELECT id FROM doorward.session WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`
	purgeStretch = `DELETE FROM doorward.session WHERE id IN (
		SELECT id FROM doorward.session WHERE id > $2 AND id <= $3 AND (rotated_at < $4 OR created_at < $5)
		ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)`

	tryLock = `SELECT pg_try_advisory_xact_lock($1, $2)`
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

// Purge does nothing while another node is at it.
func (t *tx) Purge(r auth.Retention, n int) (int, error) {
	if !t.write {
		return 0, errReadOnly
	}
	mine, err := one(t, pgx.RowTo[bool], tryLock, lockStore, lockPurge)
	if err != nil || !mine {
		return 0, err
	}
	most := int64(r.MaxDenials)
	if most <= 0 {
		most = math.MaxInt32
	}
	gone := 0
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{purgeCounts, []any{millis(r.Now)}},
		{purgeRevocations, []any{millis(r.Revocations)}},
		{purgeEvents, []any{[16]byte(firstID(r.Events))}},
		{purgeDenials, []any{millis(r.Denials), most}},
		{purgeFloods, []any{millis(r.Denials)}},
	} {
		written, err := t.exec(q.sql, append([]any{limit(n)}, q.args...)...)
		if err != nil {
			return 0, err
		}
		gone += written
	}
	sessions, err := t.purgeSessions(r, n)
	return gone + sessions, err
}

func (t *tx) purgeSessions(r auth.Retention, n int) (int, error) {
	gone, err := t.exec(purgeEnded, limit(n), millis(r.Sessions))
	if err != nil {
		return 0, err
	}
	from := t.store.purged.get()
	to, err := all(t, pgx.RowTo[[16]byte], endOfStretch, [16]byte(from), t.store.stretch-1)
	if err != nil {
		return 0, err
	}
	end, next := lastID, ulid.ID{}
	if len(to) > 0 {
		end, next = to[0], to[0]
	}
	idle, err := t.exec(purgeStretch, limit(n-gone), [16]byte(from), [16]byte(end), millis(r.IdleSince), millis(r.BegunBefore))
	if err != nil {
		return 0, err
	}
	if gone += idle; gone < n {
		t.store.purged.set(next)
	}
	return gone, nil
}
