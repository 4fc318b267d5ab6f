//go:build unix

package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

// The tests here run their own binary once more, as a process that can be
// killed, or that may not write.

const childVariable = "DOORWARD_SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	child := map[string]func(path string) error{
		"writes":   childThatWrites,
		"may not":  childThatMayNotWrite,
		"is there": childThatIsThere,
	}[os.Getenv(childVariable)]
	if child == nil {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startChild starts this binary as a child, on a database.
func startChild(t *testing.T, as, path string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self, path)
	cmd.Env = append(os.Environ(), childVariable+"="+as)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, stdin, bufio.NewScanner(stdout)
}

func allIDs(ctx context.Context, s *Store) (ids []ulid.ID, err error) {
	err = s.View(ctx, func(tx auth.Tx) error {
		users, err := tx.Users(ulid.ID{}, 1)
		if err != nil {
			return err
		}
		sessions, err := tx.Sessions(users[0].ID, 100_000)
		ids = nil
		for _, v := range sessions {
			ids = append(ids, v.ID)
		}
		return err
	})
	return ids, err
}

// childThatWrites refreshes sessions and ends some, and says so once it has
// the answer, until it is killed.
func childThatWrites(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	ids, err := allIDs(ctx, s)
	if err != nil {
		return err
	}
	const callers = 8
	failed := make(chan error)
	for c := range callers {
		go func() {
			for {
				id := ids[(rand.IntN(len(ids)/callers)*callers + c)]
				st, err := s.ReadSession(ctx, id)
				switch {
				case err != nil:
					failed <- err
				case st.Session.Ended():
				case rand.IntN(20) == 0:
					err := s.Update(ctx, func(tx auth.Tx) error {
						_, err := tx.EndSession(id, session.End{At: time.Now(), Reason: session.EndLogout})
						return err
					})
					if err != nil {
						failed <- err
					}
					fmt.Println("ended", id)
				default:
					next := refreshed(st.Session)
					if ok, err := s.SwapSession(ctx, st.Session, next); err != nil {
						failed <- err
					} else if ok {
						fmt.Println("swapped", id, next.Generation)
					}
				}
			}
		}()
	}
	return <-failed
}

// TestKilled: whatever was answered before the process was killed is there
// afterwards.
func TestKilled(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	if n, err := strconv.Atoi(os.Getenv("DOORWARD_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	addSessions(t, s, 40*rounds)
	generations, ended := make(map[string]uint64), make(map[string]bool)
	answers := 0
	for range rounds {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cmd, _, out := startChild(t, "writes", path)
		var kill sync.Once
		for out.Scan() {
			kill.Do(func() {
				time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			})
			// The last line may be cut short; it was not read as an answer then.
			switch words := strings.Fields(out.Text()); {
			case len(words) == 3 && words[0] == "swapped":
				n, err := strconv.ParseUint(words[2], 10, 32)
				if err != nil {
					t.Fatal(err)
				}
				generations[words[1]] = n
				answers++
			case len(words) == 2 && words[0] == "ended" && len(words[1]) == 26:
				ended[words[1]] = true
				answers++
			}
		}
		_ = cmd.Wait() // it was killed

		s = openAt(t, path)
		for text, n := range generations {
			id, err := ulid.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			// One more than was answered can have been on its way.
			if stored := uint64(generation(t, s, id)); stored < n {
				t.Errorf("generation %d of %s was answered, and %d is stored", n, text, stored)
			}
		}
		err := s.View(t.Context(), func(tx auth.Tx) error {
			log, err := tx.Revocations(0, 100_000)
			revoked := make(map[string]bool)
			for _, r := range log {
				revoked[r.Subject] = true
			}
			for id := range ended {
				if !revoked[id] {
					t.Errorf("the end of %s was answered, and is not stored", id)
				}
			}
			check, err2 := number(connOf(tx), `SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'`)
			if check != 0 || err2 != nil {
				t.Errorf("%d faults in the file, %v", check, err2)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if answers < 10*rounds || len(ended) == 0 {
		t.Errorf("only %d answers in %d rounds: nothing was tried", answers, rounds)
	}
	t.Logf("%d answers, %d sessions ended", answers, len(ended))
}

// childThatMayNotWrite swaps while the system refuses every write beyond the
// present size of the log, and again when it does not.
func childThatMayNotWrite(path string) error {
	ctx := context.Background()
	signal.Ignore(syscall.SIGXFSZ) // the write fails instead, as on a full disk
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	ids, err := allIDs(ctx, s)
	if err != nil {
		return err
	}
	// swapAll returns which swaps were answered with yes, and the last error.
	swapAll := func() (done []bool, last error) {
		done = make([]bool, len(ids))
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, id := range ids {
			wg.Go(func() {
				st, err := s.ReadSession(ctx, id)
				if err == nil {
					done[i], err = s.SwapSession(ctx, st.Session, refreshed(st.Session))
				}
				if err != nil {
					mu.Lock()
					last = err
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return done, last
	}
	expect := func(when string, generation uint32) error {
		for _, id := range ids {
			st, err := s.ReadSession(ctx, id)
			if err != nil {
				return fmt.Errorf("%s: %w", when, err)
			}
			if st.Session.Generation != generation {
				return fmt.Errorf("%s: generation %d is stored, want %d", when, st.Session.Generation, generation)
			}
		}
		return nil
	}

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	free := limit
	for round := range 3 {
		limit.Cur = 1 // no file can grow, and no byte beyond the first be written
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		done, failure := swapAll()
		for i := range done {
			if done[i] {
				return fmt.Errorf("a swap was answered with yes that cannot be stored")
			}
		}
		if failure == nil || !strings.Contains(failure.Error(), "file too large") {
			return fmt.Errorf("the failure does not say why: %w", failure)
		}
		err := s.Update(ctx, func(tx auth.Tx) error {
			_, err := tx.EndSession(ids[0], session.End{At: time.Now(), Reason: session.EndLogout})
			return err
		})
		if err == nil {
			return fmt.Errorf("an Update was answered with yes that cannot be stored")
		}
		if err := expect("while nothing can be written", uint32(1+round)); err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
			return err
		}
		done, failure = swapAll()
		for i := range done {
			if !done[i] {
				return fmt.Errorf("once it can be written, a swap fails: %w", failure)
			}
		}
		if err := expect("once it can be written", uint32(2+round)); err != nil {
			return err
		}
	}
	fmt.Println("done")
	return s.Close()
}

// TestWriteFails: a disk that takes no more makes every write fail and says
// why; reads go on, and so does everything once it takes more.
func TestWriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	sessions := addSessions(t, s, 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cmd, _, out := startChild(t, "may not", path)
	done := out.Scan() && out.Text() == "done"
	if err := cmd.Wait(); err != nil || !done {
		t.Fatal(err, out.Text())
	}
	s = openAt(t, path)
	for _, v := range sessions {
		if g := generation(t, s, v.ID); g != 4 {
			t.Errorf("generation %d is stored, want 4", g)
		}
	}
}

// childThatIsThere is another process with the same database: for each line it
// gets it ends the session named there.
func childThatIsThere(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		id, err := ulid.Parse(in.Text())
		if err != nil {
			return err
		}
		err = s.Update(ctx, func(tx auth.Tx) error {
			_, err := tx.EndSession(id, session.End{At: time.Now(), Reason: session.EndByUser, By: "operator"})
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println("ended")
	}
	return s.Close()
}

// TestAnotherProcess: what another process has answered is true here at once,
// and followed within the time promised; also while this one is busy.
func TestAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	s := openAt(t, path)
	sessions := addSessions(t, s, 60)
	busy, other := sessions[:40], sessions[40:]
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	seen := make(chan string, 1000)
	wg.Go(func() {
		err := s.Follow(ctx, 0, func(batch []auth.Revocation) {
			for _, r := range batch {
				seen <- r.Subject
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	for _, v := range busy {
		wg.Go(func() {
			for v := v; ctx.Err() == nil; v = refreshed(v) {
				if ok, err := s.SwapSession(t.Context(), v, refreshed(v)); !ok || err != nil {
					t.Errorf("SwapSession: %v, %v", ok, err)
					return
				}
			}
		})
	}
	cmd, in, out := startChild(t, "is there", path)
	var slowest time.Duration
	for _, v := range other {
		fmt.Fprintln(in, v.ID)
		if !out.Scan() {
			t.Fatal("the other process is gone")
		}
		ended := time.Now()
		st, err := s.ReadSession(t.Context(), v.ID)
		if err != nil || !st.Session.Ended() {
			t.Errorf("the session that the other process ended is read as %+v, %v", st.Session.End, err)
		}
		if ok, err := s.SwapSession(t.Context(), v, refreshed(v)); ok || err != nil {
			t.Errorf("the session that the other process ended was swapped: %v, %v", ok, err)
		}
		select {
		case subject := <-seen:
			if subject != v.ID.String() {
				t.Errorf("followed %s, want %s", subject, v.ID)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the ending was not followed")
		}
		slowest = max(slowest, time.Since(ended))
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	stop()
	wg.Wait()
	if slowest > time.Second {
		t.Errorf("an ending was followed after %v only", slowest)
	}
	t.Logf("followed after %v at most", slowest)
}
