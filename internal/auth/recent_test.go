package auth

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// logged is entry n of a log; other logs have another mark.
func logged(n int64, mark string) Revocation {
	return Revocation{Seq: n, Kind: RevokedSession, Subject: fmt.Sprint(mark, n), At: time.UnixMilli(1000 + n)}
}

func (r *Recent) all(place int64) string {
	entries, _, _ := r.After(place, 1000)
	var subjects []string
	for _, e := range entries {
		subjects = append(subjects, e.Subject)
	}
	return strings.Join(subjects, " ")
}

func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecent(time.Minute)
		entries, place, grown := r.After(r.Begin(), 10)
		if len(entries) != 0 || place != 0 {
			t.Fatalf("%v, %d", entries, place)
		}
		r.add() // of nothing nobody is told
		select {
		case <-grown:
			t.Fatal("it has grown by nothing")
		default:
		}
		r.add(logged(1, "a"), Revocation{Kind: RevokedSession, Subject: "own"}, logged(2, "a"), logged(5, "a"))
		<-grown
		if got := r.all(place); got != "a1 own a2 a5" {
			t.Error(got)
		}
		// A page at a time, each from where the last one ended.
		first, next, _ := r.After(0, 3)
		second, end, _ := r.After(next, 3)
		if len(first) != 3 || len(second) != 1 || end != 4 {
			t.Errorf("%v, then %v, then %d", first, second, end)
		}

		// What was told is found again; what was not, is not.
		for position, want := range map[string]string{
			logged(1, "a").Position(): "own a2 a5", logged(2, "a").Position(): "a5", logged(5, "a").Position(): "",
		} {
			if place, ok := r.Find(position); !ok || r.all(place) != want {
				t.Errorf("after %s comes %q, %v, want %q", position, r.all(place), ok, want)
			}
		}
		for _, position := range []string{
			"", "0", "-", "-1", "x", "3-00000000", "2", "2-", logged(2, "b").Position(), logged(9, "a").Position(), logged(0, "a").Position(),
			logged(2, "a").Position() + "0", "02" + logged(2, "a").Position()[1:], "+" + logged(2, "a").Position(), "99999999999999999999-00000000",
		} {
			if place, ok := r.Find(position); ok {
				t.Errorf("%q is found at %d", position, place)
			}
		}

		// What no longer matters goes; whoever was further on loses nothing.
		time.Sleep(r.Keep() - 20*time.Second)
		r.add(logged(6, "a"))
		time.Sleep(30 * time.Second)
		r.forget()
		if got := r.all(r.Begin()); r.Begin() != 4 || got != "a6" || r.all(0) != "a6" || r.all(5) != "" {
			t.Errorf("from %d: %q", r.Begin(), got)
		}
		if _, ok := r.Find(logged(5, "a").Position()); ok {
			t.Error("a position is found that was forgotten")
		}
		if first[0].Subject != "a1" {
			t.Error("a page that was handed out has changed")
		}

		if r.Silence() != r.Keep()+10*time.Second {
			t.Errorf("silent for %v", r.Silence())
		}
		if r.look(); r.Silence() != 0 {
			t.Errorf("silent for %v after a look", r.Silence())
		}
	})
}

// Whoever comes back with a position is told all that may be news, also where the
// log was read anew and has old entries behind new ones.
func TestFindInALogReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Auth{revoked: newRevoked(time.Minute), recent: newRecent(time.Minute)}
		read := func(from, to int64) {
			var page []Revocation
			for n := from; n <= to; n++ {
				page = append(page, logged(n, "a"))
			}
			a.take(t.Context(), page)
		}
		read(1, 5)
		time.Sleep(a.recent.Keep() - time.Minute)
		read(6, 20)
		time.Sleep(2 * time.Minute)
		a.revoked.forget()
		a.recent.forget()
		read(1, 20) // of which 1 to 5 were forgotten
		if place, ok := a.recent.Find(logged(5, "a").Position()); ok && len(strings.Fields(a.recent.all(place))) < 15 {
			t.Errorf("behind 5 come %q", a.recent.all(place))
		}
		place, ok := a.recent.Find(logged(7, "a").Position())
		if all := a.recent.all(place); !ok || !strings.HasPrefix(all, "a8 ") || !strings.Contains(all, "a20") {
			t.Errorf("behind 7 come %q, %v", all, ok)
		}
		read(21, 22)
		if place, ok := a.recent.Find(logged(21, "a").Position()); !ok || a.recent.all(place) != "a22" {
			t.Errorf("behind 21 come %q, %v", a.recent.all(place), ok)
		}
		// Numbers that were given anew.
		a.take(t.Context(), []Revocation{logged(21, "b"), logged(22, "b"), logged(23, "b")})
		for _, end := range []Revocation{logged(21, "a"), logged(21, "b"), logged(22, "b"), logged(23, "b")} {
			place, ok := a.recent.Find(end.Position())
			if all := a.recent.all(place); ok && end.Seq < 23 && !strings.Contains(all, "b23") {
				t.Errorf("behind %s come %q", end.Subject, all)
			}
		}
	})
}

// A log that is told again, as after a failover, is news only where it is new.
func TestToldAgain(t *testing.T) {
	a := &Auth{revoked: newRevoked(time.Minute)}
	told := func(entries ...Revocation) int {
		news, _ := a.apply(entries)
		return len(news)
	}
	own := logged(1, "a")
	own.Seq = 0
	a.recent = newRecent(time.Minute)
	a.tell(own)
	if n := told(logged(1, "a"), logged(2, "a")); n != 2 { // the position of one's own is news
		t.Errorf("at first: %d", n)
	}
	if n := told(logged(1, "a"), logged(2, "a"), logged(3, "a")); n != 1 {
		t.Errorf("again: %d", n)
	}
	if n := told(logged(2, "b")); n != 1 { // a number that was given anew
		t.Errorf("another entry of the same number: %d", n)
	}
	change := Revocation{Seq: 4, Kind: ChangedKeys, Subject: "k"}
	for _, want := range []bool{true, false} {
		if news, keys := a.apply([]Revocation{change}); (len(news) == 1) != want || keys != want {
			t.Errorf("a change of keys: %v, %v", news, keys)
		}
	}
	a.tell(own, own)
	if got := a.recent.all(0); got != "a1" {
		t.Errorf("told by itself: %q", got)
	}
}
