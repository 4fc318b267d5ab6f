package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/why"
)

// TestErrorsRepeatNoPassword: of whatever kind the mistake is.
func TestErrorsRepeatNoPassword(t *testing.T) {
	t.Parallel()
	good := pgtest.Database(t)
	const leak = "hunter2"
	for _, url := range []string{
		"postgres://ada:hunter2@127.0.0.1:1/doorward",
		"postgres://ada:hunter2@127.0.0.1:1,127.0.0.1:2/doorward?target_session_attrs=read-write",
		"postgres://ada:hunter2@127.0.0.1:none/doorward",
		"postgres://ada:hunter2%zz@127.0.0.1:1/doorward",
		"postgres://ada:hunter2@127.0.0.1:1/doorward?sslmode=hunter2",
		"postgres://ada:hunter2@127.0.0.1:1/doorward?pool_max_conns=hunter2",
		"postgres://ada:hunter2@127.0.0.1:1/doorward?sslmode=verify-full&sslrootcert=/nonexistent/hunter2",
		"postgres://ada@127.0.0.1:1/doorward?password=hunter2&connect_timeout=x",
		"postgres://ada@127.0.0.1:1/doorward?password=hunter2",
		"host=127.0.0.1 password=hunter2",
		strings.Replace(good, pgtest.Password, leak, 1),
		strings.Replace(good, pgtest.User+":"+pgtest.Password, "nobody:"+leak, 1),
		good + "none?password=" + leak,
	} {
		_, err := Open(t.Context(), url, Patience(0))
		_, err2 := Version(t.Context(), url)
		for _, err := range []error{err, err2} {
			if err == nil {
				t.Errorf("%s was taken", url)
			} else if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, leak) || strings.Contains(text, pgtest.Password) {
				t.Errorf("the error repeats it: %v", err)
			}
		}
	}
}

// TestErrorsOfConnecting: they are one line, which names every address once and
// says what to do.
func TestErrorsOfConnecting(t *testing.T) {
	t.Parallel()
	good := pgtest.Database(t)
	for url, want := range map[string][]string{
		"postgres://ada@127.0.0.1:1,127.0.0.1:2/doorward": {"user=ada", "127.0.0.1:1", "127.0.0.1:2", "see that PostgreSQL runs there"},
		good + "none": {"3D000", "make the database"},
		strings.Replace(good, pgtest.Password, "wrong", 1): {"28P01", "user and the password"},
		good + "?default_transaction_read_only=on":         {"read only connection", "name the primary"},
		good + "?sslmode=require":                          {"tls error", "sslmode"},
	} {
		_, err := Open(t.Context(), url, Patience(0))
		_, err2 := Version(t.Context(), url)
		for _, err := range []error{err, err2} {
			if err == nil {
				t.Errorf("%s was taken", url)
				continue
			}
			text := err.Error()
			for _, w := range want {
				if strings.Count(text, w) == 0 {
					t.Errorf("%q does not say %q", text, w)
				}
			}
			if strings.ContainsAny(text, "\n\t") || strings.Count(text, "127.0.0.1:1 ") > 1 {
				t.Errorf("%q is not one line, or says a thing twice", text)
			}
		}
	}
}

func TestSuits(t *testing.T) {
	for version, want := range map[string]bool{
		"PostgreSQL 15.13 (Debian 15.13-0+deb12u1) on x86_64-pc-linux-gnu":        true,
		"CockroachDB CCL v24.3.1 (x86_64-pc-linux-gnu, built 2024/12/10, go1.22)": false,
	} {
		if err := suits(version); (err == nil) != want {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// TestCommitsWait: what a database is set to, an answer that was sent is true
// after a crash.
func TestCommitsWait(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	name := url[strings.LastIndex(url, "/")+1:]
	show := func(setting string) (value string) {
		t.Helper()
		s := openAt(t, url)
		if err := s.View(t.Context(), func(a auth.Tx) (err error) {
			value, err = one(a.(*tx), pgx.RowTo[string], "SHOW "+setting)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if got := s.settings.hot.RuntimeParams[setting]; value == "on" && got != "" && got != "on" {
			t.Errorf("the hot path has %q", got)
		}
		return value
	}
	script(t, url, "ALTER DATABASE "+name+" SET synchronous_commit = off")
	if got := show("synchronous_commit"); got != "on" {
		t.Errorf("it is %s", got)
	}
	script(t, url, "ALTER DATABASE "+name+" SET synchronous_commit = remote_apply")
	if got := show("synchronous_commit"); got != "remote_apply" {
		t.Errorf("it is %s, and was to be stronger than need be", got)
	}
}

// TestStrangeText: PostgreSQL takes neither zero bytes nor what is no UTF-8, and a
// stranger sends both.
func TestStrangeText(t *testing.T) {
	t.Parallel()
	s := openAt(t, pgtest.Database(t))
	ids := fill(t, s, 1)
	const strange = "a\x00b\xff\xfec"
	now := time.Now()
	err := s.Update(t.Context(), func(tx auth.Tx) error {
		of, err := tx.Session(ids[0])
		if err != nil {
			return err
		}
		of.ID[15]++
		of.Device, of.Network = strange, strange
		if err := tx.InsertSession(of); err != nil {
			return err
		}
		if _, err := tx.EndSession(of.ID, session.End{At: now, Reason: session.EndLogout, By: strange}); err != nil {
			return err
		}
		record := why.Record{ID: "dn_1", Code: doorward.TokenInvalid, At: now, Path: strange, Private: doorward.Reason{User: strange, Session: strange}}
		if err := tx.InsertDenials([]why.Record{record}, nil); err != nil {
			return err
		}
		found, err := tx.Denials(auth.DenialQuery{User: strange, Session: strange})
		if len(found) != 1 {
			t.Errorf("%d denials", len(found))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPurgeOfTwoNodes: while one is at it the other has nothing to do.
func TestPurgeOfTwoNodes(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s, other := openAt(t, url), openAt(t, url)
	s.stretch, other.stretch = 10, 10
	fill(t, s, 34) // four stretches
	old := auth.Retention{IdleSince: time.Now().AddDate(1, 0, 0)}
	purge := func(s *Store, meanwhile func()) (gone int) {
		t.Helper()
		err := s.Update(t.Context(), func(tx auth.Tx) (err error) {
			gone, err = tx.Purge(old, 5)
			meanwhile()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	sum := purge(s, func() {
		if n := purge(other, func() {}); n != 0 {
			t.Errorf("the other took %d", n)
		}
	})
	for range 20 {
		sum += purge(s, func() {}) + purge(other, func() {})
	}
	if sum != 34 {
		t.Errorf("%d went, want 34", sum)
	}
}
