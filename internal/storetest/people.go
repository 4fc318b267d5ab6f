package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

func users(h *house) {
	u := h.addUser()
	same(h, "by id", get(h, func(tx auth.Tx) (user.User, error) { return tx.User(u.ID) }), u)
	same(h, "by address", get(h, func(tx auth.Tx) (user.User, error) { return tx.UserByEmail(u.EmailKey) }), u)

	// The least that an account has.
	bare := user.User{ID: h.id(), Email: "b@example.com", EmailKey: "b@example.com", State: user.Inactive, CreatedAt: now}
	h.update(func(tx auth.Tx) error { return tx.InsertUser(bare) })
	same(h, "bare", get(h, func(tx auth.Tx) (user.User, error) { return tx.User(bare.ID) }), bare)

	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.User(h.id()); return err })
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.UserByEmail(u.Email); return err }) // not the key
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.UserByEmail(""); return err })
}

func usersByPage(h *house) {
	var added []ulid.ID
	for range 5 {
		added = append(added, h.addUser().ID)
	}
	page := func(after ulid.ID, limit int) []ulid.ID {
		return ids(get(h, func(tx auth.Tx) ([]user.User, error) { return tx.Users(after, limit) }), func(u user.User) ulid.ID { return u.ID })
	}
	same(h, "all", page(ulid.ID{}, 100), added)
	same(h, "the first two", page(ulid.ID{}, 2), added[:2])
	same(h, "the next two", page(added[1], 2), added[2:4])
	same(h, "the rest", page(added[3], 2), added[4:])
	same(h, "beyond", page(added[4], 2), []ulid.ID{})
	same(h, "none", page(ulid.ID{}, 0), []ulid.ID{})
	same(h, "less than none", page(ulid.ID{}, -1), []ulid.ID{})
}

func userTaken(h *house) {
	u := h.addUser()
	sameID, sameKey := u, u
	sameID.EmailKey = "other@example.com"
	sameKey.ID = h.id()
	fresh := sameID
	fresh.ID = h.id()
	h.update(func(tx auth.Tx) error {
		for _, taken := range []user.User{sameID, sameKey} {
			if err := tx.InsertUser(taken); !errors.Is(err, auth.ErrExists) {
				h.Errorf("got the error %v, want %v", err, auth.ErrExists)
			}
		}
		// A refusal is no reason to give up the transaction.
		return tx.InsertUser(fresh)
	})
	same(h, "the first", get(h, func(tx auth.Tx) (user.User, error) { return tx.User(u.ID) }), u)
	same(h, "the fresh one", get(h, func(tx auth.Tx) (user.User, error) { return tx.UserByEmail(fresh.EmailKey) }), fresh)
}

func updateUser(h *house) {
	other, u := h.addUser(), h.addUser()
	changed := user.User{
		ID: u.ID, Email: "New@example.org", EmailKey: "new@example.org", Name: "", State: user.Suspended, Password: "",
		CreatedAt: now.Add(time.Hour), PasswordAt: now.Add(2 * time.Hour), StateAt: now.Add(3 * time.Hour), StateBy: "operator",
	}
	h.update(func(tx auth.Tx) error { return tx.UpdateUser(changed) })
	changed.CreatedAt = u.CreatedAt
	same(h, "changed", get(h, func(tx auth.Tx) (user.User, error) { return tx.User(u.ID) }), changed)
	same(h, "the other", get(h, func(tx auth.Tx) (user.User, error) { return tx.User(other.ID) }), other)
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.UserByEmail(u.EmailKey); return err })

	changed.EmailKey = other.EmailKey
	h.refuses(auth.ErrExists, func(tx auth.Tx) error { return tx.UpdateUser(changed) })
	changed.ID = h.id()
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { return tx.UpdateUser(changed) })
}

func sessions(h *house) {
	owner := h.addUser()
	s := h.addSession(owner)
	same(h, "as started", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), s)

	full := rotated(h.newSession(owner), 0xA5)
	full.Generation = 1<<32 - 1
	full.AuthTime = now.Add(-time.Hour)
	full.Methods, full.Device, full.Network = nil, "", ""
	full.End = session.End{At: now.Add(time.Minute), Reason: session.EndReused}
	h.update(func(tx auth.Tx) error { return tx.InsertSession(full) })
	same(h, "with everything", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(full.ID) }), full)

	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.Session(h.id()); return err })
	h.refuses(auth.ErrExists, func(tx auth.Tx) error { return tx.InsertSession(s) })
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { return tx.InsertSession(h.newSession(user.User{ID: h.id()})) })
}

func sessionsOfUser(h *house) {
	owner, stranger := h.addUser(), h.addUser()
	var added []ulid.ID
	for range 4 {
		added = append(added, h.addSession(owner).ID)
		h.addSession(stranger)
	}
	h.endSession(added[1], now)
	list := func(limit int) []ulid.ID {
		return ids(get(h, func(tx auth.Tx) ([]session.Session, error) { return tx.Sessions(owner.ID, limit) }), sessionID)
	}
	latest := latestFirst(added)
	same(h, "all", list(100), latest)
	same(h, "the latest two", list(2), latest[:2])
	same(h, "none", list(0), []ulid.ID{})
	live := get(h, func(tx auth.Tx) ([]session.Session, error) { return tx.LiveSessions(owner.ID) })
	same(h, "live", latestFirst(ids(live, sessionID)), latestFirst([]ulid.ID{added[0], added[2], added[3]}))
	same(h, "of nobody", len(get(h, func(tx auth.Tx) ([]session.Session, error) { return tx.Sessions(h.id(), 10) })), 0)
}

func sessionID(s session.Session) ulid.ID { return s.ID }

func endSession(h *house) {
	s := h.addSession(h.addUser())
	first := session.End{At: now.Add(time.Minute), Reason: session.EndReused, By: ""}
	var ended bool
	tryEnd := func(e session.End) {
		h.update(func(tx auth.Tx) (err error) {
			ended, err = tx.EndSession(s.ID, e)
			return err
		})
	}
	tryEnd(first)
	same(h, "ended", ended, true)
	tryEnd(end(now.Add(time.Hour)))
	same(h, "ended again", ended, false)
	s.End = first
	same(h, "the ending", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), s)
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.EndSession(h.id(), first); return err })

	log := get(h, func(tx auth.Tx) ([]auth.Revocation, error) { return tx.Revocations(0, 10) })
	if len(log) != 1 || log[0].Kind != auth.RevokedSession || log[0].Subject != s.ID.String() || !log[0].At.Equal(first.At) {
		h.Errorf("the log holds %+v, want one entry for the one ending", log)
	}
}

func readSession(h *house) {
	owner := h.addUser()
	s := h.addSession(owner)
	read := func() auth.Standing {
		h.Helper()
		st, err := h.store.ReadSession(h.Context(), s.ID)
		h.must(err)
		return st
	}
	want := auth.Standing{Session: s, Email: owner.Email, Name: owner.Name, State: user.Active}
	same(h, "standing", read(), want)

	next := rotated(s, 1)
	if ok, err := h.store.SwapSession(h.Context(), s, next); !ok || err != nil {
		h.Fatalf("SwapSession: %v, %v", ok, err)
	}
	want.Session = next
	same(h, "after a swap", read(), want)

	owner.State, owner.Name = user.Suspended, "Other"
	h.update(func(tx auth.Tx) error { return tx.UpdateUser(owner) })
	want.State, want.Name = owner.State, owner.Name
	same(h, "after a suspension", read(), want)

	h.endSession(s.ID, now)
	want.Session.End = end(now)
	same(h, "after the end", read(), want)

	if _, err := h.store.ReadSession(h.Context(), h.id()); !errors.Is(err, auth.ErrNotFound) {
		h.Errorf("an unknown session: %v", err)
	}
}

func swapSession(h *house) {
	owner, other := h.addUser(), h.addUser()
	s := h.addSession(owner)
	neighbour := h.addSession(owner)
	swap := func(old, next session.Session) bool {
		h.Helper()
		ok, err := h.store.SwapSession(h.Context(), old, next)
		h.must(err)
		return ok
	}
	next := rotated(s, 7)
	meddled := next // what a swap must not write
	meddled.User, meddled.Device, meddled.Network, meddled.Methods = other.ID, "x", "y", []string{"z"}
	meddled.CreatedAt, meddled.AuthTime, meddled.End = now.Add(time.Hour), now.Add(time.Hour), end(now)
	same(h, "swapped", swap(s, meddled), true)
	same(h, "what is stored", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), next)

	same(h, "the same again", swap(s, next), false)
	ahead := next
	ahead.Generation += 5
	same(h, "from a generation to come", swap(ahead, rotated(ahead, 9)), false)
	// A store that lost its latest writes is overtaken by more than one.
	same(h, "over a gap", swap(next, rotated(ahead, 9)), true)
	same(h, "unknown", swap(h.newSession(owner), next), false)

	ended := rotated(ahead, 9)
	h.endSession(s.ID, now)
	same(h, "ended", swap(ended, rotated(ended, 3)), false)
	ended.End = end(now)
	same(h, "the ended one", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), ended)
	same(h, "the neighbour", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(neighbour.ID) }), neighbour)
}

// swapOnlyOnce: of all who swap from one generation, one succeeds, through
// whichever handle.
func swapOnlyOnce(h *house) {
	const callers, generations = 64, 20
	s := h.addSession(h.addUser())
	stores := []auth.Store{h.plain, h.open()}
	for generation := range generations {
		var winners atomic.Int32
		var winner atomic.Value
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				next := rotated(s, byte(c))
				ok, err := stores[c%len(stores)].SwapSession(h.Context(), s, next)
				if err != nil {
					h.Error(err)
				}
				if ok {
					winners.Add(1)
					winner.Store(next)
				}
			})
		}
		wg.Wait()
		if winners.Load() != 1 {
			h.Fatalf("generation %d was swapped %d times, want once", generation+1, winners.Load())
		}
		s = winner.Load().(session.Session)
		for _, store := range stores {
			st, err := store.ReadSession(h.Context(), s.ID)
			h.must(err)
			same(h, fmt.Sprintf("generation %d", s.Generation), st.Session, s)
		}
	}
}

// swapOrEnd: a swap that loses to an ending fails, and one that wins is not
// undone by it.
func swapOrEnd(h *house) {
	owner := h.addUser()
	other := h.open()
	for range 20 {
		s := h.addSession(owner)
		next := rotated(s, 1)
		var swapped, ended bool
		var wg sync.WaitGroup
		wg.Go(func() {
			var err error
			if swapped, err = h.plain.SwapSession(h.Context(), s, next); err != nil {
				h.Error(err)
			}
		})
		wg.Go(func() {
			err := other.Update(h.Context(), func(tx auth.Tx) (err error) {
				ended, err = tx.EndSession(s.ID, end(now))
				return err
			})
			if err != nil {
				h.Error(err)
			}
		})
		wg.Wait()
		want := s
		if swapped {
			want = next
		}
		want.End = end(now)
		same(h, "ended", ended, true)
		same(h, "what is stored", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), want)
	}
}
