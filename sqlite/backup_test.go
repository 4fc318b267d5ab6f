package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/throttle"
)

// TestBackupIsOneMoment: two counts are always set together; in a copy that is
// made meanwhile they are alike too, and the copy is a whole database.
func TestBackupIsOneMoment(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "doorward.db"))
	sessions := addSessions(t, s, 2000) // so that the copy takes a while
	first, second := throttle.Key{1}, throttle.Key{0xFF}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for c := (throttle.Count{Failures: 1, Since: sessions[0].CreatedAt}); ; c.Failures++ {
			select {
			case <-stop:
				return
			default:
			}
			err := s.Update(t.Context(), func(tx auth.Tx) error {
				return errors.Join(tx.SetCount(first, c, c.Since), tx.SetCount(second, c, c.Since))
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for _, name := range []string{"one", "two", "three"} {
		if err := s.Backup(t.Context(), filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	for _, name := range []string{"one", "two", "three"} {
		copied := openAt(t, filepath.Join(dir, name), CheckOnly())
		err := copied.View(t.Context(), func(tx auth.Tx) error {
			a, err := tx.Count(first)
			b, err2 := tx.Count(second)
			if a != b {
				t.Errorf("the copy %s holds %v and %v", name, a, b)
			}
			_, err3 := tx.Session(sessions[len(sessions)-1].ID)
			return errors.Join(err, err2, err3)
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestBackupOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "doorward.db"))
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		path string
		want error
	}{
		{"a file", t.Context(), taken, fs.ErrExist},
		{"itself", t.Context(), s.path, fs.ErrExist},
		{"a directory that is not there", t.Context(), filepath.Join(dir, "none", "copy"), fs.ErrNotExist},
		{"nobody", gone, filepath.Join(dir, "copy"), context.Canceled},
	} {
		if err := s.Backup(test.ctx, test.path); !errors.Is(err, test.want) {
			t.Errorf("over %s: %v, want %v", test.name, err, test.want)
		}
	}
	// What publishes a file does not overwrite one that appeared meanwhile.
	if err := publish(s.path, taken); !errors.Is(err, fs.ErrExist) {
		t.Errorf("publish: %v", err)
	}
	if content, err := os.ReadFile(taken); string(content) != "mine" || err != nil {
		t.Errorf("the file holds %q, %v", content, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, err2 := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) != 4 || len(hidden) != 0 || err != nil || err2 != nil {
		t.Errorf("the directory holds %v and %v", left, hidden) // taken, and three of the database
	}
}

func TestBackupOfAClosedStore(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "doorward.db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), s.path+".copy"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
