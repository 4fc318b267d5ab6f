package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/why"
)

func (h *house) log(after int64, limit int) []auth.Revocation {
	h.Helper()
	return get(h, func(tx auth.Tx) ([]auth.Revocation, error) { return tx.Revocations(after, limit) })
}

func subjects(log []auth.Revocation) []string {
	out := make([]string, len(log))
	for i, r := range log {
		out[i] = r.Subject
	}
	return out
}

func revocations(h *house) {
	owner := h.addUser()
	var want []string
	for i := range 5 {
		s := h.addSession(owner)
		h.endSession(s.ID, now.Add(time.Duration(i)*time.Millisecond))
		want = append(want, s.ID.String())
	}
	all := h.log(0, 100)
	same(h, "subjects", subjects(all), want)
	for i, r := range all {
		if e := end(r.At); r.Reason != string(e.Reason) || r.By != e.By {
			h.Errorf("entry %d ended because of %q, by %q", i, r.Reason, r.By)
		}
		if r.Kind != auth.RevokedSession || !r.At.Equal(now.Add(time.Duration(i)*time.Millisecond)) || r.Seq <= 0 || i > 0 && r.Seq <= all[i-1].Seq {
			h.Errorf("entry %d is %+v", i, r)
		}
	}
	same(h, "after the second", subjects(h.log(all[1].Seq, 100)), want[2:])
	same(h, "at most one", subjects(h.log(all[0].Seq, 1)), want[1:2])
	same(h, "after the last", subjects(h.log(all[4].Seq, 100)), []string{})
	same(h, "at most none", subjects(h.log(0, 0)), []string{})

	// Nobody sees an entry whose transaction was rolled back, and none takes
	// the place of one that was seen.
	s := h.addSession(owner)
	_ = h.plain.Update(h.Context(), func(tx auth.Tx) error {
		if _, err := tx.EndSession(s.ID, end(now)); err != nil {
			return err
		}
		return errFirst
	})
	same(h, "after a rollback", subjects(h.log(all[4].Seq, 100)), []string{})
}

// revocationsOfManyEnders: who has read up to a number has missed nothing
// before it, however many end sessions at once.
func revocationsOfManyEnders(h *house) {
	const enders, each = 8, 10
	owner := h.addUser()
	var live [enders][]session.Session
	for i := range live {
		for range each {
			live[i] = append(live[i], h.addSession(owner))
		}
	}
	stores := []auth.Store{h.plain, h.open()}
	finished := make(chan struct{})
	var wg sync.WaitGroup
	for i := range enders {
		wg.Go(func() {
			for _, s := range live[i] {
				err := stores[i%len(stores)].Update(h.Context(), func(tx auth.Tx) error {
					_, err := tx.EndSession(s.ID, end(now))
					return err
				})
				if err != nil {
					h.Error(err)
				}
			}
		})
	}
	go func() {
		wg.Wait()
		close(finished)
	}()
	var seen []string
	var after int64
	for done := false; ; {
		page := h.log(after, 7)
		for _, r := range page {
			seen, after = append(seen, r.Subject), r.Seq
		}
		if len(page) > 0 {
			continue
		}
		if done {
			break
		}
		select {
		case <-finished:
			done = true // one more look: all that there will be is there now
		default:
		}
	}
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); n != enders*each || len(seen) != n {
		h.Errorf("saw %d entries of %d sessions, want %d of each", len(seen), n, enders*each)
	}
	same(h, "read at once", len(h.log(0, 1000)), enders*each)
}

func counts(h *house) {
	key, other := throttle.PerAccount.Key("anna", "192.0.2.1"), throttle.PerAccount.Key("berta", "192.0.2.1")
	count := func(k throttle.Key) throttle.Count {
		h.Helper()
		return get(h, func(tx auth.Tx) (throttle.Count, error) { return tx.Count(k) })
	}
	set := func(k throttle.Key, c throttle.Count) {
		h.Helper()
		h.update(func(tx auth.Tx) error { return tx.SetCount(k, c, now.Add(time.Hour)) })
	}
	same(h, "unknown", count(key), throttle.Count{})
	first := throttle.Count{Failures: 1, Since: now}
	set(key, first)
	same(h, "first", count(key), first)
	second := throttle.Count{Failures: 2, Since: now.Add(time.Millisecond)}
	set(key, second)
	set(other, first)
	same(h, "second", count(key), second)
	set(key, throttle.Count{})
	set(key, throttle.Count{}) // to forget what is forgotten is no error
	same(h, "forgotten", count(key), throttle.Count{})
	same(h, "the other", count(other), first)
}

func keys(h *house) {
	record := func(id string, age time.Duration, use signing.Use) signing.Record {
		return signing.Record{
			ID: id, Use: use, Algorithm: "ES256", Sealed: []byte{0, 1, 0xFF, 'x', 0},
			CreatedAt: now.Add(-age), ActiveAt: now.Add(-age + time.Millisecond),
		}
	}
	young, old := record("b-young", time.Hour, signing.UseAccess), record("a-old", 2*time.Hour, signing.UseRefresh)
	young.Sealed = make([]byte, 5000) // an RSA key, and more
	h.update(func(tx auth.Tx) error { return tx.InsertKey(young) })
	h.update(func(tx auth.Tx) error { return tx.InsertKey(old) })
	stored := func() []signing.Record { return get(h, auth.Tx.Keys) }
	same(h, "oldest first", stored(), []signing.Record{old, young})

	h.refuses(auth.ErrExists, func(tx auth.Tx) error { return tx.InsertKey(old) })
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { return tx.DeleteKey("unknown") })
	h.update(func(tx auth.Tx) error { return tx.DeleteKey(old.ID) })
	same(h, "after the deletion", stored(), []signing.Record{young})

	log := h.log(0, 10)
	same(h, "the log", subjects(log), []string{young.ID, old.ID, old.ID})
	for _, r := range log {
		same(h, "kind", r.Kind, auth.ChangedKeys)
	}
}

func events(h *house) {
	anna, berta, sid := h.id(), h.id(), h.id()
	var all []event.Event
	for i, e := range []event.Event{
		{Kind: event.SessionStarted, User: anna, Session: sid, By: "user", Network: "192.0.2.1", Detail: "Zoë's 🦊"},
		{Kind: event.UserAdded, User: berta, By: "operator"},
		{Kind: event.KeyAdded, By: "server"},
		{Kind: event.TokenReused, User: anna, Session: sid, By: "server", Detail: strings.Repeat("x", 3000)},
		{Kind: event.PasswordChanged, User: anna, By: "user"},
	} {
		e.ID = ulid.New(now.Add(time.Duration(i) * time.Millisecond))
		h.update(func(tx auth.Tx) error { return tx.InsertEvent(e) })
		all = append(all, e)
	}
	list := func(owner, of ulid.ID, limit int) []event.Event {
		return get(h, func(tx auth.Tx) ([]event.Event, error) { return tx.Events(owner, of, limit) })
	}
	pick := func(is ...int) (out []event.Event) {
		for _, i := range is {
			out = append(out, all[i])
		}
		return out
	}
	none := ulid.ID{}
	same(h, "all", list(none, none, 100), pick(4, 3, 2, 1, 0))
	same(h, "the latest two", list(none, none, 2), pick(4, 3))
	same(h, "of one account", list(anna, none, 100), pick(4, 3, 0))
	same(h, "of one session", list(none, sid, 100), pick(3, 0))
	same(h, "the latest of both", list(anna, sid, 1), pick(3))
	same(h, "of a session that is another's", len(list(berta, sid, 100)), 0)
	same(h, "none", len(list(none, none, 0)), 0)
}

// denial returns the record of a denial, i milliseconds after the first.
func denial(i int, code doorward.Code, owner, of string) why.Record {
	at := now.Add(time.Duration(i) * time.Millisecond)
	return why.Record{
		ID: "dn_" + ulid.New(at).String(), Code: code, Status: 401, At: at,
		Method: "POST", Path: "/auth/refresh", Network: "192.0.2.1", Agent: "curl/8 \t \"quoted\" ü", Node: "a",
		Detail: "The access token has expired",
		Private: doorward.Reason{
			Check: "exp", Text: "expired 3 s ago <&>", Next: "renew", User: owner, Session: of,
			Token: doorward.TokenRef{ID: "j", Key: "k", Fingerprint: "0123abcd"}, By: 3 * time.Second,
		},
	}
}

func (h *house) addDenials(records ...why.Record) {
	h.Helper()
	h.update(func(tx auth.Tx) error { return tx.InsertDenials(records, nil) })
}

func (h *house) denials(q auth.DenialQuery) []why.Record {
	h.Helper()
	return get(h, func(tx auth.Tx) ([]why.Record, error) { return tx.Denials(q) })
}

func denials(h *house) {
	full := denial(0, doorward.TokenExpired, "anna", "s1")
	bare := why.Record{ID: denial(1, "", "", "").ID, Code: doorward.TokenMissing, At: now}
	h.addDenials(full, bare)
	for _, want := range []why.Record{full, bare} {
		same(h, "by id", get(h, func(tx auth.Tx) (why.Record, error) { return tx.Denial(want.ID) }), want)
	}
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.Denial("dn_unknown"); return err })

	// Who does not know whether a record was written writes it again.
	h.addDenials(full, denial(2, doorward.TokenExpired, "", ""))
	same(h, "kept once", len(h.denials(auth.DenialQuery{})), 3)
	h.update(func(tx auth.Tx) error { return tx.InsertDenials(nil, nil) })
}

func denialsByQuery(h *house) {
	var all []why.Record
	for i := range 250 {
		code, owner, of := doorward.TokenExpired, "anna", fmt.Sprintf("s%d", i%10)
		if i%2 == 1 {
			code, owner = doorward.TokenInvalid, ""
		}
		all = append(all, denial(i, code, owner, of))
	}
	h.addDenials(all...)
	for _, c := range []struct {
		name  string
		query auth.DenialQuery
	}{
		{"the latest hundred", auth.DenialQuery{}},
		{"more", auth.DenialQuery{Limit: 1000}},
		{"few", auth.DenialQuery{Limit: 3}},
		{"of a code", auth.DenialQuery{Code: string(doorward.TokenInvalid), Limit: 1000}},
		{"of an account", auth.DenialQuery{User: "anna", Limit: 1000}},
		{"of a session", auth.DenialQuery{Session: "s4", Limit: 7}},
		{"of everything", auth.DenialQuery{Code: string(doorward.TokenExpired), User: "anna", Session: "s4", After: all[100].ID, Limit: 1000}},
		{"after one", auth.DenialQuery{After: all[240].ID}},
		{"after the last", auth.DenialQuery{After: all[249].ID}},
		{"of nobody", auth.DenialQuery{User: "berta"}},
	} {
		limit := c.query.Limit
		if limit == 0 {
			limit = 100
		}
		var want []string
		for _, r := range slices.Backward(all) {
			q := c.query
			if len(want) < limit && r.ID > q.After && (q.Code == "" || q.Code == string(r.Code)) &&
				(q.User == "" || q.User == r.Private.User) && (q.Session == "" || q.Session == r.Private.Session) {
				want = append(want, r.ID)
			}
		}
		var got []string
		for _, r := range h.denials(c.query) {
			got = append(got, r.ID)
		}
		same(h, c.name, got, want)
	}
}

func floods(h *house) {
	add := func(m time.Time, code doorward.Code, n int64) {
		h.update(func(tx auth.Tx) error { return tx.InsertDenials(nil, []why.Flood{{Minute: m, Code: code, Count: n}}) })
	}
	minute := now.Truncate(time.Minute)
	add(minute, doorward.TokenExpired, 3)
	add(minute, doorward.TokenExpired, 1<<40)
	add(minute, doorward.TokenInvalid, 1)
	add(minute.Add(time.Minute), doorward.TokenInvalid, 5)
	of := func(m time.Time) []why.Flood {
		list := get(h, func(tx auth.Tx) ([]why.Flood, error) { return tx.Floods(m) })
		slices.SortFunc(list, func(a, b why.Flood) int { return strings.Compare(string(a.Code), string(b.Code)) })
		return list
	}
	same(h, "a minute", of(minute), []why.Flood{{Minute: minute, Code: doorward.TokenExpired, Count: 3 + 1<<40}, {Minute: minute, Code: doorward.TokenInvalid, Count: 1}})
	same(h, "within the minute", len(of(minute.Add(59*time.Second))), 2)
	same(h, "the next", of(minute.Add(time.Minute)), []why.Flood{{Minute: minute.Add(time.Minute), Code: doorward.TokenInvalid, Count: 5}})
	same(h, "another", len(of(minute.Add(2*time.Minute))), 0)
}
