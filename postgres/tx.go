package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
)

// tx is an [auth.Tx] on a connection that has a transaction open.
//
// In an Update, what is read is locked until the end, by its row or, where there
// is no row to lock, by a number that stands for it. So what a closure has read
// is still true when it commits, and it need not run again as often as somebody
// else comes by (docs/design/007-postgres.md).
type tx struct {
	store   *Store
	conn    *pgx.Conn
	ctx     context.Context
	write   bool
	over    bool
	failed  error             // the first error of the database
	revoked []auth.Revocation // are written with the commit
}

// ready returns why nothing can run, if so, and the context for a statement.
// That of the caller does not end one that runs: it would break the connection.
func (t *tx) ready() (context.Context, context.CancelFunc, error) {
	if t.over {
		return nil, nil, errOver
	}
	if err := t.ctx.Err(); err != nil && !t.write {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), answerTime)
	return ctx, cancel, nil
}

// fail keeps the first error of the database; after it the transaction is of no
// use.
func (t *tx) fail(err error) error {
	if err != nil && t.failed == nil && !errors.Is(err, auth.ErrNotFound) {
		t.failed = err
	}
	return err
}

// locked returns a query that locks what it reads, in an Update.
func (t *tx) locked(sql, of string) string {
	if !t.write {
		return sql
	}
	return sql + " FOR UPDATE OF " + of
}

// one returns the only row of a query, or [auth.ErrNotFound].
func one[T any](t *tx, scan func(pgx.CollectableRow) (T, error), sql string, args ...any) (v T, err error) {
	ctx, cancel, err := t.ready()
	if err != nil {
		return v, err
	}
	defer cancel()
	rows, _ := t.conn.Query(ctx, sql, args...) // rows has the error
	v, err = pgx.CollectOneRow(rows, pgx.RowToFunc[T](scan))
	if errors.Is(err, pgx.ErrNoRows) {
		err = auth.ErrNotFound
	}
	return v, t.fail(err)
}

// all returns all rows of a query.
func all[T any](t *tx, scan func(pgx.CollectableRow) (T, error), sql string, args ...any) ([]T, error) {
	ctx, cancel, err := t.ready()
	if err != nil {
		return nil, err
	}
	defer cancel()
	rows, _ := t.conn.Query(ctx, sql, args...)
	vs, err := pgx.CollectRows(rows, pgx.RowToFunc[T](scan))
	return vs, t.fail(err)
}

// run runs statements that return no rows, in one go, and returns how many rows
// the last of them wrote.
func (t *tx) run(batch *pgx.Batch) (written int, err error) {
	ctx, cancel, err := t.ready()
	if err != nil {
		return 0, err
	}
	defer cancel()
	if !t.write {
		return 0, errReadOnly
	}
	results := t.conn.SendBatch(ctx, batch)
	for range batch.Len() {
		tag, err2 := results.Exec()
		if written = int(tag.RowsAffected()); err == nil {
			err = err2 // those after it only follow from it
		}
	}
	if err2 := results.Close(); err == nil {
		err = err2
	}
	return written, t.fail(err)
}

func (t *tx) exec(sql string, args ...any) (written int, err error) {
	b := new(pgx.Batch)
	b.Queue(sql, args...)
	return t.run(b)
}

// insert runs a statement that does nothing where a key is taken.
func (t *tx) insert(sql string, args ...any) error {
	n, err := t.exec(sql, args...)
	if err == nil && n == 0 {
		return auth.ErrExists
	}
	return err
}

// update runs a statement that changes one row.
func (t *tx) update(sql string, args ...any) error {
	n, err := t.exec(sql, args...)
	if err == nil && n == 0 {
		return auth.ErrNotFound
	}
	return err
}

// What is locked by a number instead of a row: the first says what kind it is.
const (
	lockStore = 0x44575244 // one of the following
	lockCount = 0x44575243 // a count, by the first bytes of its key

	lockMigrations = 1
	lockLog        = 2
	lockPurge      = 3
	lockKeys       = 4
)

const advisoryLock = `SELECT pg_advisory_xact_lock($1, $2)`

// hold takes such a lock in an Update. A statement after it sees what was
// committed by whoever had it before.
func (t *tx) hold(kind, which int32) error {
	if !t.write {
		return nil
	}
	_, err := t.exec(advisoryLock, kind, which)
	return err
}
