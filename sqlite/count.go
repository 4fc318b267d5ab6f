package sqlite

import (
	"errors"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/throttle"
)

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
