package sqlite

import (
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
)

// How the values of the rules are stored: an id as its bytes, a time as Unix
// milliseconds, and what is zero, where that is allowed, as NULL.

func (s *stmt) id(id ulid.ID) *stmt { return s.blob(id[:]) }

func (s *stmt) optionalID(id ulid.ID) *stmt {
	if id.IsZero() {
		return s.null()
	}
	return s.id(id)
}

func (s *stmt) time(t time.Time) *stmt { return s.int(t.UnixMilli()) }

func (s *stmt) optionalTime(t time.Time) *stmt {
	if t.IsZero() {
		return s.null()
	}
	return s.time(t)
}

// limit binds how many rows to return; SQLite takes a negative number for no
// limit.
func (s *stmt) limit(n int) *stmt { return s.int(int64(max(0, n))) }

func (s *stmt) optionalText(v string) *stmt {
	if v == "" {
		return s.null()
	}
	return s.text(v)
}

func (s *stmt) idAt(i int32) (id ulid.ID) {
	copy(id[:], s.bytesAt(i))
	return id
}

// timeAt returns a time in UTC; the zero time comes back as just that.
func (s *stmt) timeAt(i int32) time.Time { return time.UnixMilli(s.intAt(i)).UTC() }

func (s *stmt) optionalTimeAt(i int32) time.Time {
	if s.nullAt(i) {
		return time.Time{}
	}
	return s.timeAt(i)
}

// words returns what was stored with a space between.
func words(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, " ")
}

// one returns the only row of a query, or [auth.ErrNotFound].
func one[T any](s *stmt, scan func(*stmt) T) (T, error) {
	var v T
	found, err := s.next()
	if err != nil {
		return v, err
	}
	if !found {
		return v, auth.ErrNotFound
	}
	v = scan(s)
	return v, s.reset()
}

// all returns all rows of a query.
func all[T any](s *stmt, scan func(*stmt) T) ([]T, error) {
	var vs []T
	for {
		more, err := s.next()
		if err != nil {
			return nil, err
		}
		if !more {
			return vs, nil
		}
		vs = append(vs, scan(s))
	}
}

// affect runs a statement that writes a row, and returns [auth.ErrNotFound]
// where there was none to write and [auth.ErrExists] where its key is taken.
func affect(s *stmt) error {
	err := s.run()
	switch {
	case is(err, sqlite3.SQLITE_CONSTRAINT_UNIQUE), is(err, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
		return auth.ErrExists
	case err != nil:
		return err
	case s.c.changes() == 0:
		return auth.ErrNotFound
	}
	return nil
}
