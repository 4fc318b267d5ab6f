package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
)

// TestPurgeComesAround: sessions that idle are found wherever they are, a
// stretch at a time, and then from the beginning again.
func TestPurgeComesAround(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "doorward.db"))
	s.stretch = 10
	sessions := addSessions(t, s, 34) // in four stretches
	old := auth.Retention{IdleSince: sessions[0].CreatedAt.AddDate(1, 0, 0)}
	purge := func() (gone int) {
		t.Helper()
		err := s.Update(t.Context(), func(tx auth.Tx) (err error) {
			gone, err = tx.Purge(old, 5)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	refresh := func(v session.Session) {
		t.Helper()
		next := refreshed(v)
		next.RotatedAt = old.IdleSince
		if ok, err := s.SwapSession(t.Context(), v, next); !ok || err != nil {
			t.Fatalf("SwapSession: %v, %v", ok, err)
		}
	}
	for i, v := range sessions {
		if i != 2 && i < 26 {
			refresh(v)
		}
	}
	var gone []int
	for range 7 {
		gone = append(gone, purge())
	}
	// The third, then those from the 27th on, not more than five at once; then
	// there is nothing more, however often it looks.
	want := []int{1, 0, 4, 4, 0, 0, 0}
	for i := range want {
		if gone[i] != want[i] {
			t.Fatalf("purges took %v, want %v", gone, want)
		}
	}
}
