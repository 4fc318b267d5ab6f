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
	born   time.Time     // when it was asked for, by the monotonic clock here
	issued time.Time     // the same by the wall clock
	life   time.Duration // 0 for unknown: then only a 401 tells
}

func newGrant(r record, born time.Time) *grant {
	return &grant{
		header: []string{"Bearer " + r.AccessToken}, token: r.AccessToken,
		line: r.Line, user: r.User,
		born: born, issued: born.Round(0), life: time.Duration(r.ExpiresIn) * time.Second,
	}
}

// restored is the grant of a record that somebody else wrote, at some time by
// some wall clock. There is nothing but that clock to tell its age, so that age
// can make it due, and make calls wait for the next one; it cannot condemn it. If
// the clock is wrong, this token is renewed early, or refused once and then
// renewed; the next one's age is known.
func restored(r record, now time.Time) *grant {
	g := newGrant(r, now)
	age := time.Duration(now.UnixMilli()-r.IssuedAt) * time.Millisecond
	if age < 0 {
		age = g.dueAt() // from the future: somebody's clock is wrong
	}
	g.born, g.issued = now.Add(-min(age, g.dueAt())), now.Round(0).Add(-age)
	return g
}

func (g *grant) dueAt() time.Duration { return g.life - min(g.life/3, maxAhead) }

// stage is how far a token has come in its life.
type stage uint8

const (
	fresh stage = iota
	due         // to be renewed; calls go on with it
	spent       // calls had better wait for the next one
	dead        // certainly past its life; calls must wait
)

func (g *grant) stage(now time.Time) stage {
	return g.stageAt(now.Sub(g.born), now.Round(0).Sub(g.issued))
}

// stageAt goes by the age on the monotonic clock, which may stand still while
// the machine sleeps, and on the wall clock, which anybody may set. The latter
// can cost an early renewal; it can neither put one off nor condemn a token.
func (g *grant) stageAt(monotonic, wall time.Duration) stage {
	switch oldest := max(monotonic, wall); {
	case g.life == 0 || oldest < g.dueAt():
		return fresh
	case oldest < g.life:
		return due
	case monotonic < g.life:
		return spent
	default:
		return dead
	}
}

// until returns when to ask for the token again: when it is to be renewed, or
// if it is time for that already, at its end. It is zero where nobody knows.
func (g *grant) until(now time.Time) time.Time {
	switch {
	case g.life == 0:
		return time.Time{}
	case g.stage(now) >= due:
		return g.born.Add(g.life)
	default:
		return g.born.Add(g.dueAt())
	}
}
