package postgres

import (
	"context"
	"time"
)

// Now returns the database's clock, by which servers can tell that their own is
// off.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	if err := s.enter(); err != nil {
		return now, err
	}
	defer s.leave()
	err = s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now, err
}
