package linear

import (
	"fmt"
	"strings"
	"time"
)

// A token is the number of a refresh token in the history of one user; a key is
// that of an Idempotency-Key. Zero is none.
type (
	token uint8
	key   uint8
)

const (
	maxTokens   = 64
	maxSessions = 4

	// none is the session of a sign-in that nobody holds a token of.
	none = -1
)

// tokens is a set of them.
type tokens uint64

func (s tokens) has(t token) bool       { return s&(1<<t) != 0 }
func (s tokens) with(t token) tokens    { return s | 1<<t }
func (s tokens) without(t token) tokens { return s &^ (1 << t) }

// moment is a clock of a server, in ms.
type moment int64

// Rules are the times in the rules.
type Rules struct{ Grace, Idle time.Duration }

type ending uint8

const (
	alive ending = iota
	signedOut
	reuse
	thrownOut // with the account
)

// line is one session: the line of its refresh tokens.
type line struct {
	begun   bool
	over    ending
	current tokens // of the generation that is current, those that were answered
	next    token  // of them, the successor of parent; zero while nobody was told
	parent  token  // of the generation before, the one that was used
	attempt key    // of the request that used it
	rotated moment
}

// world is all that the rules know of one user.
type world struct {
	suspended bool
	password  uint8
	seen      tokens // that were answered, ever
	lines     [maxSessions]line
}

// verb is what was asked.
type verb uint8

const (
	login verb = iota
	refresh
	logout
	logoutAll
	endOne
	changePassword
	suspend
	activate
	list
	introspect
	guarded
)

var verbs = [...]string{"login", "refresh", "logout", "logout all", "end", "change password", "suspend", "activate", "list", "introspect", "guarded"}

// reads reports whether a request changes nothing.
func (v verb) reads() bool { return v == list || v == introspect || v == guarded }

// question is a request.
type question struct {
	verb    verb
	session int8 // whose token was sent
	access  bool // the access token was sent, not the refresh token
	token   token
	key     key
	issued  moment // of the access token
	expires moment
	target  int8  // endOne
	guess   uint8 // login, changePassword: the password
	next    uint8 // changePassword
	node    string
	moments []moment // what the node's clock showed while it may have been at it
}

// said is what was answered.
type said uint8

const (
	unknown     said = iota // nothing, or that it is not known
	granted                 // tokens
	done                    // 204, or 200
	invalid                 // INVALID_REFRESH_TOKEN
	reused                  // REFRESH_TOKEN_REUSED
	suspended               // ACCOUNT_SUSPENDED
	credentials             // INVALID_CREDENTIALS
	revoked                 // TOKEN_REVOKED
	inactive                // introspection: not active
	offClock                // TOKEN_EXPIRED or TOKEN_NOT_ACTIVE: nothing was done
)

var saids = [...]string{"?", "tokens", "done", "INVALID_REFRESH_TOKEN", "REFRESH_TOKEN_REUSED", "ACCOUNT_SUSPENDED", "INVALID_CREDENTIALS", "TOKEN_REVOKED", "not active", "off its time"}

// answer is what came back.
type answer struct {
	said    said
	session int8  // login: the new one
	token   token // the new refresh token
	live    uint8 // list: a bit for each session
}

// step returns every world that can be after a request that was answered like
// this; none if the answer is wrong. A request whose outcome is not known did
// what it asks for or nothing at all.
func (r Rules) step(w world, q question, a answer) []world {
	if a.said == offClock {
		return []world{w}
	}
	var all []world
	if a.said == unknown {
		all = append(all, w)
	}
	for _, now := range q.moments {
		for _, e := range r.effects(w, q, now) {
			if next, ok := e.met(a, q); ok {
				all = append(all, next)
			}
		}
	}
	return all
}

// effect is one thing that the rules let a request do, and what it is answered.
type effect struct {
	next world
	said said
	line int // of a new token, where one is answered
	take take
	live uint8
}

// take says which token the rules let an answer have.
type take uint8

const (
	noToken   take = iota
	successor      // of the parent: always the same
	sibling        // another of its generation
)

// met reports whether an answer is the effect's, and returns the world that
// knows the answer's token.
func (e effect) met(a answer, q question) (world, bool) {
	w := e.next
	if a.said == unknown {
		return w, true
	}
	if a.said != e.said || e.said == done && q.verb == list && a.live != e.live {
		return w, false
	}
	if e.take == noToken {
		return w, true
	}
	l := &w.lines[e.line]
	fresh := !w.seen.has(a.token)
	switch {
	case e.take == successor && l.next != 0:
		return w, a.token == l.next
	case e.take == successor:
		if !fresh {
			return w, false
		}
		l.next = a.token
	case !fresh && !l.current.without(l.next).has(a.token):
		return w, false
	}
	l.current = l.current.with(a.token)
	w.seen = w.seen.with(a.token)
	return w, true
}

// effects returns what a request may do at a moment, by the rules.
func (r Rules) effects(w world, q question, now moment) []effect {
	plain := func(next world, s said) []effect { return []effect{{next: next, said: s}} }
	switch q.verb {
	case login:
		switch {
		case q.guess != w.password:
			return plain(w, credentials)
		case w.suspended:
			return plain(w, suspended)
		case q.session == none:
			return plain(w, granted)
		}
		w.lines[q.session] = line{begun: true, rotated: now}
		return []effect{{next: w, said: granted, line: int(q.session), take: successor}}
	case refresh:
		return r.refresh(w, q, now)
	case suspend:
		if !w.suspended {
			w.suspended = true
			w = w.endAll(none, thrownOut)
		}
		return plain(w, done)
	case activate:
		w.suspended = false
		return plain(w, done)
	}
	if q.access {
		return r.byAccess(w, q, now)
	}
	// Signing out by the refresh token.
	v := r.worth(w, q, now)
	switch {
	case v == superseded:
		w = w.end(int(q.session), reuse)
		if q.verb == logoutAll {
			return plain(w, reused)
		}
	case q.verb == logoutAll && v.grants():
		w = w.endAll(none, signedOut)
	default:
		w = w.end(int(q.session), signedOut)
	}
	return plain(w, done)
}

// refresh is §3 of the contract.
func (r Rules) refresh(w world, q question, now moment) []effect {
	i := int(q.session)
	l := &w.lines[i]
	switch r.worth(w, q, now) {
	case rotates:
		l.parent, l.attempt = q.token, q.key
		l.current, l.next = 0, 0
		l.rotated = max(now, l.rotated) // a clock that lags moves no time back
		return []effect{{next: w, said: granted, line: i, take: successor}}
	case repeats:
		return []effect{{next: w, said: granted, line: i, take: successor}}
	case besides:
		return []effect{{next: w, said: granted, line: i, take: sibling}}
	case superseded:
		return []effect{{next: w.end(i, reuse), said: reused}}
	case barred:
		return []effect{{next: w, said: suspended}}
	default:
		return []effect{{next: w, said: invalid}}
	}
}

// worth is what a refresh token is good for.
type worth uint8

const (
	nothing worth = iota
	barred
	rotates
	repeats
	besides // a sibling
	superseded
)

func (v worth) grants() bool { return v == rotates || v == repeats || v == besides }

func (r Rules) worth(w world, q question, now moment) worth {
	l := w.lines[q.session]
	age := time.Duration(now-l.rotated) * time.Millisecond
	switch {
	case !l.begun:
		return nothing
	case l.over == thrownOut && w.suspended:
		return barred
	case l.over != alive || age >= r.Idle:
		return nothing
	case w.suspended:
		return barred
	case l.current.has(q.token):
		return rotates
	case q.token != l.parent:
		return superseded
	}
	recent, keyed := age <= r.Grace, l.attempt != 0
	switch {
	case q.key == l.attempt && (keyed || recent):
		return repeats
	case recent || !keyed:
		return besides
	default:
		return superseded
	}
}

// byAccess is what an access token may do. A node that has not heard of the end
// of its session yet may still take it: how long is another check's matter. A
// node that refuses it because the session has ended must be right.
func (r Rules) byAccess(w world, q question, now moment) []effect {
	own := w.lines[q.session]
	var all []effect
	add := func(next world, s said) { all = append(all, effect{next: next, said: s}) }
	if own.over != alive && q.verb != introspect {
		if q.verb == logout || q.verb == logoutAll {
			add(w, done)
		} else {
			add(w, revoked)
		}
	}
	switch q.verb {
	case guarded:
		add(w, done)
	case logout:
		add(w.end(int(q.session), signedOut), done)
	case logoutAll:
		add(w.endAll(none, signedOut), done)
	case endOne:
		add(w.end(int(q.target), signedOut), done)
	case changePassword:
		switch {
		case q.guess != w.password:
			add(w, credentials)
		case own.over == alive: // who was signed out meanwhile changes nothing
			next := w.endAll(int(q.session), signedOut)
			next.password = q.next
			add(next, done)
		}
	case list:
		var live uint8
		for i, l := range w.lines {
			if l.begun && l.over == alive && time.Duration(now-l.rotated)*time.Millisecond < r.Idle {
				live |= 1 << i
			}
		}
		all = append(all, effect{next: w, said: done, live: live})
	case introspect:
		// This asks the store: no node is late. A session that idled out stands
		// for its last access token.
		stands := own.over == alive && !w.suspended
		inTime := now >= q.issued && now < q.expires
		if stands {
			add(w, done)
		}
		if !stands || !inTime {
			add(w, inactive)
		}
	}
	return all
}

// end ends a session, if it has not ended.
func (w world) end(session int, how ending) world {
	if l := &w.lines[session]; l.begun && l.over == alive {
		l.over = how
		l.current, l.parent, l.next, l.attempt, l.rotated = 0, 0, 0, 0, 0 // all alike from now on
	}
	return w
}

func (w world) endAll(but int, how ending) world {
	for i := range w.lines {
		if i != but {
			w = w.end(i, how)
		}
	}
	return w
}

func (q question) String() string {
	var b strings.Builder
	b.WriteString(verbs[q.verb])
	switch q.verb {
	case login:
		fmt.Fprintf(&b, " with password %d", q.guess)
	case suspend, activate:
	default:
		fmt.Fprintf(&b, " s%d", q.session)
		if q.access {
			b.WriteString(" by access token")
		} else {
			fmt.Fprintf(&b, " by r%d", q.token)
		}
	}
	if q.key != 0 {
		fmt.Fprintf(&b, " key %d", q.key)
	}
	switch q.verb {
	case endOne:
		fmt.Fprintf(&b, ", of s%d", q.target)
	case changePassword:
		fmt.Fprintf(&b, " from %d to %d", q.guess, q.next)
	}
	if q.node != "" {
		fmt.Fprintf(&b, " at %s", q.node)
	}
	return b.String()
}

func (a answer) String() string {
	text := saids[a.said]
	if a.said == granted && a.token != 0 {
		text = fmt.Sprintf("r%d", a.token)
	}
	return text
}

func (w world) String() string {
	var b strings.Builder
	if w.suspended {
		b.WriteString("suspended ")
	}
	fmt.Fprintf(&b, "password %d", w.password)
	for i, l := range w.lines {
		switch {
		case !l.begun:
		case l.over != alive:
			fmt.Fprintf(&b, "; s%d ended", i)
		default:
			fmt.Fprintf(&b, "; s%d current", i)
			for t := range token(maxTokens) {
				if l.current.has(t) {
					fmt.Fprintf(&b, " r%d", t)
				}
			}
			if l.current == 0 {
				b.WriteString(" nobody's")
			}
			if l.parent != 0 {
				fmt.Fprintf(&b, " after r%d", l.parent)
			}
			if l.attempt != 0 {
				fmt.Fprintf(&b, " key %d", l.attempt)
			}
		}
	}
	return b.String()
}
