package sqlite

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema.
type Migration struct {
	Version   int
	Name      string
	AppliedAt time.Time // zero in a step that is not applied
	checksum  string
	sql       string
}

// known are the steps of this program, in order.
var known = func() []Migration {
	files, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		panic(err)
	}
	var ms []Migration
	for i, f := range files {
		number, name, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			panic("sqlite: migrations are numbered from 001 without a gap: " + f.Name())
		}
		sql, err := migrationFiles.ReadFile("migrations/" + f.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(sql)
		ms = append(ms, Migration{Version: version, Name: name, checksum: hex.EncodeToString(sum[:]), sql: string(sql)})
	}
	return ms
}()

// Latest returns the version of the schema that this program works with.
func Latest() int { return len(known) }

// SchemaError says that the schema of a database is not the program's.
type SchemaError struct {
	Database int // the version in the file
	Program  int // the version that this program works with
}

func (e *SchemaError) Error() string {
	if e.Database > e.Program {
		return fmt.Sprintf("sqlite: the database has schema version %d and this program knows versions up to %d: it was written by a newer program", e.Database, e.Program)
	}
	return fmt.Sprintf("sqlite: the database has schema version %d and this program needs version %d: it has to be migrated", e.Database, e.Program)
}

// applicationID marks a file as ours; the first migration writes it.
const applicationID = 0x44575244

// claim refuses a file that is another program's.
func claim(c *conn) error {
	// In this order: whoever makes the first table sets the mark with it.
	tables, err := number(c, `SELECT count(*) FROM sqlite_schema`)
	if err != nil {
		return err
	}
	mark, err := number(c, `PRAGMA application_id`)
	if err != nil {
		return err
	}
	if mark != applicationID && (mark != 0 || tables != 0) {
		return errors.New("sqlite: the file is another program's database")
	}
	return nil
}

func number(c *conn, sql string) (int64, error) {
	return one(c.prepare(sql), func(s *stmt) int64 { return s.intAt(0) })
}

const (
	createMigration = `CREATE TABLE IF NOT EXISTS migration (
		version    INTEGER PRIMARY KEY,
		name       TEXT    NOT NULL,
		checksum   TEXT    NOT NULL, -- SHA-256 of the statements
		applied_at INTEGER NOT NULL
	) STRICT`
	hasMigration     = `SELECT count(*) FROM sqlite_schema WHERE name = 'migration'`
	selectMigrations = `SELECT version, name, checksum, applied_at FROM migration ORDER BY version`
	insertMigration  = `INSERT INTO migration (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)`
	maxMigration     = `SELECT max(version) FROM migration`
)

func schemaVersion(c *conn) (int64, error) { return number(c, maxMigration) }

// migrate applies the steps that are missing, each in a transaction.
func migrate(c *conn, checkOnly bool) error {
	for {
		// A look without the lock: most of the time there is nothing to do.
		n, err := verify(c)
		if err != nil || n == len(known) {
			return err
		}
		if checkOnly {
			return &SchemaError{Database: n, Program: len(known)}
		}
		if err := step(c); err != nil {
			return err
		}
	}
}

// verify returns how many steps are applied, if those are the program's.
func verify(c *conn) (int, error) {
	has, err := number(c, hasMigration)
	if err != nil || has == 0 {
		return 0, err
	}
	steps, err := applied(c)
	if err != nil {
		return 0, err
	}
	if n := len(steps); n > len(known) {
		return 0, &SchemaError{Database: steps[n-1].Version, Program: len(known)}
	}
	for i, m := range steps {
		if k := known[i]; m.Version != k.Version || m.checksum != k.checksum {
			return 0, fmt.Errorf("sqlite: migration %03d_%s of the database is not the one that this program knows: its statements were changed after it was applied", m.Version, m.Name)
		}
	}
	return len(steps), nil
}

func applied(c *conn) ([]Migration, error) {
	return all(c.prepare(selectMigrations), func(s *stmt) Migration {
		return Migration{Version: int(s.intAt(0)), Name: s.textAt(1), checksum: s.textAt(2), AppliedAt: s.timeAt(3)}
	})
}

// step applies the first step that is missing once it has the lock: another
// process may have done so meanwhile.
func step(c *conn) (err error) {
	if err := c.prepare(beginImmediate).run(); err != nil {
		return err
	}
	defer func() {
		if c.inTransaction() {
			_ = c.prepare(rollback).run()
		}
	}()
	n, err := verify(c)
	if err != nil || n == len(known) {
		return err
	}
	m := known[n]
	if err := c.script(createMigration); err != nil {
		return err
	}
	if err := c.script(m.sql); err != nil {
		return fmt.Errorf("sqlite: migration %03d_%s: %w", m.Version, m.Name, err)
	}
	if err := c.prepare(insertMigration).int(int64(m.Version)).text(m.Name).text(m.checksum).time(time.Now()).run(); err != nil {
		return err
	}
	return c.prepare(commit).run()
}

// Migrations returns the steps that are applied, in order.
func (s *Store) Migrations(ctx context.Context) (steps []Migration, err error) {
	err = s.View(ctx, func(t auth.Tx) error {
		steps, err = applied(t.(*tx).c)
		return err
	})
	return steps, err
}
