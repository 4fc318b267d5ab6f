package auth

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/throttle"
)

// counts is a store of counts, and of nothing else.
type counts struct {
	Store
	Tx
	failures int
	looked   func() // after each look
}

func (c *counts) View(_ context.Context, fn func(Tx) error) error {
	err := fn(c)
	c.looked()
	return err
}

func (c *counts) Count(throttle.Key) (throttle.Count, error) {
	return throttle.Count{Failures: c.failures, Since: time.Unix(1000, 0)}, nil
}

// TestAdmitSeesWhoLeaves: an attempt that fails, and leaves, while the next one
// looks at the counts is seen by that one.
func TestAdmitSeesWhoLeaves(t *testing.T) {
	limit := throttle.PerAccount
	limits := []counted{{limit, limit.Key("ada@example.com", "192.0.2.1")}}
	store := &counts{failures: limit.Max - 1, looked: func() {}}
	a := &Auth{store: store, now: func() time.Time { return time.Unix(1000, 0) }}
	leave, err := a.admit(t.Context(), limits)
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	store.looked = func() {
		if looks++; looks == 1 {
			store.failures++
			leave()
		}
	}
	_, err = a.admit(t.Context(), limits)
	if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Cause != TooManyFailures {
		t.Errorf("one failure too many was admitted: %v", err)
	}
}
