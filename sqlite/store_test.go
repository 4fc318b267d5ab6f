package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() auth.Store {
		path := filepath.Join(t.TempDir(), "doorward.db")
		return func() auth.Store { return openAt(t, path) }
	})
}

// openAt opens a store that is closed in the end, if the test has not done so.
func openAt(t testing.TB, path string, options ...Option) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
