package auth

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/throttle"
)

// counted is a limit with the key of what it counts here.
type counted struct {
	limit throttle.Limit
	key   throttle.Key
}

// loginLimits returns what a failed login of an address from a network counts
// against.
func loginLimits(emailKey, network string) []counted {
	return []counted{
		{throttle.PerAccount, throttle.PerAccount.Key(emailKey, network)},
		{throttle.PerNetwork, throttle.PerNetwork.Key(network)},
		{throttle.InARow, throttle.InARow.Key(emailKey)},
	}
}

// forget resets what a success resets: the guesses at this account. The count
// over all accounts of a network stays, or whoever has one account could go on
// guessing at the others. Where nothing was counted nothing is written.
func forget(tx Tx, limits []counted) error {
	for _, l := range limits {
		if l.limit == throttle.PerNetwork {
			continue
		}
		c, err := tx.Count(l.key)
		if err != nil {
			return err
		}
		if c == (throttle.Count{}) {
			continue
		}
		if err := tx.SetCount(l.key, throttle.Count{}, c.Since); err != nil {
			return err
		}
	}
	return nil
}

// Bounds on how many wait at a limit, and how long.
const (
	maxAhead     = 256
	maxAdmission = 10 * time.Second
)

// admit lets an attempt begin if all limits leave room for it and for the
// attempts that came before it and are under way: those may fail too, so it
// waits for them where the room is tight. Without that, a hundred guesses sent
// at once would all see a count of zero. The queues are kept per node; a fleet
// of n nodes admits at most n times a limit at once.
//
// An attempt looks at the queue before it looks at the counts, and leaves its
// place after its failure was counted. So whoever came before is seen in the
// queue, or in the count, or in both; the other way round they could be seen in
// neither.
func (a *Auth) admit(ctx context.Context, limits []counted) (leave func(), err error) {
	place, ok := a.gate.enter(limits)
	if !ok {
		return nil, crowded()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxAdmission, crowded())
	defer cancel()
	for {
		ahead := place.ahead()
		room, err := a.room(ctx, limits)
		if err != nil {
			place.leave()
			return nil, err
		}
		moved := waitFor(ahead, room)
		if moved == nil {
			return place.leave, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			place.leave()
			return nil, context.Cause(ctx)
		}
	}
}

// waitFor returns nil if every limit has room for those ahead and for one more;
// else a channel that is closed when that may have changed.
func waitFor(ahead []ahead, room []int) <-chan struct{} {
	for i, of := range ahead {
		if of.n >= room[i] {
			return of.moved
		}
	}
	return nil
}

// room returns how many failures each limit has room for, or the refusal of
// the first that has none.
func (a *Auth) room(ctx context.Context, limits []counted) (room []int, err error) {
	now := a.now()
	var refusal *Refusal
	err = a.store.View(ctx, func(tx Tx) error {
		room, refusal = make([]int, len(limits)), nil
		for i, l := range limits {
			c, err := tx.Count(l.key)
			if err != nil {
				return err
			}
			if room[i] = l.limit.Left(c, now); room[i] == 0 && refusal == nil {
				refusal = tooMany(l.limit, c, now)
			}
		}
		return nil
	})
	if err == nil && refusal != nil {
		err = refusal
	}
	return room, err
}

func crowded() *Refusal {
	return &Refusal{
		Cause: HashingBusy, RetryAfter: maxAdmission,
		Private: doorward.Reason{Check: "attempts under way", Text: "too many attempts on one account, or from one network, wait for one another", Next: "wait; if it lasts, somebody guesses passwords"},
	}
}

func tooMany(l throttle.Limit, c throttle.Count, now time.Time) *Refusal {
	retry := l.RetryAfter(c, now)
	text := fmt.Sprintf("%d failures since %s reach the limit %q of %d", c.Failures, c.Since.UTC().Format(time.RFC3339), l.Name, l.Max)
	next := fmt.Sprintf("wait %s", retry.Round(time.Second))
	if l.Window == 0 {
		next = "reset it with: doorward user password EMAIL"
	}
	return &Refusal{
		Cause: TooManyFailures, Limit: &l, RetryAfter: retry,
		Private: doorward.Reason{Check: "limit " + l.Name, Text: text, Next: next},
	}
}

// gate keeps the attempts under way in the order in which they came, a line
// for each key. The zero gate is ready.
type gate struct {
	mu    sync.Mutex
	lines map[throttle.Key]*line
}

type line struct {
	places []*place
	moved  chan struct{} // closed, and made anew, when somebody leaves
}

// place is one attempt's place in the lines of all its limits.
type place struct {
	gate   *gate
	limits []counted
}

// enter takes a place at the end of every line, or none where one is full.
func (g *gate) enter(limits []counted) (*place, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lines == nil {
		g.lines = make(map[throttle.Key]*line)
	}
	for _, l := range limits {
		if queue := g.lines[l.key]; queue != nil && len(queue.places) > maxAhead {
			return nil, false
		}
	}
	p := &place{gate: g, limits: limits}
	for _, l := range limits {
		queue := g.lines[l.key]
		if queue == nil {
			queue = &line{moved: make(chan struct{})}
			g.lines[l.key] = queue
		}
		queue.places = append(queue.places, p)
	}
	return p, true
}

// ahead is how many are before an attempt in the line of one limit, and a
// channel that is closed when one of that line has left since.
type ahead struct {
	n     int
	moved <-chan struct{}
}

// ahead returns who is before the attempt, for each of its limits.
func (p *place) ahead() []ahead {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	all := make([]ahead, len(p.limits))
	for i, l := range p.limits {
		queue := p.gate.lines[l.key]
		all[i] = ahead{slices.Index(queue.places, p), queue.moved}
	}
	return all
}

func (p *place) leave() {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	for _, l := range p.limits {
		queue := p.gate.lines[l.key]
		queue.places = slices.DeleteFunc(queue.places, func(other *place) bool { return other == p })
		if len(queue.places) == 0 {
			delete(p.gate.lines, l.key)
		}
		close(queue.moved)
		queue.moved = make(chan struct{})
	}
}
