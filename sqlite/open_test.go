package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// addUser inserts an account and returns it.
func addUser(t testing.TB, s *Store, name string) user.User {
	t.Helper()
	at := time.UnixMilli(1_760_000_000_000).UTC()
	u := user.User{ID: ulid.New(at), Email: name + "@example.com", EmailKey: name + "@example.com", Name: name,
		State: user.Active, CreatedAt: at, PasswordAt: at, StateAt: at, StateBy: "user"}
	if err := s.Update(t.Context(), func(tx auth.Tx) error { return tx.InsertUser(u) }); err != nil {
		t.Fatal(err)
	}
	return u
}

func hasUser(t testing.TB, s *Store, u user.User) {
	t.Helper()
	err := s.View(t.Context(), func(tx auth.Tx) error {
		_, err := tx.User(u.ID)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOpenTakesThePathLiterally(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "a%20b.db", "a?mode=memory", "a#b.db", "file:a.db", ":memory:", "ünï — 安.db", "'quoted\".db", "a&b=c;d.db"} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.ContainsAny(name, `?:"`) {
				return // no names of files there
			}
			t.Chdir(t.TempDir())
			s := openAt(t, name)
			u := addUser(t, s, "anna")
			if err := s.Backup(t.Context(), name+".copy"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			entries, err := os.ReadDir(".")
			if err != nil || len(entries) != 2 || entries[0].Name() != name || entries[1].Name() != name+".copy" {
				t.Errorf("the directory holds %v, %v", entries, err)
			}
			hasUser(t, openAt(t, name), u)
			hasUser(t, openAt(t, name+".copy"), u)
		})
	}
}

func TestOpenMakesFilesPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no such permissions
	}
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	addUser(t, s, "anna")
	if err := s.Backup(t.Context(), path+".copy"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".copy"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode(); mode != 0o600 {
			t.Errorf("%s has the mode %v", info.Name(), mode)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := filepath.Join(dir, "good.db")
	if err := openAt(t, good).Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	mangled := append([]byte(nil), content...)
	for i := 100; i < 4096; i++ {
		mangled[i] ^= 0x5A
	}
	other := write("other.db", nil)
	c, err := dial(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.script("CREATE TABLE user (name TEXT)"), c.close()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, want string }{
		{"text", write("notes.txt", []byte(strings.Repeat("These are notes. ", 100))), "not a database"},
		{"mangled", write("mangled.db", mangled), "malformed"},
		{"another program's", other, "another program's"},
		{"no directory", filepath.Join(dir, "none", "x.db"), "no such"},
		{"a directory", dir, "directory"},
		{"no path", "", "path is empty"},
		{"a NUL", "a\x00b", "invalid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Open(t.Context(), test.path)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("the error is %q, want %q in it and the path", err, test.want)
			}
		})
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "absent.db"), CheckOnly()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a look at a file that is not there: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(gone, good); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestOpenAtOnce: many make the same new database.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			addUser(t, s, string(rune('a'+i)))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	err := openAt(t, path).View(t.Context(), func(tx auth.Tx) error {
		users, err := tx.Users(ulid.ID{}, 100)
		if len(users) != 8 {
			t.Errorf("%d accounts", len(users))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestClosedLeavesOneFile: what was written ahead is in the file, which can be
// copied then.
func TestClosedLeavesOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	addUser(t, s, "anna")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
	if err := s.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if _, err := s.ReadSession(t.Context(), ulid.ID{}); !errors.Is(err, ErrClosed) {
		t.Errorf("used again: %v", err)
	}
}
