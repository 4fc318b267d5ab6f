//go:build unix

package fleet

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/postgres"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

// Open opens the store that a URL names.
func Open(ctx context.Context, url string) (server.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sqlite.Open(ctx, path)
	}
	return postgres.Open(ctx, url)
}

// Operate returns the stories of an operator who works beside the nodes, on a
// handle of its own, by the given clock.
func Operate(t testing.TB, cfg Config, now func() time.Time) *auth.Auth {
	t.Helper()
	store, err := Open(t.Context(), cfg.Store)
	if err != nil {
		t.Fatal(err)
	}
	stories, done, err := server.Operate(t.Context(), cfg.server(store, now, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(errors.Join(err, store.Close()))
	}
	t.Cleanup(func() {
		done()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return stories
}
