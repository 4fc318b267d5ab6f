package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/client"
)

// What every store must do.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) client.Store{
		"memory": func(*testing.T) client.Store { return client.Memory() },
		"file": func(t *testing.T) client.Store {
			return client.File(filepath.Join(t.TempDir(), "new", "dir[1]*", "session.json"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			ctx := t.Context()
			want := func(text string) {
				t.Helper()
				raw, err := store.Load(ctx)
				if err != nil || string(raw) != text || (raw == nil) != (text == "") {
					t.Fatalf("has %q, %v; want %q", raw, err, text)
				}
			}
			swap := func(old, next string, want bool) {
				t.Helper()
				bytes := func(s string) []byte {
					if s == "" {
						return nil
					}
					return []byte(s)
				}
				if got, err := store.Swap(ctx, bytes(old), bytes(next)); err != nil || got != want {
					t.Fatalf("swap %q for %q: %v, %v; want %v", old, next, got, err, want)
				}
			}
			want("")
			swap("a", "b", false)
			swap("a", "", false)
			swap("", "", true)
			want("")
			swap("", "one", true)
			want("one")
			swap("", "two", false)
			swap("One", "two", false)
			swap("", "", false)
			want("one")
			swap("one", "two", true)
			want("two")
			raw, err := store.Load(ctx)
			if err != nil {
				t.Fatal(err)
			}
			raw[0] = 'X' // what a caller does with it is the caller's affair
			want("two")
			swap("two", "", true)
			want("")

			// Of all who swap at once, one does.
			var wins sync.Map
			for range 20 {
				var all sync.WaitGroup
				old, err := store.Load(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for i := range 8 {
					all.Go(func() {
						if ok, err := store.Swap(ctx, old, fmt.Appendf(nil, "%s%d", old, i)); err != nil {
							t.Error(err)
						} else if ok {
							if other, twice := wins.LoadOrStore(string(old), i); twice {
								t.Errorf("%d and %d both won", other, i)
							}
						}
					})
				}
				all.Wait()
				if now, _ := store.Load(ctx); len(now) != len(old)+1 {
					t.Fatalf("nobody won: %q", now)
				}
			}
		})
	}
}

// Programs that share a file do not undo one another's writes.
func TestFileIsSharedByPrograms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "count")
	const programs, times = 4, 50
	var all []*child
	for range programs {
		all = append(all, start(t, "count", fmt.Sprintf(`{"path":%q,"times":%d}`, path, times)))
	}
	for _, c := range all {
		c.end(t)
	}
	if raw, err := client.File(path).Load(t.Context()); err != nil || string(raw) != strconv.Itoa(programs*times) {
		t.Errorf("counted to %s, %v; want %d", raw, err, programs*times)
	}
}

// countChild counts up in a file.
func countChild(args []byte) error {
	var in struct {
		Path  string
		Times int
	}
	if err := json.Unmarshal(args, &in); err != nil {
		return err
	}
	store, ctx := client.File(in.Path), context.Background()
	for done := 0; done < in.Times; {
		old, err := store.Load(ctx)
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(string(old)) // none is 0
		ok, err := store.Swap(ctx, old, []byte(strconv.Itoa(n+1)))
		if err != nil {
			return err
		}
		if ok {
			done++
		}
	}
	return nil
}

// The file is the owner's alone, and what a killed program left behind goes.
func TestFileHygiene(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "session.json")
	bystander := path + ".old.tmp"
	leftover := path + ".12345.tmp"
	for _, name := range []string{bystander, leftover} {
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("was open to all"), 0o644); err != nil {
		t.Fatal(err)
	}
	store := client.File(path)
	if ok, err := store.Swap(t.Context(), []byte("was open to all"), []byte("x")); err != nil || !ok {
		t.Fatal(ok, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover: %v", err)
	}
	if _, err := os.Stat(bystander); err != nil {
		t.Errorf("somebody else's file: %v", err)
	}
	if _, err := store.Swap(t.Context(), []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if text, _ := os.ReadFile(filepath.Join(dir, e.Name())); len(text) > 0 && e.Name() != filepath.Base(bystander) {
			t.Errorf("%s is left, with %d bytes", e.Name(), len(text))
		}
	}
}

// A lock is waited for as long as the caller likes, and is free again when the
// program that has it is killed.
func TestLockEndsWithItsProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	holder := start(t, "hold", strconv.Quote(path))
	if said := holder.line(t); said != "held" {
		t.Fatal(said)
	}
	locker := client.File(path).(client.Locker)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := locker.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
	// What is written does not wait for it.
	if ok, err := locker.Swap(t.Context(), nil, []byte("x")); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	holder.kill(t)
	unlock, err := locker.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if unlock, err = locker.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	unlock()
}

func holdChild(args []byte) error {
	path, err := strconv.Unquote(string(args))
	if err != nil {
		return err
	}
	if _, err := client.File(path).(client.Locker).Lock(context.Background()); err != nil {
		return err
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin) // until the test ends
	return err
}

// What cannot be written is an error, and changes nothing.
func TestFileCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	store := client.File(filepath.Join(file, "session.json"))
	if ok, err := store.Swap(t.Context(), nil, []byte("x")); ok || err == nil {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := store.Load(t.Context()); err == nil {
		t.Error("a file in a file was read")
	}
	dir := t.TempDir()
	store = client.File(dir) // a directory
	if _, err := store.Load(t.Context()); err == nil || strings.Contains(err.Error(), "no such file") {
		t.Errorf("a directory was read: %v", err)
	}
}
