package postgres

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

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema.
//
// Nodes are upgraded one after the other, and the first one migrates, so a
// program of version N works with the schemas N-1, N and N+1: a step breaks
// nothing that the program before it does, and a program makes no use, without
// looking, of what its own latest step has brought. What a step brings is used
// one version later, and what is no longer used is removed one version later.
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
	var steps []Migration
	for i, f := range files {
		number, name, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".sql"), "_")
		if version, err := strconv.Atoi(number); err != nil || version != i+1 {
			panic("postgres: migrations are numbered from 001 without a gap: " + f.Name())
		}
		sql, err := migrationFiles.ReadFile("migrations/" + f.Name())
		if err != nil {
			panic(err)
		}
		steps = append(steps, newMigration(i+1, name, string(sql)))
	}
	return steps
}()

func newMigration(version int, name, sql string) Migration {
	sum := sha256.Sum256([]byte(sql))
	return Migration{Version: version, Name: name, checksum: hex.EncodeToString(sum[:]), sql: sql}
}

// Latest returns the version of the schema that this program brings.
func Latest() int { return len(known) }

// SchemaError says that this program does not work with the schema of a
// database.
type SchemaError struct {
	Database int // the version in the database
	Program  int // the version that this program brings
}

func (e *SchemaError) Error() string {
	if e.Database > e.Program {
		return fmt.Sprintf("postgres: the database has schema version %d and this program works with versions up to %d: it was written by a newer program", e.Database, e.Program+1)
	}
	return fmt.Sprintf("postgres: the database has schema version %d and this program needs version %d or newer: it has to be migrated", e.Database, max(1, e.Program-1))
}

const (
	hasMigration  = `SELECT to_regclass('doorward.migration') IS NOT NULL`
	countTables   = `SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'doorward'`
	hasSchema     = `SELECT count(*) > 0 FROM pg_catalog.pg_namespace WHERE nspname = 'doorward'`
	createSchema  = `CREATE SCHEMA doorward`
	createRecords = `CREATE TABLE doorward.migration (
		version    bigint PRIMARY KEY,
		name       text   NOT NULL,
		checksum   text   NOT NULL, -- SHA-256 of the statements
		applied_at bigint NOT NULL
	)`
	selectMigrations = `SELECT version, name, checksum, applied_at FROM doorward.migration ORDER BY version`
	insertMigration  = `INSERT INTO doorward.migration (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)`
	// A step may rewrite a table, and wait for whoever uses it.
	patient = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '1min'; SET LOCAL idle_in_transaction_session_timeout = '1min'`
)

// migrate applies the steps that are missing, each in a transaction.
func migrate(ctx context.Context, conn *pgx.Conn, checkOnly bool) error {
	for {
		// A look without the lock: most of the time there is nothing to do.
		n, err := verify(ctx, conn)
		if err != nil || n >= len(known) {
			return err
		}
		if checkOnly {
			if n > 0 && n == len(known)-1 {
				return nil
			}
			return &SchemaError{Database: n, Program: len(known)}
		}
		if err := step(ctx, conn); err != nil {
			return err
		}
	}
}

// verify returns how many steps are applied, if those are the program's.
func verify(ctx context.Context, conn *pgx.Conn) (int, error) {
	// In this order: whoever makes the first table makes the records with it.
	var tables int
	if err := conn.QueryRow(ctx, countTables).Scan(&tables); err != nil {
		return 0, err
	}
	var has bool
	if err := conn.QueryRow(ctx, hasMigration).Scan(&has); err != nil {
		return 0, err
	}
	if !has {
		if tables == 0 {
			return 0, nil
		}
		return 0, errors.New(`postgres: the schema "doorward" of the database is another program's`)
	}
	rows, _ := conn.Query(ctx, selectMigrations) // rows has the error
	steps, err := pgx.CollectRows(rows, scanMigration)
	if err != nil {
		return 0, err
	}
	n := len(steps)
	if n > len(known)+1 {
		return 0, &SchemaError{Database: steps[n-1].Version, Program: len(known)}
	}
	for i, m := range steps[:min(n, len(known))] {
		if k := known[i]; m.Version != k.Version || m.checksum != k.checksum {
			return 0, fmt.Errorf("postgres: migration %03d_%s of the database is not the one that this program knows: its statements were changed after it was applied", m.Version, m.Name)
		}
	}
	return n, nil
}

func scanMigration(r pgx.CollectableRow) (m Migration, err error) {
	var at int64
	err = r.Scan(&m.Version, &m.Name, &m.checksum, &at)
	m.AppliedAt = moment(at)
	return m, err
}

// step applies the first step that is missing once it has the lock: another node
// may have done so meanwhile.
func step(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		run := func(sql string) error {
			_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
			return err
		}
		if err := run(patient); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, advisoryLock, lockStore, lockMigrations); err != nil {
			return err
		}
		n, err := verify(ctx, conn)
		if err != nil || n >= len(known) {
			return err
		}
		if n == 0 {
			if err := prepareSchema(ctx, conn); err != nil {
				return err
			}
		}
		m := known[n]
		if err := run(m.sql); err != nil {
			return fmt.Errorf("postgres: migration %03d_%s: %w", m.Version, m.Name, err)
		}
		_, err = tx.Exec(ctx, insertMigration, m.Version, m.Name, m.checksum, millis(time.Now()))
		return err
	})
}

// prepareSchema makes what the first step needs. Where an administrator has made
// the schema, no right on the database is needed.
func prepareSchema(ctx context.Context, conn *pgx.Conn) error {
	var has bool
	err := conn.QueryRow(ctx, hasSchema).Scan(&has)
	if err == nil && !has {
		if _, err = conn.Exec(ctx, createSchema); code(err) == codeNoRight {
			err = fmt.Errorf("%w (as an administrator: CREATE SCHEMA doorward AUTHORIZATION %s)", err, pgx.Identifier{conn.Config().User}.Sanitize())
		}
	}
	if err == nil {
		_, err = conn.Exec(ctx, createRecords)
	}
	return err
}

// Version returns the version of the schema in the database that a URL names; 0
// where there is none.
func Version(ctx context.Context, url string) (version int, err error) {
	set, err := parse(url)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.ConnectConfig(ctx, set.pool.ConnConfig)
	if err == nil {
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was read from
		version, err = verify(ctx, conn)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot open the database %s: %w", set, notConnected(err))
	}
	return version, nil
}

// Migrations returns the steps that are applied, in order.
func (s *Store) Migrations(ctx context.Context) (steps []Migration, err error) {
	err = s.View(ctx, func(t auth.Tx) error {
		steps, err = all(t.(*tx), scanMigration, selectMigrations)
		return err
	})
	return steps, err
}
