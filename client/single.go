package client

import (
	"context"
	"fmt"
	"sync"
)

// single does one thing at a time for everybody who wants it done.
type single struct {
	mu     sync.Mutex
	flight *flight
}

// flight is one doing that many may wait for.
type flight struct {
	done  chan struct{} // closed when the rest is set
	grant *grant
	err   error
}

// join returns the flight under way, or starts one unless refused gives a
// reason not to. It goes on when whoever caused it is gone: others may wait,
// and its answer must be saved.
func (s *single) join(refused func() error, do func() (*grant, error)) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	f := &flight{done: make(chan struct{})}
	if refused != nil {
		if f.err = refused(); f.err != nil {
			close(f.done)
			return f
		}
	}
	s.flight = f
	go func() {
		f.grant, f.err = do()
		s.mu.Lock()
		s.flight = nil
		s.mu.Unlock()
		close(f.done)
	}()
	return f
}

func (f *flight) wait(ctx context.Context) (*grant, error) {
	select {
	case <-f.done:
		return f.grant, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("doorward: waiting for a token: %w", context.Cause(ctx))
	}
}
