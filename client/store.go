package client

import (
	"bytes"
	"context"
	"slices"
	"sync"
)

// Store keeps the session's record: the refresh token, the Idempotency-Key of
// a refresh that is not settled, the access token, and whose they are. To a
// store the record is bytes, a few KiB at most; it is a secret, all of it.
//
// A Store is safe for concurrent use. Programs that share a record, share the
// session.
type Store interface {
	// Load returns the record, or nil where there is none.
	Load(ctx context.Context) ([]byte, error)
	// Swap puts next in the place of old and reports true, if old is what is
	// kept, byte for byte; otherwise it changes nothing and reports false. Nil
	// stands for no record. When it returns true, next must outlive a crash.
	//
	// After an error, either may be kept.
	Swap(ctx context.Context, old, next []byte) (bool, error)
}

// Locker is a Store of which several programs make use at once. The lock keeps
// them from renewing the same session at the same time. It is a courtesy to the
// issuer: without it they get the same answer, since they share the key.
type Locker interface {
	Store
	// Lock waits for the lock, no longer than ctx, and returns how to give it
	// back. A lock must not outlive the program that holds it.
	Lock(ctx context.Context) (unlock func(), err error)
}

// Memory returns a Store that lasts as long as the program.
func Memory() Store { return new(memory) }

type memory struct {
	mu     sync.Mutex
	record []byte
}

func (m *memory) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.record), nil
}

func (m *memory) Swap(_ context.Context, old, next []byte) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !same(m.record, old) {
		return false, nil
	}
	m.record = slices.Clone(next)
	return true, nil
}

// String keeps the record out of logs.
func (m *memory) String() string { return "client.Memory()" }

// GoString is String.
func (m *memory) GoString() string { return m.String() }

// same compares records; no record is not an empty one.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
