// Package storetest says what every store must do: each promise that
// [auth.Store] and [auth.Tx] make is a test here.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// Run tests a kind of store. create makes an empty database and returns a
// function that opens one more handle of it; create, or t.Cleanup, closes what
// is still open in the end, and a handle may be closed before that.
func Run(t *testing.T, create func(t *testing.T) (open func() auth.Store)) {
	for _, test := range []struct {
		name string
		run  func(*house)
	}{
		{"Users", users},
		{"UsersByPage", usersByPage},
		{"UserTaken", userTaken},
		{"UpdateUser", updateUser},
		{"Sessions", sessions},
		{"SessionsOfUser", sessionsOfUser},
		{"EndSession", endSession},
		{"ReadSession", readSession},
		{"SwapSession", swapSession},
		{"SwapOnlyOnce", swapOnlyOnce},
		{"SwapOrEnd", swapOrEnd},

		{"Revocations", revocations},
		{"RevocationsOfManyEnders", revocationsOfManyEnders},
		{"Counts", counts},
		{"Keys", keys},
		{"APIKeys", apiKeys},
		{"RevokeAPIKey", revokeAPIKey},
		{"RevokeAPIKeyOnce", revokeAPIKeyOnce},
		{"TouchAPIKey", touchAPIKey},
		{"Events", events},
		{"Denials", denials},
		{"DenialsByQuery", denialsByQuery},
		{"Floods", floods},
		{"PurgeByAge", purgeByAge},
		{"PurgeByNumber", purgeByNumber},
		{"PurgeNothing", purgeNothing},

		{"UpdateIsAtomic", updateIsAtomic},
		{"UpdatesFailAlone", updatesFailAlone},
		{"UpdateSeesTheLatest", updateSeesTheLatest},
		{"UpdatePanics", updatePanics},
		{"TransactionEnds", transactionEnds},
		{"ViewWritesNothing", viewWritesNothing},
		{"ViewSeesOneState", viewSeesOneState},
		{"Canceled", canceled},
		{"TwoHandles", twoHandles},
		{"Reopen", reopen},
		{"Closed", closed},
		{"CloseWaits", closeWaits},

		{"Follow", follow},
		{"FollowTheOther", followTheOther},
		{"FollowEnds", followEnds},
		{"FollowLooks", followLooks},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := &house{T: t, open: create(t)}
			h.plain = h.open()
			h.store = Twice(h.plain)
			test.run(h)
		})
	}
}

// Twice returns a store that runs what it is given twice, the first time in a
// transaction that is then rolled back: a function that minds, because it hands
// out what it added up, is found out.
func Twice(s auth.Store) auth.Store { return twice{s} }

type twice struct{ auth.Store }

var errFirst = errors.New("the first of two runs")

func (s twice) Update(ctx context.Context, fn func(auth.Tx) error) error {
	err := s.Store.Update(ctx, func(tx auth.Tx) error {
		_ = fn(tx) // the second run answers
		return errFirst
	})
	if !errors.Is(err, errFirst) {
		return err
	}
	return s.Store.Update(ctx, fn)
}

func (s twice) View(ctx context.Context, fn func(auth.Tx) error) error {
	err := s.Store.View(ctx, func(tx auth.Tx) error {
		_ = fn(tx)
		return errFirst
	})
	if !errors.Is(err, errFirst) {
		return err
	}
	return s.Store.View(ctx, fn)
}

// house is one test with its database.
type house struct {
	*testing.T
	open  func() auth.Store // another handle
	plain auth.Store        // the first
	store auth.Store        // the first, that runs everything twice
	begun int               // how many ids were made
}

// now is the moment at which tests begin.
var now = time.Date(2026, 3, 14, 15, 9, 26, 535_000_000, time.UTC)

// id returns ids that are later every time, a second each.
func (h *house) id() ulid.ID {
	h.begun++
	return ulid.New(now.Add(time.Duration(h.begun) * time.Second))
}

// must ends the test on an error.
func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) update(fn func(auth.Tx) error) {
	h.Helper()
	h.must(h.store.Update(h.Context(), fn))
}

func (h *house) view(fn func(auth.Tx) error) {
	h.Helper()
	h.must(h.store.View(h.Context(), fn))
}

// get reads in a View of its own.
func get[T any](h *house, read func(auth.Tx) (T, error)) (v T) {
	h.Helper()
	h.view(func(tx auth.Tx) (err error) {
		v, err = read(tx)
		return err
	})
	return v
}

// refuses asserts the error of a function in a transaction, which goes on.
func (h *house) refuses(want error, fn func(auth.Tx) error) {
	h.Helper()
	h.update(func(tx auth.Tx) error {
		if err := fn(tx); !errors.Is(err, want) {
			h.Errorf("got the error %v, want %v", err, want)
		}
		return nil
	})
}

// same compares values that %+v shows in full; times must be the same instant
// to the nanosecond.
func same[T any](h *house, what string, got, want T) {
	h.Helper()
	if g, w := show(got), show(want); g != w {
		h.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func show(v any) string { return fmt.Sprintf("%+v", v) }

// addUser inserts an account of its own.
func (h *house) addUser() user.User {
	h.Helper()
	id := h.id()
	u := user.User{
		ID: id, Email: "Anna." + id.String() + "@Example.com", EmailKey: "anna." + id.String() + "@example.com",
		Name: "Änna Ωλγα 安娜 👩‍💻", State: user.Active, Password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
		CreatedAt: now, PasswordAt: now.Add(time.Millisecond), StateAt: now.Add(2 * time.Millisecond), StateBy: "user",
	}
	h.update(func(tx auth.Tx) error { return tx.InsertUser(u) })
	return u
}

// newSession returns a session that is not stored yet.
func (h *house) newSession(owner user.User) session.Session {
	id := h.id()
	return session.Start(id, owner.ID, []string{"pwd", "otp"}, "Firefox auf Zoës Läptop 🦊", "2001:db8:1:2::/64", id.Time().UTC())
}

func (h *house) addSession(owner user.User) session.Session {
	h.Helper()
	s := h.newSession(owner)
	h.update(func(tx auth.Tx) error { return tx.InsertSession(s) })
	return s
}

// rotated returns the session after one more refresh.
func rotated(s session.Session, mark byte) session.Session {
	s.Generation++
	for i := range s.Parent {
		s.Parent[i], s.Attempt[i] = mark, ^mark
	}
	s.RotatedAt = s.RotatedAt.Add(1001 * time.Millisecond)
	return s
}

func end(at time.Time) session.End {
	return session.End{At: at, Reason: session.EndByUser, By: "operator"}
}

func (h *house) endSession(id ulid.ID, at time.Time) {
	h.Helper()
	h.update(func(tx auth.Tx) error {
		if ended, err := tx.EndSession(id, end(at)); err != nil || !ended {
			return fmt.Errorf("EndSession: %v, %w", ended, err)
		}
		return nil
	})
}

func ids[T any](vs []T, id func(T) ulid.ID) []ulid.ID {
	out := make([]ulid.ID, len(vs))
	for i, v := range vs {
		out[i] = id(v)
	}
	return out
}

func latestFirst(ids []ulid.ID) []ulid.ID {
	return slices.SortedFunc(slices.Values(ids), func(a, b ulid.ID) int { return slices.Compare(b[:], a[:]) })
}
