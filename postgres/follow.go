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
)

// Follow implements [auth.Store].
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
	err := f.follow(ctx)
	switch {
	case s.isClosed():
		return ErrClosed
	case ctx.Err() != nil:
		return nil
	}
	return err
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
}

// follow reads the log until ctx ends or something fails.
func (f *follower) follow(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, f.store.settings.pool.ConnConfig.Copy())
	if err != nil {
		return notConnected(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	// Before the first look, so that what comes after it is announced.
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		if err := f.look(ctx, conn); err != nil {
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
func (f *follower) look(ctx context.Context, conn *pgx.Conn) error {
	for {
		limited, cancel := context.WithTimeout(ctx, answerTime)
		rows, _ := conn.Query(limited, selectRevocations, f.after, followPage) // rows has the error
		page, err := pgx.CollectRows(rows, scanRevocation)
		cancel()
		if err != nil {
			return err
		}
		if len(page) == 0 {
			if time.Since(f.told) >= lookedEvery {
				f.apply(nil)
				f.told = time.Now()
			}
			return nil
		}
		f.after = page[len(page)-1].Seq
		f.apply(page)
	}
}
