package server_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/postgres"
	"github.com/doorward/doorward/sqlite"
)

// onPostgres says which store the tests run on now.
var onPostgres bool

// runOnAll runs all tests on SQLite and then, unless time is short, all of them
// on PostgreSQL: they are promises of the server's, whatever it stands on.
func runOnAll(m *testing.M) int {
	if status := m.Run(); status != 0 || testing.Short() || flag.Lookup("test.bench").Value.String() != "" {
		return status
	}
	there, err := pgtest.Installed()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if !there {
		fmt.Fprintln(os.Stderr, "not run on PostgreSQL:", pgtest.ErrNone)
		return 0
	}
	fmt.Fprintln(os.Stderr, "on PostgreSQL:")
	onPostgres = true
	return m.Run()
}

// emptyPlace returns where a store can be made: a path, or the URL of a database.
func emptyPlace(t *testing.T) string {
	t.Helper()
	if onPostgres {
		return pgtest.Database(t)
	}
	return filepath.Join(t.TempDir(), "doorward.db")
}

func openStore(ctx context.Context, place string) (auth.Store, error) {
	if strings.HasPrefix(place, "postgres://") {
		return postgres.Open(ctx, place)
	}
	return sqlite.Open(ctx, place)
}
