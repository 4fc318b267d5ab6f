package storetest

import (
	"context"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/signing"
)

// lateness is how late an entry may be seen. The promise is 250 ms; the rest is
// for a machine that runs all tests at once.
const lateness = 2 * time.Second

// follower collects what Follow applies.
type follower struct {
	*house
	entries chan auth.Revocation
	looks   chan struct{} // one place: a look that found nothing
	result  chan error
	stop    context.CancelFunc
}

func (h *house) follow(s auth.Store, after int64) *follower {
	ctx, stop := context.WithCancel(h.Context())
	f := &follower{h, make(chan auth.Revocation, 1000), make(chan struct{}, 1), make(chan error, 1), stop}
	go func() {
		f.result <- s.Follow(ctx, after, func(batch []auth.Revocation) {
			for _, r := range batch {
				f.entries <- r
			}
			if len(batch) == 0 {
				select {
				case f.looks <- struct{}{}:
				default:
				}
			}
		})
	}()
	h.Cleanup(stop)
	return f
}

// expect asserts that the next entries are about these, in this order.
func (f *follower) expect(subjects ...string) (last auth.Revocation) {
	f.Helper()
	for _, want := range subjects {
		select {
		case r := <-f.entries:
			if r.Subject != want || r.Seq <= last.Seq {
				f.Fatalf("got entry %d about %s after entry %d, want one about %s", r.Seq, r.Subject, last.Seq, want)
			}
			last = r
		case err := <-f.result:
			f.Fatalf("Follow returned %v", err)
		case <-time.After(lateness):
			f.Fatalf("no entry about %s within %v", want, lateness)
		}
	}
	return last
}

func (h *house) endNew(n int) (subjects []string) {
	h.Helper()
	owner := h.addUser()
	for range n {
		s := h.addSession(owner)
		h.endSession(s.ID, now)
		subjects = append(subjects, s.ID.String())
	}
	return subjects
}

func follow(h *house) {
	before := h.endNew(3)
	all := h.follow(h.plain, 0)
	last := all.expect(before...)
	rest := h.follow(h.plain, last.Seq)
	later := h.endNew(3)
	all.expect(later...)
	rest.expect(later...)

	h.update(func(tx auth.Tx) error { return tx.InsertKey(signing.Record{ID: "key", CreatedAt: now, ActiveAt: now}) })
	h.update(func(tx auth.Tx) error { return tx.DeleteKey("key") })
	all.expect("key", "key")
	rest.expect("key", "key")
}

func followTheOther(h *house) {
	other := h.open()
	f := h.follow(other, 0)
	for range 5 {
		f.expect(h.endNew(2)...)
	}
	// More than fit a page, at once.
	owner := h.addUser()
	var want []string
	h.must(h.plain.Update(h.Context(), func(tx auth.Tx) error {
		for range 1100 {
			s := h.newSession(owner)
			if err := tx.InsertSession(s); err != nil {
				return err
			}
			if _, err := tx.EndSession(s.ID, end(now)); err != nil {
				return err
			}
			want = append(want, s.ID.String())
		}
		return nil
	}))
	f.expect(want...)
}

func followEnds(h *house) {
	ended := h.endNew(1)
	f := h.follow(h.plain, 0)
	f.expect(ended...)
	f.stop()
	select {
	case err := <-f.result:
		if err != nil {
			h.Errorf("Follow returned %v when its context ended", err)
		}
	case <-time.After(lateness):
		h.Error("Follow did not return when its context ended")
	}

	// A store that closes does not leave who follows it hanging.
	other := h.open()
	f = h.follow(other, 0)
	f.expect(ended...)
	h.must(other.Close())
	if err := <-f.result; err == nil {
		h.Error("Follow returned no error when its store was closed")
	}
}

// followLooks: who follows a log to which nothing is added learns again and
// again that it is so, and no entry twice.
func followLooks(h *house) {
	ended := h.endNew(1)
	f := h.follow(h.open(), 0)
	f.expect(ended...)
	for range 2 {
		select {
		case <-f.looks:
		case <-time.After(lateness):
			h.Fatalf("no word within %v that there was nothing", lateness)
		}
	}
	if n := len(f.entries); n != 0 {
		h.Errorf("%d entries more", n)
	}
}
