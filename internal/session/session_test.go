package session

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// row is a session as testdata/vectors/rotation.json writes it.
type row struct {
	Generation uint32
	Parent     string
	Key        string
	CreatedAt  int64
	RotatedAt  int64
	End        EndReason
}

// name16 makes a nonce of a name.
func name16(s string) (n Nonce) {
	copy(n[:], s)
	return n
}

var vectorBase = time.UnixMilli(1_767_225_600_000)

func at(ms int64) time.Time { return vectorBase.Add(time.Duration(ms) * time.Millisecond) }

func (r row) session() Session {
	s := Session{
		ID: ulid.ID{1}, User: ulid.ID{2}, Generation: r.Generation, Parent: name16(r.Parent), Attempt: NewAttempt(r.Key),
		CreatedAt: at(r.CreatedAt), RotatedAt: at(r.RotatedAt), AuthTime: at(r.CreatedAt),
		Methods: []string{"pwd"}, Device: "Firefox on Linux", Network: "192.0.2.1",
	}
	if r.End != "" {
		s.End = End{At: at(r.RotatedAt), Reason: r.End}
	}
	return s
}

// TestRotate runs the cases that other implementations run too.
func TestRotate(t *testing.T) {
	data, err := os.ReadFile("../../testdata/vectors/rotation.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Life  struct{ Idle, Absolute, Grace int64 }
		Cases []struct {
			Name      string
			Session   row
			Account   user.State
			Presented struct {
				Generation uint32
				Nonce, Key string
			}
			Now     int64
			Verdict string
			Next    *row
		}
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	ms := time.Millisecond
	life := Life{Idle: time.Duration(vectors.Life.Idle) * ms, Absolute: time.Duration(vectors.Life.Absolute) * ms, Grace: time.Duration(vectors.Life.Grace) * ms}
	if life != DefaultLife {
		t.Errorf("the vectors are for %v, not for %v", life, DefaultLife)
	}
	covered := map[string]bool{}
	for _, c := range vectors.Cases {
		t.Run(c.Name, func(t *testing.T) {
			covered[c.Verdict] = true
			s := c.Session.session()
			token := Token{s.ID, c.Presented.Generation, name16(c.Presented.Nonce)}
			next, verdict := s.Rotate(token, NewAttempt(c.Presented.Key), c.Account, life, at(c.Now))
			if verdict.String() != c.Verdict {
				t.Fatalf("%v, want %s", verdict, c.Verdict)
			}
			want := s
			if c.Next != nil {
				want.Generation, want.Parent, want.Attempt = c.Next.Generation, name16(c.Next.Parent), NewAttempt(c.Next.Key)
				want.RotatedAt = at(c.Next.RotatedAt)
			}
			if !reflect.DeepEqual(next, want) {
				t.Errorf("next is %+v,\nwant %+v", next, want)
			}
			if live := life.Live(s, at(c.Now)); verdict.Grants() && !live {
				t.Error("granted, but not live")
			}
		})
	}
	for v := Rotated; v <= Suspended; v++ {
		if !covered[v.String()] {
			t.Errorf("no case for the verdict %q", v)
		}
	}
}

// What can be rotated into has to be storable as it is: to the millisecond.
func TestRotateKeepsMilliseconds(t *testing.T) {
	s := row{Generation: 1}.session()
	now := at(1000).Add(999 * time.Microsecond)
	next, verdict := s.Rotate(Token{s.ID, 1, name16("first")}, Attempt{}, user.Active, DefaultLife, now)
	if verdict != Rotated || !next.RotatedAt.Equal(at(1000)) {
		t.Errorf("%v at %v", verdict, next.RotatedAt)
	}
}

// A session that is refreshed all the time still ends when it must, and the
// token of its last refresh with it.
func TestNothingOutlivesTheAbsoluteEnd(t *testing.T) {
	s := Start(ulid.ID{1}, ulid.ID{2}, []string{"pwd"}, "", "", vectorBase)
	end := vectorBase.Add(DefaultLife.Absolute)
	token := First(s.ID)
	for now := vectorBase; ; now = now.Add(10 * time.Minute) {
		next, verdict := s.Rotate(token, Attempt{}, user.Active, DefaultLife, now)
		if !now.Before(end) {
			if verdict != AgedOut {
				t.Fatalf("%v at the end", verdict)
			}
			return
		}
		if verdict != Rotated {
			t.Fatalf("%v at %v", verdict, now)
		}
		if expires := DefaultLife.Expires(next); expires.After(end) {
			t.Fatalf("it would live until %v, after %v", expires, end)
		}
		if got := DefaultLife.Ends(next); !got.Equal(end) {
			t.Fatalf("its end moved to %v", got)
		}
		token, s = newKey.Successor(token, Attempt{}), next
	}
}

func TestLife(t *testing.T) {
	life := Life{Idle: time.Hour, Absolute: 3 * time.Hour, Grace: time.Second}
	hour := int64(time.Hour / time.Millisecond)
	ended := row{Generation: 1, End: EndLogout}
	for _, c := range []struct {
		name    string
		row     row
		now     int64
		expires int64
		live    bool
	}{
		{"idle comes first", row{RotatedAt: hour}, hour, 2 * hour, true},
		{"a moment before", row{RotatedAt: hour}, 2*hour - 1, 2 * hour, true},
		{"idled out", row{RotatedAt: hour}, 2 * hour, 2 * hour, false},
		{"both at once", row{RotatedAt: 2 * hour}, 3*hour - 1, 3 * hour, true},
		{"absolute comes first", row{RotatedAt: 3*hour - 1}, 3*hour - 1, 3 * hour, true},
		{"aged out", row{RotatedAt: 3*hour - 1}, 3 * hour, 3 * hour, false},
		{"ended", ended, 0, hour, false},
	} {
		s := c.row.session()
		if got := life.Expires(s); !got.Equal(at(c.expires)) {
			t.Errorf("%s: expires %v, want %v", c.name, got, at(c.expires))
		}
		if got := life.Live(s, at(c.now)); got != c.live {
			t.Errorf("%s: live is %t", c.name, got)
		}
		_, verdict := s.Rotate(Token{s.ID, s.Generation, Nonce{}}, Attempt{}, user.Active, life, at(c.now))
		if verdict.Grants() != c.live {
			t.Errorf("%s: live is %t, but %v", c.name, c.live, verdict)
		}
	}
	if !ended.session().Ended() || (Session{}).Ended() {
		t.Error("Ended does not follow End")
	}
}

func TestStart(t *testing.T) {
	now := at(5).Add(123456 * time.Nanosecond)
	got := Start(ulid.ID{1}, ulid.ID{2}, []string{"pwd", "otp"}, "Safari on iOS", "2001:db8::/64", now)
	want := Session{
		ID: ulid.ID{1}, User: ulid.ID{2}, Generation: 1, CreatedAt: at(5), RotatedAt: at(5), AuthTime: at(5),
		Methods: []string{"pwd", "otp"}, Device: "Safari on iOS", Network: "2001:db8::/64",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v,\nwant %+v", got, want)
	}
	if _, verdict := got.Rotate(First(got.ID), Attempt{}, user.Active, DefaultLife, now); verdict != Rotated {
		t.Errorf("its first token: %v", verdict)
	}
}

func TestNewAttempt(t *testing.T) {
	if NewAttempt("") != (Attempt{}) {
		t.Error("no key is an attempt")
	}
	if a := NewAttempt("a"); a == (Attempt{}) || a != NewAttempt("a") || a == NewAttempt("b") {
		t.Error("keys are not told apart")
	}
}

func TestVerdictGrants(t *testing.T) {
	for v := Refused; v <= Suspended; v++ {
		if want := v == Rotated || v == Repeated || v == Sibling; v.Grants() != want {
			t.Errorf("%v grants: %t", v, !want)
		}
	}
}

// TestRotateSeesOnlyEquality proves what the walk of the model relies on: of
// generations only the distance to the row's counts, and of nonces and attempts
// only which are equal. So a renamed question has the same answer, renamed.
func TestRotateSeesOnlyEquality(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	nonce := func(n int) Nonce { return Nonce{byte(n)} }
	attempt := func(n int) Attempt { return Attempt{byte(n)} }
	seen := map[Verdict]int{}
	for range 20000 {
		parent, used, kept, asked := 1+r.IntN(3), 1+r.IntN(3), r.IntN(3), r.IntN(3)
		back := r.IntN(5) - 1
		age := []int64{-5000, 0, 30000, 30001, 86400000}[r.IntN(5)]
		ask := func(generation uint32, nonces, attempts []int) (Session, Verdict) {
			s := row{Generation: generation}.session()
			s.Parent, s.Attempt = nonce(nonces[parent]), attempt(attempts[kept])
			token := Token{s.ID, uint32(int(generation) - back), nonce(nonces[used])}
			return s.Rotate(token, attempt(attempts[asked]), user.Active, DefaultLife, at(age))
		}
		plain := []int{0, 1, 2, 3}
		names := append([]int{0}, r.Perm(200)[:3]...)
		others := append([]int{0}, r.Perm(200)[:3]...)
		for i := 1; i < 4; i++ {
			names[i], others[i] = names[i]+1, others[i]+1
		}
		shift := uint32(r.IntN(1 << 30))
		next, verdict := ask(9, plain, plain)
		renamed, again := ask(9+shift, names, others)
		if verdict != again {
			t.Fatalf("%v became %v", verdict, again)
		}
		seen[verdict]++
		if verdict != Rotated {
			continue
		}
		next.Generation += shift
		next.Parent, next.Attempt = nonce(names[used]), attempt(others[asked])
		if !reflect.DeepEqual(next, renamed) {
			t.Fatalf("next is %+v,\nwant %+v", renamed, next)
		}
	}
	for v := Rotated; v <= Superseded; v++ {
		if seen[v] == 0 {
			t.Errorf("the verdict %v never came up", v)
		}
	}
}
