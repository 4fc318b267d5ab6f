package sqlite

import (
	"context"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const (
	// pollEvery bounds how late an entry of another process is seen. To look
	// costs as little as to ask SQLite whether anything has changed.
	pollEvery  = 25 * time.Millisecond
	followPage = 1000
	// lookedEvery is how often one who follows is told that there was nothing.
	lookedEvery = time.Second
)

// Follow implements [auth.Store]. Entries of this process are seen at once.
func (s *Store) Follow(ctx context.Context, after int64, apply func([]auth.Revocation)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	// Its own connection: it must not wait until a View is over.
	c, err := s.dialReader()
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	var told time.Time
	for {
		// Asked for before the look, so that what comes after it is announced.
		grown := s.growth.next()
		for ctx.Err() == nil {
			page, err := all(c.prepare(selectRevocations).int(after).limit(followPage), scanRevocation)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				if time.Since(told) >= lookedEvery {
					apply(nil)
					told = time.Now()
				}
				break
			}
			after = page[len(page)-1].Seq
			apply(page)
		}
		select {
		case <-grown:
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return nil
		case <-s.closing:
			return ErrClosed
		}
	}
}

// broadcast wakes all who wait for it.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed by the next announce.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) announce() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
