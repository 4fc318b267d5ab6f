package client

import "time"

// A token is renewed when a third of its life is left, but no earlier than
// this before its end.
const maxAhead = 5 * time.Minute

// grant is an access token as calls use it. It never changes.
type grant struct {
	header []string // the Authorization field
	token  string
	line   string
	user   User
	born   time.Time     // when it was asked for, by the clock here, wall and monotonic
	life   time.Duration // 0 for unknown: then only a 401 tells
}

func newGrant(r record, born time.Time) *grant {
	return &grant{
		header: []string{"Bearer " + r.AccessToken}, token: r.AccessToken,
		line: r.Line, user: r.User,
		born: born, life: time.Duration(r.ExpiresIn) * time.Second,
	}
}

// restored is the grant of a record that somebody else wrote, at some time by
// some wall clock. There is nothing but that clock to tell its age. If it is
// wrong, this token is renewed early, or refused once and then renewed; the
// next one's age is known.
func restored(r record, now time.Time) *grant {
	g := newGrant(r, now)
	age := time.Duration(now.UnixMilli()-r.IssuedAt) * time.Millisecond
	if age < 0 {
		age = g.dueAt() // from the future: somebody's clock is wrong
	}
	g.born = now.Add(-min(age, g.life))
	return g
}

func (g *grant) dueAt() time.Duration { return g.life - min(g.life/3, maxAhead) }

// ages returns the age of the token by the monotonic clock, which may stand
// still while the machine sleeps, and the greater one of that and the age by
// the wall clock, which anybody may set. A jump of the latter costs one early
// renewal and nothing else.
func (g *grant) ages(now time.Time) (sure, most time.Duration) {
	sure = now.Sub(g.born)
	return sure, max(sure, now.Round(0).Sub(g.born.Round(0)))
}

// due reports whether it is time to renew the token.
func (g *grant) due(now time.Time) bool {
	_, most := g.ages(now)
	return g.life > 0 && most >= g.dueAt()
}

// spent reports whether a call should rather wait for the next token.
func (g *grant) spent(now time.Time) bool {
	_, most := g.ages(now)
	return g.life > 0 && most >= g.life
}

// dead reports whether the token is certainly past its life.
func (g *grant) dead(now time.Time) bool {
	sure, _ := g.ages(now)
	return g.life > 0 && sure >= g.life
}

// until returns when to ask for the token again: when it is to be renewed, or
// if it is time for that already, at its end. It is zero where nobody knows.
func (g *grant) until(now time.Time) time.Time {
	switch {
	case g.life == 0:
		return time.Time{}
	case g.due(now):
		return g.born.Add(g.life)
	default:
		return g.born.Add(g.dueAt())
	}
}
