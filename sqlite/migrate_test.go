package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script runs statements on a database that nobody has open.
func script(t *testing.T, path, sql string) {
	t.Helper()
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.script(sql), c.close()); err != nil {
		t.Fatal(err)
	}
}

func closedDatabase(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "doorward.db")
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMigrationsAreRecorded(t *testing.T) {
	begun := time.Now().Truncate(time.Millisecond)
	steps, err := openAt(t, closedDatabase(t), CheckOnly()).Migrations(t.Context())
	if err != nil || len(steps) != Latest() {
		t.Fatalf("%v, %v", steps, err)
	}
	for i, m := range steps {
		if m.Version != i+1 || m.Name != known[i].Name || m.AppliedAt.Before(begun) || m.AppliedAt.After(time.Now()) {
			t.Errorf("%+v", m)
		}
	}
}

func TestOlderSchema(t *testing.T) {
	path := closedDatabase(t)
	recorded := known
	defer func() { known = recorded }()
	n := len(recorded)
	known = append(known[:n:n],
		Migration{Version: n + 1, Name: "more", checksum: "c1", sql: "CREATE TABLE more (a INTEGER) STRICT"},
		Migration{Version: n + 2, Name: "broken", checksum: "c2", sql: "INSERT INTO more VALUES (1); INSERT INTO none VALUES (1)"})

	var schema *SchemaError
	if _, err := Open(t.Context(), path, CheckOnly()); !errors.As(err, &schema) || schema.Database != n || schema.Program != n+2 {
		t.Errorf("a look at an older schema: %v", err)
	}
	// A step that fails is not applied by half, and those before it stay.
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%03d_broken", n+2)) {
		t.Errorf("a broken step: %v", err)
	}
	known[n+1].sql = "INSERT INTO more VALUES (2)"
	s := openAt(t, path)
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if sum, err := number(c, "SELECT sum(a) FROM more"); sum != 2 || err != nil {
		t.Errorf("the steps left %d, %v", sum, err)
	}
	if steps, err := s.Migrations(t.Context()); len(steps) != n+2 || err != nil {
		t.Errorf("%v, %v", steps, err)
	}
}

func TestNewerSchema(t *testing.T) {
	path := closedDatabase(t)
	script(t, path, "INSERT INTO migration VALUES (7, 'future', 'c', 0)")
	for _, options := range [][]Option{nil, {CheckOnly()}} {
		var schema *SchemaError
		if _, err := Open(t.Context(), path, options...); !errors.As(err, &schema) || schema.Database != 7 || schema.Program != Latest() {
			t.Errorf("a newer schema: %v", err)
		} else if text := err.Error(); !strings.Contains(text, "version 7") || !strings.Contains(text, fmt.Sprint("up to ", Latest())) {
			t.Errorf("the error does not name both versions: %s", text)
		}
	}
}

func TestChangedMigration(t *testing.T) {
	path := closedDatabase(t)
	script(t, path, "UPDATE migration SET checksum = 'x' WHERE version = 1")
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "001_initial") {
		t.Errorf("a step with other statements: %v", err)
	}
}
