package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// caller is what asks on one connection.
type caller interface {
	// next returns the request to send, or nil when there are no more. It is
	// not used after the next call.
	next() []byte
	// answered takes the body of a 200; an error says that it is wrong.
	answered(body []byte) error
}

// pace says when the request i of a caller is due, counted from the start, and
// whether there is one.
type pace func(caller, i int) (due time.Duration, ok bool)

// closedLoop lets everybody ask again as soon as they have an answer, for so
// long; zero means until all callers have no more to ask.
func closedLoop(ctx context.Context, conns []*conn, callers []caller, d time.Duration) (sample, error) {
	begun := time.Now()
	return load(ctx, conns, callers, func(int, int) (time.Duration, bool) {
		now := time.Since(begun)
		return now, d == 0 || now < d
	})
}

// openLoop lets requests come at a fixed rate, whether or not those before
// have been answered. A caller whose answer is late sends its next request late,
// and that one's time counts from when it was due, so that no delay hides the
// ones that it causes.
func openLoop(ctx context.Context, conns []*conn, callers []caller, rate int, d time.Duration) (sample, error) {
	between := time.Second / time.Duration(rate)
	return load(ctx, conns, callers, func(caller, i int) (time.Duration, bool) {
		due := time.Duration(i*len(callers)+caller) * between
		return due, due < d
	})
}

// patience is how long a load may take in all. A server that hangs then fails
// its row, and not the whole bench.
const patience = 10 * time.Minute

// load lets each caller ask on a connection of its own, and ends at the first
// wrong answer of each.
func load(ctx context.Context, conns []*conn, callers []caller, due pace) (sample, error) {
	results := make([]sample, len(callers))
	wrong := make([]error, len(callers))
	begun := time.Now()
	var wg sync.WaitGroup
	for i, c := range callers {
		wg.Go(func() {
			wrong[i] = conns[i].SetDeadline(begun.Add(patience))
			for wrong[i] == nil && ctx.Err() == nil {
				at, ok := due(i, results[i].n)
				if !ok {
					return
				}
				request := c.next()
				if request == nil {
					return
				}
				if ahead := at - time.Since(begun); ahead > 0 {
					time.Sleep(ahead)
				}
				body, err := conns[i].exchange(request)
				if err == nil {
					err = c.answered(body)
				}
				results[i].took.add(time.Since(begun) - at)
				results[i].n++
				wrong[i] = err
			}
		})
	}
	wg.Wait()
	all := sample{wall: time.Since(begun)}
	for _, r := range results {
		all.n += r.n
		all.took.merge(r.took)
	}
	return all, firstWrong(ctx, wrong, all.n)
}

func firstWrong(ctx context.Context, wrong []error, asked int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var first error
	count := 0
	for _, err := range wrong {
		if err == nil {
			continue
		}
		count++
		if first == nil {
			first = err
		}
	}
	switch {
	case first != nil:
		return fmt.Errorf("%d of %d requests were answered wrongly, for one: %w", count, asked, first)
	case asked == 0:
		return fmt.Errorf("nothing was asked")
	default:
		return nil
	}
}

// same asks the same thing again and again, and takes one answer only.
type same struct {
	request []byte
	body    string
}

func (s *same) next() []byte { return s.request }

func (s *same) answered(body []byte) error { return expect(body, s.body) }

// series asks each thing once.
type series struct {
	requests [][]byte
	body     string
}

func (s *series) next() []byte {
	if len(s.requests) == 0 {
		return nil
	}
	first := s.requests[0]
	s.requests = s.requests[1:]
	return first
}

func (s *series) answered(body []byte) error { return expect(body, s.body) }

func expect(body []byte, want string) error {
	if string(body) != want {
		return fmt.Errorf("answered %.60q, want %q", body, want)
	}
	return nil
}
