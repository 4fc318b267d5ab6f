package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
)

const (
	// pollEvery bounds how late an entry is seen that no notification tells of.
	pollEvery  = 200 * time.Millisecond
	followPage = 1000
	// lookedEvery is how often one who follows is told that there was nothing.
	lookedEvery = time.Second
	// overlap is how far before the loss of a connection the log is read anew. A
	// standby that takes over may lack the latest entries, and give their numbers
	// to others. Entries carry the time of the node that wrote them, whose clock
	// may be wrong by minutes.
	overlap     = 15 * time.Minute
	reconnectIn = 500 * time.Millisecond
)

// Follow implements [auth.Store]. It goes on by itself when its connection
// breaks; until it has another one, it calls nothing.
func (s *Store) Follow(ctx context.Context, after int64, apply func([]auth.Revocation)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	f := &follower{store: s, after: after, apply: apply}
	for {
		again, err := f.follow(ctx)
		switch {
		case s.isClosed():
			return ErrClosed
		case ctx.Err() != nil:
			return nil
		case !again:
			return err
		}
		f.broken()
		select {
		case <-time.After(reconnectIn):
		case <-ctx.Done():
		}
	}
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// follower reads the log on a connection of its own: it must not wait until a
// View is over.
type follower struct {
	store *Store
	after int64
	apply func([]auth.Revocation)
	told  time.Time // when apply was called with nothing
	read  time.Time // when the log was last read to its end
	since time.Time // entries are read anew from here; zero for none
}

// broken notes that the connection was lost.
func (f *follower) broken() {
	if f.since.IsZero() && !f.read.IsZero() {
		f.since = f.read.Add(-overlap)
	}
}

// follow reads the log until ctx ends or something fails, and then reports
// whether another connection may do.
func (f *follower) follow(ctx context.Context) (again bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, f.store.settings.pool.ConnConfig.Copy())
	if err != nil {
		return lost(err, nil), notConnected(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	err = f.readAll(ctx, conn)
	return lost(err, conn.PgConn()) || undone(err), err
}

func (f *follower) readAll(ctx context.Context, conn *pgx.Conn) error {
	// Before the first look, so that what comes after it is announced.
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	if !f.since.IsZero() {
		if err := f.look(ctx, conn, 0, f.since); err != nil {
			return err
		}
		f.since = time.Time{}
	}
	for {
		if err := f.look(ctx, conn, f.after, time.Time{}); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, pollEvery)
		_, err := conn.WaitForNotification(wait)
		cancel()
		if err != nil && (ctx.Err() != nil || conn.IsClosed()) {
			return err
		}
	}
}

// look reads the log to its end.
func (f *follower) look(ctx context.Context, conn *pgx.Conn, after int64, since time.Time) error {
	for {
		limited, cancel := context.WithTimeout(ctx, answerTime)
		rows, _ := conn.Query(limited, selectRevocations, after, millis(since), followPage) // rows has the error
		page, err := pgx.CollectRows(rows, scanRevocation)
		cancel()
		if err != nil {
			return err
		}
		if f.read = time.Now(); len(page) == 0 {
			if time.Since(f.told) >= lookedEvery {
				f.apply(nil)
				f.told = time.Now()
			}
			return nil
		}
		after = page[len(page)-1].Seq
		f.after = after
		f.apply(page)
	}
}
