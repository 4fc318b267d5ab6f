package linear

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// recorder writes the history of one user while it happens. Texts become
// numbers in the order in which they come.
type recorder struct {
	name  string
	begin time.Time
	clock *timeline

	mu       sync.Mutex
	events   []event
	lists    map[int][]string // by index into events: the ids of the sessions that a list had
	tokens   map[string]token
	keys     map[string]key
	sessions map[string]int8
}

func newRecorder(name string, clock *timeline) *recorder {
	return &recorder{
		name: name, clock: clock, begin: time.Now(),
		lists: map[int][]string{}, tokens: map[string]token{}, keys: map[string]key{}, sessions: map[string]int8{},
	}
}

// number gives a text its number, if there is one left.
func number[N ~uint8 | ~int8](all map[string]N, text string, first, end N) (N, bool) {
	if n, ok := all[text]; ok {
		return n, true
	}
	n := first + N(len(all))
	if n >= end {
		return 0, false
	}
	all[text] = n
	return n, true
}

func (r *recorder) token(text string) token {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := number(r.tokens, text, 1, maxTokens)
	if !ok {
		panic("linear: a history of too many tokens")
	}
	return n
}

func (r *recorder) key(text string) key {
	if text == "" {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := number(r.keys, text, 1, 255)
	return n
}

// session numbers a session; none if there are too many to hold.
func (r *recorder) session(sid string) int8 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := number(r.sessions, sid, 0, maxSessions)
	if !ok {
		return none
	}
	return n
}

// add records a request. sids are the sessions of a list.
func (r *recorder) add(client int, q question, a answer, call, ret time.Time, sids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sids != nil {
		r.lists[len(r.events)] = sids
	}
	r.events = append(r.events, event{client, q, a, call.Sub(r.begin), ret.Sub(r.begin)})
}

// unknowns is how many requests have an unknown outcome.
func (r *recorder) unknowns() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.answer.said == unknown && !e.question.verb.reads() {
			n++
		}
	}
	return n
}

// history returns what was recorded. skew is by how much each node's clock is
// off.
func (r *recorder) history(skew map[string]time.Duration) history {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := time.Now()
	for i := range r.events {
		e := &r.events[i]
		call, ret := r.begin.Add(e.call), r.begin.Add(e.ret)
		if e.answer.said == unknown {
			ret = end
		}
		e.question.moments = r.clock.between(call, ret, skew[e.question.node])
		for _, sid := range r.lists[i] {
			if n, ok := r.sessions[sid]; ok {
				e.answer.live |= 1 << n
			}
		}
	}
	return history{r.name, r.events}
}

// timeline is the clock of all nodes: it stands, and is put on now and then. A
// node may go by a new time from when it is about to be told, and by the old
// one until it has said so.
type timeline struct {
	mu   sync.Mutex
	sets []setting
}

type setting struct {
	at       time.Time
	from, to time.Time // when nodes may go by it; a zero to is: still
}

// set moves the clock while tell tells the nodes.
func (c *timeline) set(at time.Time, tell func()) {
	c.mu.Lock()
	c.sets = append(c.sets, setting{at: at, from: time.Now()})
	c.mu.Unlock()
	tell()
	c.mu.Lock()
	if n := len(c.sets); n > 1 {
		c.sets[n-2].to = time.Now()
	}
	c.mu.Unlock()
}

func (c *timeline) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sets[len(c.sets)-1].at
}

// between returns all that a clock that is off by skew may have shown from call
// to ret.
func (c *timeline) between(call, ret time.Time, skew time.Duration) []moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[moment]bool{}
	for _, s := range c.sets {
		if !s.from.After(ret) && (s.to.IsZero() || !s.to.Before(call)) {
			all[moment(s.at.Add(skew).UnixMilli())] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
