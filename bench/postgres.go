package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

// clusterSettings are PostgreSQL's own but for these: commits wait for the disk,
// and no checkpoint comes while something is measured unless the bench asks for
// one.
var clusterSettings = []string{"fsync=on", "shared_buffers=512MB", "max_wal_size=8GB", "checkpoint_timeout=1h"}

const noPostgres = missing("PostgreSQL was not measured: it is not installed here.")

// postgres returns the PostgreSQL that the bench has started, for the first who
// asks.
func (b *bench) postgres() (*pgtest.Cluster, error) {
	if b.cluster != nil {
		return b.cluster, nil
	}
	cluster, err := pgtest.New(clusterSettings...)
	if errors.Is(err, pgtest.ErrNone) {
		return nil, noPostgres
	}
	b.cluster = cluster
	return cluster, err
}

// newPostgresDatabase makes a store with so many accounts in a database of its
// own.
func (b *bench) newPostgresDatabase(ctx context.Context, accounts int) (*database, error) {
	cluster, err := b.postgres()
	if err != nil {
		return nil, err
	}
	db := newAccounts(accounts)
	db.kind, db.processes = sidePostgres, []int{cluster.PID()}
	if db.url, err = cluster.CreateDatabase(ctx); err != nil {
		return nil, err
	}
	return db, db.begin(ctx)
}

// ask returns a number that PostgreSQL knows.
func (db *database) ask(ctx context.Context, sql string) (n float64, err error) {
	conn, err := pgx.Connect(ctx, db.url)
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, sql).Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}

// written returns how many bytes of WAL, or of a table with its indexes, some
// work leaves behind.
func (db *database) written(ctx context.Context, measure string, work func() error) (float64, error) {
	before, err := db.ask(ctx, measure)
	if err == nil {
		err = work()
	}
	if err != nil {
		return 0, err
	}
	after, err := db.ask(ctx, measure)
	return after - before, err
}

const (
	walWritten   = `SELECT (pg_current_wal_insert_lsn() - '0/0')::float8`
	sessionTable = `SELECT pg_total_relation_size('doorward.session')::float8`
)

// postgresRow measures what sessions and refreshes leave behind in PostgreSQL,
// and what a node's memory has to do with how many there are.
func postgresRow(ctx context.Context, b *bench) ([]figure, error) {
	db, err := b.newPostgresDatabase(ctx, b.accounts)
	if m := missing(""); errors.As(err, &m) {
		b.skip(m)
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	n := b.sessions
	tokens, err := db.addSessions(ctx, db.newSessions(n))
	if err != nil {
		return nil, err
	}
	fresh, err := db.ask(ctx, sessionTable)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(n, func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
	refresh := func(times int) func() error {
		return func() error {
			_, err := b.refreshAll(ctx, db, tokens, times)
			return err
		}
	}
	// The first refresh of each session: whatever a row needs once, it has then.
	if err := refresh(n)(); err != nil {
		return nil, err
	}
	settled, err := db.ask(ctx, sessionTable)
	if err != nil {
		return nil, err
	}
	wal, err := db.written(ctx, walWritten, refresh(n))
	if err != nil {
		return nil, err
	}
	again, err := db.ask(ctx, sessionTable)
	if err != nil {
		return nil, err
	}
	// A tenth of the sessions, in no order, so that nearly each of them is on a
	// page that nobody has changed since.
	if err := db.execute(ctx, "CHECKPOINT"); err != nil {
		return nil, err
	}
	images, err := db.written(ctx, walWritten, refresh(n/100))
	if err != nil {
		return nil, err
	}
	small, err := b.refreshSome(ctx, b.some)
	if err != nil {
		return nil, err
	}
	large, err := b.refreshSome(ctx, b.most)
	if err != nil {
		return nil, err
	}
	size := float64(n)
	const mebi = 1 << 20
	return []figure{
		single("WAL of a refresh", "bytes", wal/size).atMost(400),
		single("WAL of the first refresh on a page since a checkpoint", "bytes", images/float64(max(n/100, 1))),
		single("growth with each refresh after the first", "bytes", (again-settled)/size).atMost(0),
		single(fmt.Sprintf("a session that was refreshed, of %s, with its indexes", number(size)), "bytes", settled/size).atMost(250),
		single("a session that has just begun", "bytes", fresh/size),
		beside(fmt.Sprintf("memory of a node over %s sessions, against %s", number(float64(b.most)), number(float64(b.some))), "MiB",
			[]float64{large.memory / mebi}, []float64{small.memory / mebi}).ratioAtMost(1.1),
	}, nil
}

// refreshSome refreshes sessions of so many, in no order, as often whatever
// their number.
func (b *bench) refreshSome(ctx context.Context, sessions int) (refreshing, error) {
	db, err := b.newPostgresDatabase(ctx, b.accounts)
	if err != nil {
		return refreshing{}, err
	}
	tokens, err := db.addSessions(ctx, db.newSessions(sessions))
	if err != nil {
		return refreshing{}, err
	}
	rand.Shuffle(len(tokens), func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
	return b.refreshAll(ctx, db, tokens, b.sessions/2)
}

// copySessions inserts sessions faster than the store does one by one.
func (db *database) copySessions(ctx context.Context, sessions []session.Session) error {
	conn, err := pgx.Connect(ctx, db.url)
	if err != nil {
		return err
	}
	owners, err := db.numbers(ctx, conn)
	if err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	columns := []string{"owner", "generation", "created_at", "rotated_at", "auth_time", "id", "parent", "attempt", "methods", "device", "network"}
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"doorward", "session"}, columns, pgx.CopyFromSlice(len(sessions), func(i int) ([]any, error) {
		s := sessions[i]
		return []any{
			owners[s.User], int64(s.Generation), s.CreatedAt.UnixMilli(), s.RotatedAt.UnixMilli(), s.AuthTime.UnixMilli(),
			[16]byte(s.ID), s.Parent[:], s.Attempt[:], strings.Join(s.Methods, " "), s.Device, s.Network,
		}, nil
	}))
	return errors.Join(err, conn.Close(ctx))
}

// numbers returns what the rows of sessions call the accounts.
func (db *database) numbers(ctx context.Context, conn *pgx.Conn) (map[ulid.ID]int64, error) {
	rows, err := conn.Query(ctx, "SELECT id, n FROM doorward.user")
	if err != nil {
		return nil, err
	}
	numbers := make(map[ulid.ID]int64)
	var id [16]byte
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		numbers[id] = n
		return nil
	})
	return numbers, err
}

func (db *database) execute(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, db.url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}
