package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/fleet"
)

const (
	clients  = 4  // at most
	requests = 12 // of each client, at most
	// afterwards is how many of them come when all sessions are over: what has
	// ended must stay so.
	afterwards = 3
	// maxUnknown is how many unknown outcomes a history has before it ends:
	// each may have taken effect at any later time, which doubles the orders
	// that have to be looked at.
	maxUnknown = 4
)

// life is one user with up to four clients that share sessions, tokens and
// keys in all the ways that clients do, and some that only a thief does.
type life struct {
	*asker
	email string
	most  int // logins: each hashes a password, which is what a history costs

	mu       sync.Mutex
	sessions []*held
	password uint8
	last     uint8 // password that was made up
	logins   int
}

// held is what clients hold of a session.
type held struct {
	number  int8
	sid     string
	tokens  []string // as they came
	access  string
	keyless bool // its clients send no keys
	over    bool // as far as they know
}

func (l *life) live(seeds *rand.Rand) {
	rng := func() *rand.Rand { return rand.New(rand.NewPCG(seeds.Uint64(), seeds.Uint64())) }
	first := rng()
	l.most = 1 + first.IntN(maxSessions)*first.IntN(2)
	for range 8 {
		if l.login(first, 0); len(l.sessions) > 0 {
			break
		}
	}
	if len(l.sessions) == 0 {
		return
	}
	var wg sync.WaitGroup
	for client := range 1 + first.IntN(clients) {
		own := rng()
		wg.Go(func() {
			over := 0
			for range requests {
				if l.unknowns() >= maxUnknown || over >= afterwards {
					return
				}
				if l.over() {
					over++
				}
				l.act(own, client)
			}
		})
	}
	wg.Wait()
	if first.IntN(4) == 0 {
		l.operate(0, suspend) // which nobody but the operator has heard of yet
	}
}

// act makes one request.
func (l *life) act(rng *rand.Rand, client int) {
	s, token := l.pick(rng)
	if s.over && rng.IntN(2) == 0 && l.login(rng, client) {
		return
	}
	q := question{session: s.number}
	switch n := rng.IntN(1000); {
	case n < 640:
		l.refresh(rng, client, s, token)
	case n < 790:
		q.verb = guarded
		l.byAccess(rng, client, s, q, http.MethodGet, fleet.Guarded, nil)
	case n < 830:
		q.verb = list
		l.byAccess(rng, client, s, q, http.MethodGet, "/auth/sessions", nil)
	case n < 850 && l.c.apiKey != "":
		l.introspect(rng, client, s)
	case n < 880:
		l.leave(rng, client, s, token, logout, "/auth/logout")
	case n < 888:
		l.leave(rng, client, s, token, logoutAll, "/auth/logout/all")
	case n < 900:
		target, _ := l.pick(rng)
		q.verb, q.target = endOne, target.number
		l.byAccess(rng, client, s, q, http.MethodDelete, "/auth/sessions/"+target.sid, nil)
	case n < 912:
		l.changePassword(rng, client, s)
	case n < 922:
		l.operate(client, suspend)
	case n < 945 || !l.login(rng, client):
		l.operate(client, activate)
	}
}

// pick returns a session and a refresh token of it: mostly the last one that
// came, sometimes the one before, and now and then any.
func (l *life) pick(rng *rand.Rand) (held, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[rng.IntN(len(l.sessions))]
	for range 3 { // mostly one that goes on
		if s.over {
			s = l.sessions[rng.IntN(len(l.sessions))]
		}
	}
	i := len(s.tokens) - 1
	switch n := rng.IntN(100); {
	case n < 22 && i > 0:
		i--
	case n < 26:
		i = rng.IntN(len(s.tokens))
	}
	return *s, s.tokens[i]
}

// over reports whether no session goes on and none will begin.
func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sessions {
		if !s.over {
			return false
		}
	}
	return l.logins >= l.most
}

func (l *life) keep(r reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sessions {
		if s.number == r.session {
			s.tokens, s.access = append(s.tokens, r.refresh), r.access
			return
		}
	}
	l.sessions = append(l.sessions, &held{
		number: r.session, sid: claimsOf(r.access).SID, tokens: []string{r.refresh}, access: r.access,
		keyless: len(l.sessions) == 1,
	})
}

// login signs in, unless that was done often enough.
func (l *life) login(rng *rand.Rand, client int) bool {
	l.mu.Lock()
	guess := l.password
	l.logins++
	enough := l.logins > l.most
	l.mu.Unlock()
	if enough {
		return false
	}
	r := l.ask(rng, client, call{
		question: question{verb: login, guess: guess, session: none}, method: http.MethodPost, path: "/auth/login",
		body: map[string]string{"email": l.email, "password": passwordOf(guess)},
	}.at(l.c.node(rng)))
	if r.answer.said == granted && r.session != none {
		l.keep(r)
	}
	return true
}

// learn is what clients make of an answer.
func (l *life) learn(number int8, r reply) {
	switch r.answer.said {
	case granted:
		l.keep(r)
	case invalid, reused, revoked, suspended:
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, s := range l.sessions {
			s.over = s.over || s.number == number
		}
	}
}

func (c call) at(n *fleet.Node) call {
	c.node, c.question.node = n, n.Name()
	return c
}

func (l *life) refresh(rng *rand.Rand, client int, s held, token string) {
	key := keyFor(rng, client, s, token)
	r := l.ask(rng, client, call{
		question: question{verb: refresh, session: s.number, token: l.token(token), key: l.key(key)},
		method:   http.MethodPost, path: "/auth/refresh", key: key,
		body: map[string]string{"refreshToken": token},
	}.at(l.c.node(rng)))
	l.learn(s.number, r)
}

// keyFor is the key that all who share the token share, mostly; sometimes the
// client's own, or none.
func keyFor(rng *rand.Rand, client int, s held, token string) string {
	switch n := rng.IntN(100); {
	case s.keyless != (n < 15):
		return ""
	case n < 30:
		return fmt.Sprintf("client-%d-%s", client, token[len(token)-8:])
	default:
		return "shared-" + token[len(token)-8:]
	}
}

// leave signs out, by the refresh token or by the access token.
func (l *life) leave(rng *rand.Rand, client int, s held, token string, verb verb, path string) {
	q := question{verb: verb, session: s.number}
	if rng.IntN(2) == 0 {
		l.byAccess(rng, client, s, q, http.MethodPost, path, nil)
		return
	}
	key := keyFor(rng, client, s, token)
	q.token, q.key = l.token(token), l.key(key)
	l.ask(rng, client, call{question: q, method: http.MethodPost, path: path, key: key, body: map[string]string{"refreshToken": token}}.at(l.c.node(rng)))
}

func (l *life) byAccess(rng *rand.Rand, client int, s held, q question, method, path string, body map[string]string) reply {
	q.access = true
	r := l.ask(rng, client, call{question: q, method: method, path: path, body: body, token: s.access}.at(l.c.node(rng)))
	l.learn(s.number, r)
	return r
}

// introspect has a service ask what an access token is worth.
func (l *life) introspect(rng *rand.Rand, client int, s held) {
	c := claimsOf(s.access)
	l.ask(rng, client, call{
		question: question{verb: introspect, session: s.number, access: true, issued: moment(c.IAT * 1000), expires: moment(c.EXP * 1000)},
		method:   http.MethodPost, path: "/auth/introspect", token: l.c.apiKey, form: url.Values{"token": {s.access}},
	}.at(l.c.node(rng)))
}

func (l *life) changePassword(rng *rand.Rand, client int, s held) {
	l.mu.Lock()
	l.last++
	q := question{verb: changePassword, session: s.number, guess: l.password, next: l.last}
	l.mu.Unlock()
	if q.next > 2 {
		return
	}
	r := l.byAccess(rng, client, s, q, http.MethodPost, "/auth/password", map[string]string{"current": passwordOf(q.guess), "new": passwordOf(q.next)})
	if r.answer.said == done {
		l.mu.Lock()
		l.password = q.next
		l.mu.Unlock()
	}
}

func passwordOf(n uint8) string { return fmt.Sprintf("correct horse battery staple %d", n) }

// operate suspends or activates the account, as an operator beside the nodes.
func (l *life) operate(client int, verb verb) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	act := l.c.operator.Suspend
	if verb == activate {
		act = l.c.operator.Activate
	}
	begin := time.Now()
	_, err := act(ctx, l.email)
	a := answer{said: done}
	if err != nil {
		a.said = unknown
	}
	l.add(client, question{verb: verb, session: none}, a, begin, time.Now(), nil)
}
