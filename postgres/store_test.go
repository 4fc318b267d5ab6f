package postgres

import (
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/storetest"
)

func TestStore(t *testing.T) {
	pgtest.Need(t)
	storetest.Run(t, func(t *testing.T) func() auth.Store {
		url := pgtest.Database(t)
		return func() auth.Store { return openAt(t, url) }
	})
}

// openAt opens a store that is closed in the end, if the test has not done so.
func openAt(t testing.TB, url string, options ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
