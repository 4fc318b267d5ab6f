package client

import (
	"context"
	"fmt"
	"time"
)

// storeTimeout bounds one use of the store.
const storeTimeout = 10 * time.Second

// shelf is where the record lies: in the store, or, while the store cannot take
// it, here. It is not safe for concurrent use.
type shelf struct {
	store   Store
	onFault func(error) // is told when the store begins to fail; may be nil

	seen   []byte // what the store had when it was last read or written
	known  bool   // it was
	own    []byte // what the store could not take
	adrift bool   // own counts

	unreadable, unwritable bool // onFault was told
}

// load returns the record. While the store fails it is the one last known; if
// none is, that is an error.
func (s *shelf) load() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	raw, err := s.store.Load(ctx)
	s.note(&s.unreadable, "read", err)
	switch {
	case err != nil && s.adrift:
		return s.own, nil
	case err != nil && s.known:
		return s.seen, nil
	case err != nil:
		return nil, err
	case s.adrift && same(raw, s.seen):
		own := s.own
		_, _ = s.save(own, own) // the store may be well again
		return own, nil
	}
	// What somebody else wrote meanwhile counts.
	s.seen, s.known, s.own, s.adrift = raw, true, nil, false
	return raw, nil
}

// swap puts next in the place of old, if that is still the record. If the store
// fails it is put here: the program goes on with it.
func (s *shelf) swap(old, next []byte) (swapped bool) {
	swapped, err := s.save(old, next)
	if err == nil {
		return swapped
	}
	if !s.adrift {
		s.seen, s.known, s.adrift = old, true, true
	}
	s.own = next
	return true
}

// save is swap for what is of no use unless the store has it.
func (s *shelf) save(old, next []byte) (swapped bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	stored := old
	if s.adrift {
		if !same(old, s.own) {
			return false, nil
		}
		stored = s.seen
	}
	swapped, err = s.store.Swap(ctx, stored, next)
	s.note(&s.unwritable, "save", err)
	if err != nil {
		return false, err
	}
	if swapped {
		s.seen, s.known = next, true
	}
	s.own, s.adrift = nil, false
	return swapped, nil
}

// note tells of the first failure in a row.
func (s *shelf) note(told *bool, what string, err error) {
	if err != nil && !*told && s.onFault != nil {
		go s.onFault(fmt.Errorf("client: the store cannot %s the session, which goes on in memory: %w", what, err))
	}
	*told = err != nil
}
