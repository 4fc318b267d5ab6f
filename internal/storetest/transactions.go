package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/throttle"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/internal/why"
)

var errOfCaller = errors.New("the caller's own")

// writes are all the ways to write, on rows that are there.
func writes(u user.User, s session.Session) map[string]func(auth.Tx) error {
	return map[string]func(auth.Tx) error{
		"InsertUser": func(tx auth.Tx) error {
			other := u
			other.ID[15]++
			other.EmailKey = "other@example.com"
			return tx.InsertUser(other)
		},
		"UpdateUser": func(tx auth.Tx) error {
			renamed := u
			renamed.Name = "Renamed"
			return tx.UpdateUser(renamed)
		},
		"InsertSession": func(tx auth.Tx) error {
			other := s
			other.ID[15]++
			return tx.InsertSession(other)
		},
		"EndSession": func(tx auth.Tx) error { _, err := tx.EndSession(s.ID, end(now)); return err },
		"SetCount": func(tx auth.Tx) error {
			return tx.SetCount(throttle.Key{1}, throttle.Count{Failures: 1, Since: now}, now)
		},
		"InsertKey":    func(tx auth.Tx) error { return tx.InsertKey(signing.Record{ID: "k", CreatedAt: now}) },
		"InsertAPIKey": func(tx auth.Tx) error { return tx.InsertAPIKey(apikey.Key{ID: s.ID, Name: "k", CreatedAt: now}) },
		"InsertEvent":  func(tx auth.Tx) error { return tx.InsertEvent(event.Event{ID: s.ID, Kind: event.KeyAdded}) },
		"InsertDenials": func(tx auth.Tx) error {
			return tx.InsertDenials([]why.Record{denial(0, doorward.TokenExpired, "", "")}, nil)
		},
		"InsertFloods": func(tx auth.Tx) error {
			return tx.InsertDenials(nil, []why.Flood{{Minute: now, Code: doorward.TokenExpired, Count: 1}})
		},
	}
}

// state is all that writes can have changed, as text.
func (h *house) state(u user.User, s session.Session) (state string) {
	h.Helper()
	h.view(func(tx auth.Tx) error {
		users, err := tx.Users([16]byte{}, 100)
		mine, err2 := tx.Sessions(u.ID, 100)
		log, err3 := tx.Revocations(0, 100)
		count, err4 := tx.Count(throttle.Key{1})
		keys, err5 := tx.Keys()
		events, err6 := tx.Events([16]byte{}, [16]byte{}, 100)
		denials, err7 := tx.Denials(auth.DenialQuery{})
		floods, err8 := tx.Floods(now)
		apiKeys, err9 := tx.APIKeys([16]byte{}, 100)
		state = show([]any{users, mine, log, count, keys, events, denials, floods, apiKeys})
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9)
	})
	return state
}

func updateIsAtomic(h *house) {
	u := h.addUser()
	s := h.addSession(u)
	before := h.state(u, s)
	err := h.store.Update(h.Context(), func(tx auth.Tx) error {
		for name, write := range writes(u, s) {
			if err := write(tx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		// What was written is seen within.
		if got, err := tx.User(u.ID); err != nil || got.Name != "Renamed" {
			h.Errorf("within the transaction the name is %q, %v", got.Name, err)
		}
		return errOfCaller
	})
	if !errors.Is(err, errOfCaller) {
		h.Errorf("got the error %v, want the function's own", err)
	}
	same(h, "nothing was written", h.state(u, s), before)
}

// updatesFailAlone: of many that are under way at once, those that fail write
// nothing and the others all that they meant to.
func updatesFailAlone(h *house) {
	const callers = 60
	owner := h.addUser()
	live := make([]session.Session, callers)
	for i := range live {
		live[i] = h.addSession(owner)
	}
	var wg sync.WaitGroup
	for i, s := range live {
		wg.Go(func() {
			switch i % 3 {
			case 0:
				if ok, err := h.plain.SwapSession(h.Context(), s, rotated(s, 1)); !ok || err != nil {
					h.Errorf("SwapSession: %v, %v", ok, err)
				}
			case 1:
				if err := h.plain.Update(h.Context(), func(tx auth.Tx) error {
					_, err := tx.EndSession(s.ID, end(now))
					return err
				}); err != nil {
					h.Error(err)
				}
			case 2:
				if err := h.plain.Update(h.Context(), func(tx auth.Tx) error {
					if ended, err := tx.EndSession(s.ID, end(now)); err != nil || !ended {
						h.Errorf("EndSession: %v, %v", ended, err)
					}
					return errOfCaller
				}); !errors.Is(err, errOfCaller) {
					h.Errorf("got the error %v, want the function's own", err)
				}
			}
		})
	}
	wg.Wait()
	for i, s := range live {
		want := s
		switch i % 3 {
		case 0:
			want = rotated(s, 1)
		case 1:
			want.End = end(now)
		}
		same(h, fmt.Sprintf("session %d", i), get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), want)
	}
	same(h, "endings", len(h.log(0, 1000)), callers/3)
}

// updateSeesTheLatest: many add to one count through two handles, and none of
// it is lost.
func updateSeesTheLatest(h *house) {
	const callers, each = 16, 10
	key := throttle.Key{7}
	stores := []auth.Store{h.plain, h.open()}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range each {
				err := stores[i%len(stores)].Update(h.Context(), func(tx auth.Tx) error {
					c, err := tx.Count(key)
					if err != nil {
						return err
					}
					c.Failures++
					return tx.SetCount(key, c, now)
				})
				if err != nil {
					h.Error(err)
				}
			}
		})
	}
	wg.Wait()
	same(h, "the sum", get(h, func(tx auth.Tx) (throttle.Count, error) { return tx.Count(key) }).Failures, callers*each)
}

// updatePanics: what a function does to its goroutine is its caller's alone.
func updatePanics(h *house) {
	u := h.addUser()
	attempt := func(fn func()) (recovered any) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { recovered = recover() }()
			err := h.plain.Update(h.Context(), func(tx auth.Tx) error {
				renamed := u
				renamed.Name = "Renamed"
				if err := tx.UpdateUser(renamed); err != nil {
					h.Error(err)
				}
				fn()
				return nil
			})
			h.Errorf("Update returned %v", err)
		}()
		<-done
		return recovered
	}
	same(h, "recovered", attempt(func() { panic("of the caller") }), any("of the caller"))
	same(h, "recovered from an exit", attempt(runtime.Goexit), nil)
	same(h, "nothing was written", get(h, func(tx auth.Tx) (user.User, error) { return tx.User(u.ID) }), u)

	func() {
		defer func() { same(h, "recovered from a View", recover(), any("of the reader")) }()
		_ = h.plain.View(h.Context(), func(auth.Tx) error { panic("of the reader") })
	}()
	for range 20 { // more than there can be connections to lose
		h.must(h.plain.Check(h.Context()))
	}
}

// transactionEnds: a transaction that was kept is of no use afterwards.
func transactionEnds(h *house) {
	u := h.addUser()
	var kept []auth.Tx
	h.must(h.plain.Update(h.Context(), func(tx auth.Tx) error { kept = append(kept, tx); return nil }))
	h.must(h.plain.View(h.Context(), func(tx auth.Tx) error { kept = append(kept, tx); return nil }))
	for _, tx := range kept {
		if _, err := tx.User(u.ID); err == nil || errors.Is(err, auth.ErrNotFound) {
			h.Errorf("a transaction that is over answers %v", err)
		}
		if err := tx.UpdateUser(u); err == nil || errors.Is(err, auth.ErrNotFound) {
			h.Errorf("a transaction that is over writes: %v", err)
		}
	}
}

func viewWritesNothing(h *house) {
	u := h.addUser()
	s := h.addSession(u)
	k := h.addAPIKey()
	before := h.state(u, s)
	all := writes(u, s)
	all["RevokeAPIKey"] = func(tx auth.Tx) error {
		_, err := tx.RevokeAPIKey(k.ID, apikey.End{At: now, By: "operator"})
		return err
	}
	all["TouchAPIKey"] = func(tx auth.Tx) error { return tx.TouchAPIKey(k.ID, now) }
	all["DeleteKey"] = func(tx auth.Tx) error { return tx.DeleteKey("k") }
	all["Purge"] = func(tx auth.Tx) error { _, err := tx.Purge(old(now.Add(time.Hour)), 10); return err }
	for name, write := range all {
		err := h.plain.View(h.Context(), func(tx auth.Tx) error {
			err := write(tx)
			if err == nil || errors.Is(err, auth.ErrNotFound) || errors.Is(err, auth.ErrExists) {
				h.Errorf("%s in a View: %v", name, err)
			}
			return nil
		})
		if err != nil {
			h.Errorf("a View in which %s failed: %v", name, err)
		}
	}
	same(h, "nothing was written", h.state(u, s), before)
}

// viewSeesOneState, that of its first look, whatever is written beside it.
func viewSeesOneState(h *house) {
	u := h.addUser()
	s := h.addSession(u)
	h.must(h.plain.View(h.Context(), func(tx auth.Tx) error {
		if _, err := tx.User(u.ID); err != nil {
			return err
		}
		renamed := u
		renamed.Name = "Renamed"
		h.must(h.plain.Update(h.Context(), func(tx auth.Tx) error { return tx.UpdateUser(renamed) }))
		if ok, err := h.plain.SwapSession(h.Context(), s, rotated(s, 1)); !ok || err != nil {
			h.Errorf("SwapSession: %v, %v", ok, err)
		}
		seenUser, err := tx.User(u.ID)
		seenSession, err2 := tx.Session(s.ID)
		same(h, "the account", seenUser, u)
		same(h, "the session", seenSession, s)
		return errors.Join(err, err2)
	}))
	same(h, "afterwards", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), rotated(s, 1))
}

// canceled: for a caller that is gone nothing is done.
func canceled(h *house) {
	u := h.addUser()
	s := h.addSession(u)
	gone, cancel := context.WithCancel(h.Context())
	cancel()
	for name, call := range map[string]func() error{
		"View": func() error {
			return h.plain.View(gone, func(auth.Tx) error { h.Error("a View ran"); return nil })
		},
		"Update": func() error {
			return h.plain.Update(gone, func(auth.Tx) error { h.Error("an Update ran"); return nil })
		},
		"ReadSession": func() error { _, err := h.plain.ReadSession(gone, s.ID); return err },
		"SwapSession": func() error { _, err := h.plain.SwapSession(gone, s, rotated(s, 1)); return err },
		"Check":       func() error { return h.plain.Check(gone) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			h.Errorf("%s returns %v", name, err)
		}
	}
	same(h, "the session", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }), s)

	// Who leaves while others are served leaves nothing half done.
	var swapped atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				ctx, cancel := context.WithCancel(h.Context())
				wg.Go(cancel)
				st, err := h.plain.ReadSession(ctx, s.ID)
				if err == nil {
					var ok bool
					if ok, err = h.plain.SwapSession(ctx, st.Session, rotated(st.Session, 1)); ok {
						swapped.Add(1)
					}
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					h.Error(err)
				}
			}
		})
	}
	wg.Wait()
	same(h, "generations", get(h, func(tx auth.Tx) (session.Session, error) { return tx.Session(s.ID) }).Generation, s.Generation+uint32(swapped.Load()))
}

func twoHandles(h *house) {
	other := h.open()
	u := h.addUser()
	s := h.addSession(u)
	var seen user.User
	h.must(other.View(h.Context(), func(tx auth.Tx) (err error) { seen, err = tx.User(u.ID); return err }))
	same(h, "the account", seen, u)
	for i := range 10 {
		from, to := h.plain, other
		if i%2 == 1 {
			from, to = to, from
		}
		st, err := from.ReadSession(h.Context(), s.ID)
		h.must(err)
		next := rotated(st.Session, byte(i))
		if ok, err := from.SwapSession(h.Context(), st.Session, next); !ok || err != nil {
			h.Fatalf("SwapSession: %v, %v", ok, err)
		}
		st, err = to.ReadSession(h.Context(), s.ID)
		h.must(err)
		same(h, "at the other", st.Session, next)
	}
}

func reopen(h *house) {
	u := h.addUser()
	s := h.addSession(u)
	next := rotated(s, 1)
	if ok, err := h.plain.SwapSession(h.Context(), s, next); !ok || err != nil {
		h.Fatalf("SwapSession: %v, %v", ok, err)
	}
	want := h.state(u, s)
	h.must(h.plain.Close())
	h.plain = h.open()
	h.store = Twice(h.plain)
	same(h, "what was kept", h.state(u, s), want)
}

func closed(h *house) {
	s := h.addSession(h.addUser())
	h.must(h.plain.Close())
	for name, call := range map[string]func() error{
		"View":        func() error { return h.plain.View(h.Context(), func(auth.Tx) error { return nil }) },
		"Update":      func() error { return h.plain.Update(h.Context(), func(auth.Tx) error { return nil }) },
		"ReadSession": func() error { _, err := h.plain.ReadSession(h.Context(), s.ID); return err },
		"SwapSession": func() error { _, err := h.plain.SwapSession(h.Context(), s, rotated(s, 1)); return err },
		"Follow":      func() error { return h.plain.Follow(h.Context(), 0, func([]auth.Revocation) {}) },
		"Check":       func() error { return h.plain.Check(h.Context()) },
		"Close":       func() error { return h.plain.Close() },
	} {
		if err := call(); err == nil || errors.Is(err, auth.ErrNotFound) {
			h.Errorf("%s after Close: %v", name, err)
		}
	}
}

// closeWaits: whoever was let in gets an answer, and a yes is still true.
func closeWaits(h *house) {
	const callers = 32
	owner := h.addUser()
	live := make([]session.Session, callers)
	for i := range live {
		live[i] = h.addSession(owner)
	}
	var answered [callers]bool
	var wg sync.WaitGroup
	for i, s := range live {
		wg.Go(func() { answered[i], _ = h.plain.SwapSession(h.Context(), s, rotated(s, 1)) })
	}
	h.must(h.plain.Close())
	wg.Wait()
	h.plain = h.open()
	for i, s := range live {
		st, err := h.plain.ReadSession(h.Context(), s.ID)
		h.must(err)
		if swapped := st.Session.Generation == 2; swapped != answered[i] {
			h.Errorf("session %d: answered %v, stored %v", i, answered[i], swapped)
		}
	}
}
