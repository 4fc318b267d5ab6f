package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/why"
)

// old is a retention by which everything before cut is no longer needed.
func old(cut time.Time) auth.Retention {
	return auth.Retention{
		Now: cut, Sessions: cut, IdleSince: cut, BegunBefore: cut,
		Revocations: cut, Events: cut, Denials: cut, MaxDenials: 1000,
	}
}

func (h *house) purge(r auth.Retention, limit int) (gone int) {
	h.Helper()
	h.update(func(tx auth.Tx) (err error) {
		gone, err = tx.Purge(r, limit)
		return err
	})
	return gone
}

// aged is one row of each kind that ages: they are of the time at.
type aged struct {
	ended, idle, begun, live session.Session
	count                    throttle.Key
	event                    ulid.ID
	denial                   string
	minute                   time.Time
}

// addAged inserts rows that became old at the given time, and a session beside
// them that lives on.
func (h *house) addAged(at time.Time) (a aged) {
	h.Helper()
	owner := h.addUser()
	start := func(began, refreshed time.Time) session.Session {
		s := h.newSession(owner)
		s.ID, s.CreatedAt, s.AuthTime, s.RotatedAt = ulid.New(began), began, began, refreshed
		h.update(func(tx auth.Tx) error { return tx.InsertSession(s) })
		return s
	}
	later := now.Add(1000 * time.Hour)
	a.ended = start(later, later)
	h.endSession(a.ended.ID, at)
	a.idle = start(later, at)
	a.begun = start(at, later)
	a.live = start(later, later)
	a.count = throttle.PerNetwork.Key(at.String())
	a.event, a.minute = ulid.New(at), at.Truncate(time.Minute)
	record := denial(0, doorward.TokenExpired, "", "")
	record.ID, record.At = "dn_"+ulid.New(at).String(), at
	a.denial = record.ID
	h.update(func(tx auth.Tx) error {
		return errors.Join(
			tx.SetCount(a.count, throttle.Count{Failures: 1, Since: at.Add(-time.Hour)}, at),
			tx.InsertEvent(event.Event{ID: a.event, Kind: event.KeyAdded, By: "server"}),
			tx.InsertDenials([]why.Record{record}, []why.Flood{{Minute: at, Code: doorward.TokenExpired, Count: 1}}),
		)
	})
	return a
}

// left says which of the rows are still there.
func (h *house) left(a aged) string {
	h.Helper()
	var left []string
	note := func(what string, is bool) {
		if is {
			left = append(left, what)
		}
	}
	h.view(func(tx auth.Tx) error {
		left = nil
		for what, id := range map[string]ulid.ID{"ended": a.ended.ID, "idle": a.idle.ID, "begun": a.begun.ID, "live": a.live.ID} {
			_, err := tx.Session(id)
			note(what, err == nil)
		}
		count, err := tx.Count(a.count)
		note("count", err == nil && count != (throttle.Count{}))
		events, err := tx.Events(ulid.ID{}, ulid.ID{}, 100)
		note("event", err == nil && slices.ContainsFunc(events, func(e event.Event) bool { return e.ID == a.event }))
		_, err = tx.Denial(a.denial)
		note("denial", err == nil)
		floods, err := tx.Floods(a.minute)
		note("flood", err == nil && len(floods) > 0)
		log, err := tx.Revocations(0, 100)
		note("revocation", err == nil && slices.Contains(subjects(log), a.ended.ID.String()))
		return nil
	})
	slices.Sort(left)
	return strings.Join(left, " ")
}

const everything = "begun count denial ended event flood idle live revocation"

func purgeByAge(h *house) {
	cut := now.Truncate(time.Minute)
	older, exact := h.addAged(cut.Add(-time.Millisecond)), h.addAged(cut)
	same(h, "before", h.left(older), everything)
	// 3 sessions, an event, a denial, a flood and a revocation are old, and
	// both counts have expired.
	same(h, "gone", h.purge(old(cut), 100), 9)
	same(h, "of the older", h.left(older), "live")
	same(h, "of the rest", h.left(exact), strings.Replace(everything, "count ", "", 1))
	same(h, "gone again", h.purge(old(cut), 100), 0)
	same(h, "gone a moment later", h.purge(old(cut.Add(time.Minute)), 100), 7)
	same(h, "in the end", h.left(exact), "live")
}

// purgeByNumber: a purge takes a little at a time, and in the end all of it.
func purgeByNumber(h *house) {
	const n, limit = 7, 3
	cut := now.Add(-24 * time.Hour)
	owner := h.addUser()
	var records []why.Record
	for i := range n {
		at := cut.Add(time.Duration(i-n) * time.Hour)
		s := h.newSession(owner)
		s.ID, s.CreatedAt, s.RotatedAt = ulid.New(at), at, at
		records = append(records, denial(i, doorward.TokenExpired, "", ""))
		h.update(func(tx auth.Tx) error {
			return errors.Join(tx.InsertSession(s), tx.InsertEvent(event.Event{ID: ulid.New(at), Kind: event.KeyAdded, By: "server"}),
				tx.InsertDenials(records[i:], nil))
		})
	}
	kept := old(cut)
	kept.MaxDenials = 2
	for i, want := range []int{9, 8, 2, 0} { // of 7 sessions, 7 events and 5 denials
		same(h, fmt.Sprintf("purge %d", i+1), h.purge(kept, limit), want)
	}
	same(h, "sessions", len(get(h, func(tx auth.Tx) ([]session.Session, error) { return tx.Sessions(owner.ID, 100) })), 0)
	same(h, "the latest denials", h.denials(auth.DenialQuery{}), []why.Record{records[n-1], records[n-2]})
}

// purgeNothing: what nobody said anything about is needed.
func purgeNothing(h *house) {
	a := h.addAged(now.Add(-10000 * time.Hour))
	same(h, "gone", h.purge(auth.Retention{}, 100), 0)
	same(h, "gone of none", h.purge(old(now.Add(time.Hour)), 0), 0)
	same(h, "left", h.left(a), everything)
}
