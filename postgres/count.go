package postgres

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/throttle"
)

const (
	selectCount = `SELECT failures, since FROM doorward.count WHERE key = $1`
	deleteCount = `DELETE FROM doorward.count WHERE key = $1`
	upsertCount = `INSERT INTO doorward.count (key, failures, since, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, since = excluded.since, expires_at = excluded.expires_at`
)

func scanCount(r pgx.CollectableRow) (c throttle.Count, err error) {
	var since int64
	err = r.Scan(&c.Failures, &since)
	c.Since = moment(since)
	return c, err
}

// Count locks by number in an Update: what was not counted yet has no row.
func (t *tx) Count(key throttle.Key) (throttle.Count, error) {
	if err := t.hold(lockCount, int32(binary.BigEndian.Uint32(key[:]))); err != nil {
		return throttle.Count{}, err
	}
	c, err := one(t, scanCount, selectCount, key[:])
	if errors.Is(err, auth.ErrNotFound) {
		return throttle.Count{}, nil
	}
	return c, err
}

func (t *tx) SetCount(key throttle.Key, c throttle.Count, expires time.Time) error {
	if c == (throttle.Count{}) {
		_, err := t.exec(deleteCount, key[:])
		return err
	}
	_, err := t.exec(upsertCount, key[:], c.Failures, millis(c.Since), millis(expires))
	return err
}
