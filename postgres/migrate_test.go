package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/storetest"
)

func script(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err := errors.Join(err, conn.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
}

func TestNodesStartTogether(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	begun := time.Now().Truncate(time.Millisecond)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.MakeMasterKey(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	steps, err := openAt(t, url, CheckOnly()).Migrations(t.Context())
	if err != nil || len(steps) != Latest() {
		t.Fatalf("%v, %v", steps, err)
	}
	for i, m := range steps {
		if m.Version != i+1 || m.Name != known[i].Name || m.AppliedAt.Before(begun) || m.AppliedAt.After(time.Now()) {
			t.Errorf("%+v", m)
		}
	}
	if n := number(t, url, "SELECT count(*) FROM doorward.master"); n != 1 {
		t.Errorf("%d master keys", n)
	}
}

// with makes the steps of this program end with others. It is for one test at a
// time.
func with(t *testing.T, steps ...Migration) {
	t.Helper()
	recorded := known
	known = append(recorded[:len(recorded):len(recorded)], steps...)
	t.Cleanup(func() { known = recorded })
}

func TestOlderSchema(t *testing.T) {
	url := pgtest.Database(t)
	if err := openAt(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	n := len(known)
	with(t, newMigration(n+1, "more", "CREATE TABLE doorward.more (a int)"),
		newMigration(n+2, "broken", "INSERT INTO doorward.more VALUES (1); INSERT INTO doorward.none VALUES (1)"))

	var schema *SchemaError
	if _, err := Open(t.Context(), url, CheckOnly()); !errors.As(err, &schema) || schema.Database != n || schema.Program != n+2 {
		t.Errorf("a look at a schema two versions older: %v", err)
	}
	// A step that fails is not applied by half, and those before it stay.
	if _, err := Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%03d_broken", n+2)) {
		t.Errorf("a broken step: %v", err)
	}
	if sum := number(t, url, "SELECT count(*) FROM doorward.more"); sum != 0 {
		t.Errorf("the broken step left %d rows", sum)
	}
	// One version older is worked with as it is, by who leaves the schema alone.
	if err := openAt(t, url, CheckOnly()).Close(); err != nil {
		t.Error(err)
	}
	known[n+1] = newMigration(n+2, "mended", "INSERT INTO doorward.more VALUES (2)")
	if err := openAt(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	if version, err := Version(t.Context(), url); version != n+2 || err != nil {
		t.Errorf("%d, %v", version, err)
	}
}

// TestStoreOnTheSchemaBefore: a program works on the schema of the one before it,
// whose nodes may be running.
func TestStoreOnTheSchemaBefore(t *testing.T) {
	pgtest.Need(t)
	if Latest() < 2 {
		t.Skip("there is none before the first")
	}
	recorded := known
	t.Cleanup(func() { known = recorded })
	var mu sync.Mutex
	storetest.Run(t, func(t *testing.T) func() auth.Store {
		url := pgtest.Database(t)
		mu.Lock()
		defer mu.Unlock()
		known = recorded[:len(recorded)-1]
		err := openAt(t, url).Close()
		known = recorded
		if err != nil {
			t.Fatal(err)
		}
		return func() auth.Store { return openAt(t, url, CheckOnly()) }
	})
}

func TestNewerSchema(t *testing.T) {
	url := pgtest.Database(t)
	if err := openAt(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	next := fmt.Sprintf("INSERT INTO doorward.migration VALUES (%d, 'future', 'c', 0)", Latest()+1)
	script(t, url, next)
	for _, options := range [][]Option{nil, {CheckOnly()}} { // a newer node has come first
		if err := openAt(t, url, options...).Close(); err != nil {
			t.Error(err)
		}
	}
	script(t, url, fmt.Sprintf("INSERT INTO doorward.migration VALUES (%d, 'later', 'c', 0)", Latest()+2))
	for _, options := range [][]Option{nil, {CheckOnly()}} {
		var schema *SchemaError
		if _, err := Open(t.Context(), url, options...); !errors.As(err, &schema) || schema.Database != Latest()+2 {
			t.Errorf("a schema two versions newer: %v", err)
		} else if text := err.Error(); !strings.Contains(text, fmt.Sprint("version ", Latest()+2)) || !strings.Contains(text, fmt.Sprint("up to ", Latest()+1)) {
			t.Errorf("the error does not name both versions: %s", text)
		}
	}
}

func TestChangedMigration(t *testing.T) {
	url := pgtest.Database(t)
	if err := openAt(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	script(t, url, "UPDATE doorward.migration SET checksum = 'x' WHERE version = 1")
	if _, err := Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "001_initial") {
		t.Errorf("a step with other statements: %v", err)
	}
}

func TestSomebodyElsesSchema(t *testing.T) {
	url := pgtest.Database(t)
	script(t, url, "CREATE SCHEMA doorward; CREATE TABLE doorward.door (a int)")
	if _, err := Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), "another program's") {
		t.Errorf("another program's: %v", err)
	}
}

// TestRights: a role that owns the schema needs no right on the database.
func TestRights(t *testing.T) {
	url := pgtest.Database(t)
	name := url[strings.LastIndex(url, "/")+1:]
	script(t, url, fmt.Sprintf(`CREATE ROLE %[1]s LOGIN PASSWORD 'of-%[1]s'; CREATE SCHEMA doorward AUTHORIZATION %[1]s;
		REVOKE ALL ON DATABASE %[1]s FROM public; GRANT CONNECT ON DATABASE %[1]s TO %[1]s`, name))
	s := openAt(t, strings.Replace(url, pgtest.User+":"+pgtest.Password, name+":of-"+name, 1))
	fill(t, s, 1)
	script(t, url, "DROP OWNED BY "+name+" CASCADE; DROP ROLE "+name)
}
