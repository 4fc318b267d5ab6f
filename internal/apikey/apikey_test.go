package apikey

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/ulid"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 123_456_789, time.UTC)

func TestMake(t *testing.T) {
	k, text := Make("reports", []string{"reports:read"}, now, DefaultLife)
	id, h, err := Parse(text.Reveal())
	if err != nil || id != k.ID || h != k.Hash || len(text.Reveal()) != Length {
		t.Fatalf("%v %v %v", id, h, err)
	}
	if !k.CreatedAt.Equal(now.Truncate(time.Millisecond)) || k.ExpiresAt.Sub(k.CreatedAt) != DefaultLife || k.Revoked() || !k.UsedAt.IsZero() {
		t.Errorf("%+v", k)
	}
	if s := fmt.Sprintf("%v %+v %s %q", text, k, text, text); strings.Contains(s, text.Reveal()) {
		t.Error("the text of a key was printed")
	}
	other, _ := Make("reports", nil, now, 0)
	if other.ID == k.ID || other.Hash == k.Hash || !other.ExpiresAt.IsZero() {
		t.Errorf("%+v", other)
	}
}

// The form is kept: keys that were handed out must stay good.
func TestGoldenText(t *testing.T) {
	secret := make([]byte, secretSize)
	for i := range secret {
		secret[i] = byte(i*37 + 11)
	}
	id, err := ulid.Parse("01JD3WQ8F4Z5M6N7P8R9S0T1V2")
	if err != nil {
		t.Fatal(err)
	}
	const want = "dwk_01JD3WQ8F4Z5M6N7P8R9S0T1V21CR5AYMZRKMGWCTRFPHCFV0H6SDR19EA3GMN07D"
	if got := write(id, secret); got != want {
		t.Errorf("got %s", got)
	}
	if got, _, err := Parse(want); got != id || err != nil {
		t.Errorf("Parse: %v, %v", got, err)
	}
}

func TestPattern(t *testing.T) {
	whole := regexp.MustCompile("^" + Pattern + "$")
	for range 200 {
		if _, text := Make("k", nil, now, 0); !whole.MatchString(text.Reveal()) {
			t.Fatalf("%s does not match", text.Reveal())
		}
	}
}

// A key has one spelling: whatever is changed, it is refused, and a changed
// character is told from what is no key at all.
func TestKeyHasOneSpelling(t *testing.T) {
	_, secretText := Make("k", nil, now, 0)
	text := secretText.Reveal()
	refuse := func(s string, want error) {
		t.Helper()
		if id, h, err := Parse(s); !errors.Is(err, want) || id != (ulid.ID{}) || h != (Hash{}) {
			t.Errorf("%q: %v, want %v", s, err, want)
		}
	}
	for i := len(Prefix); i < Length; i++ {
		for _, c := range alphabet {
			if byte(c) == text[i] || i == len(Prefix) && c > '7' {
				continue
			}
			refuse(text[:i]+string(c)+text[i+1:], ErrChecksum)
		}
		for _, c := range "ilou IOLU-_+/=.\n\x00\xFFé" {
			refuse(text[:i]+string(c)+text[i+1:], ErrForm)
		}
		if i+1 < Length && text[i] != text[i+1] && i != len(Prefix) {
			refuse(text[:i]+text[i+1:i+2]+text[i:i+1]+text[i+2:], ErrChecksum) // two in the wrong order
		}
		refuse(text[:i], ErrForm)
		refuse(text[:i]+text[i+1:], ErrForm)
		refuse(text[:i]+"0"+text[i:], ErrForm)
	}
	for _, s := range []string{"", Prefix, strings.ToLower(text), " " + text, text + "\n", "dwr_" + text[4:], "DWK_" + text[4:], text + text} {
		refuse(s, ErrForm)
	}
}

func TestJudge(t *testing.T) {
	at := now.Truncate(time.Millisecond)
	k := Key{Hash: Hash{1}, ExpiresAt: at}
	for _, tc := range []struct {
		name string
		key  Key
		h    Hash
		now  time.Time
		want Verdict
	}{
		{"good", k, k.Hash, at.Add(-1), Good},
		{"at its end", k, k.Hash, at, Expired},
		{"never expires", Key{Hash: Hash{1}}, Hash{1}, at.Add(1e6 * time.Hour), Good},
		{"another secret", k, Hash{2}, at.Add(-1), Unknown},
		{"revoked", Key{Hash: Hash{1}, End: End{At: at}}, Hash{1}, at.Add(-time.Hour), Revoked},
		{"revoked and expired", Key{Hash: Hash{1}, ExpiresAt: at, End: End{At: at}}, Hash{1}, at, Revoked},
		// Who has no key is not told what became of it.
		{"another secret, revoked", Key{Hash: Hash{1}, End: End{At: at}}, Hash{2}, at, Unknown},
		{"another secret, expired", k, Hash{2}, at, Unknown},
	} {
		if got := tc.key.Judge(tc.h, tc.now); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if Verdict(0) == Good {
		t.Error("the zero verdict lets through")
	}
}

func TestTouch(t *testing.T) {
	k := Key{UsedAt: now}
	for d, want := range map[time.Duration]bool{0: false, TouchEvery - 1: false, TouchEvery: true, -time.Hour: false} {
		if got := k.Touch(now.Add(d)); got != want {
			t.Errorf("%v later: %v", d, got)
		}
	}
	if !(Key{}).Touch(now) {
		t.Error("the first use is not recorded")
	}
}

func TestAllows(t *testing.T) {
	for _, tc := range []struct {
		scopes []string
		scope  string
		want   bool
	}{
		{nil, ScopeRevocations, true},
		{nil, ScopeIntrospect, true},
		{nil, ScopeDenials, false},
		{[]string{"reports:read"}, ScopeIntrospect, true},
		{[]string{"reports:read"}, ScopeDenials, false},
		{[]string{ScopeDenials}, ScopeDenials, true},
		{[]string{ScopeDenials, "reports:read"}, ScopeRevocations, false},
		{[]string{ScopeRevocations}, ScopeRevocations, true},
		{[]string{ScopeRevocations}, ScopeIntrospect, false},
	} {
		if got := Allows(tc.scopes, tc.scope); got != tc.want {
			t.Errorf("%q for %s: %v", tc.scopes, tc.scope, got)
		}
	}
}

func TestCheckScopes(t *testing.T) {
	for _, tc := range []struct {
		scopes []string
		want   []string
		wrong  string
	}{
		{scopes: []string{"b", "a", "b"}, want: []string{"a", "b"}},
		{scopes: ServerScopes(), want: []string{ScopeDenials, ScopeIntrospect, ScopeRevocations}},
		{scopes: []string{"reports:read", "https://api.example.com/x"}, want: []string{"https://api.example.com/x", "reports:read"}},
		{scopes: []string{"doorwards:x", "doorward"}, want: []string{"doorward", "doorwards:x"}},
		{},
		{scopes: []string{"doorward:revocation"}, wrong: "no scope of the server: want doorward:revocations"},
		{scopes: []string{"Doorward:Revocations"}, wrong: "no scope of the server"},
		{scopes: []string{"doorward:"}, wrong: "no scope of the server"},
		{scopes: []string{"a b"}, wrong: "no scope"},
		{scopes: []string{""}, wrong: "no scope"},
		{scopes: []string{`a"b`}, wrong: "no scope"},
		{scopes: []string{`a\b`}, wrong: "no scope"},
		{scopes: []string{"a\nb"}, wrong: "no scope"},
		{scopes: []string{"é"}, wrong: "no scope"},
		{scopes: []string{strings.Repeat("a", 101)}, wrong: "no scope"},
	} {
		got, err := CheckScopes(tc.scopes)
		if (err != nil) != (tc.wrong != "") || err != nil && !strings.Contains(err.Error(), tc.wrong) || !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, %v", tc.scopes, got, err)
		}
	}
	many := make([]string, 33)
	for i := range many {
		many[i] = fmt.Sprint("s", i)
	}
	if _, err := CheckScopes(many); err == nil {
		t.Error("33 scopes are taken")
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"reports", "CI, für Zoë 🦊", strings.Repeat("é", 100)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", " ", " a", "a ", "a\nb", "a\x1b[31m", "a\u202eb", "\xff", strings.Repeat("é", 101)} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	_, text := Make("k", nil, now, 0)
	f.Add(text.Reveal())
	f.Add(Prefix)
	f.Add(strings.Repeat("0", Length))
	whole := regexp.MustCompile("^" + Pattern + "$")
	f.Fuzz(func(t *testing.T, s string) {
		id, h, err := Parse(s)
		if err != nil {
			if id != (ulid.ID{}) || h != (Hash{}) {
				t.Error("an error, and a key")
			}
			return
		}
		if !whole.MatchString(s) || id.String() != s[len(Prefix):len(Prefix)+idLength] || h != hash(s) {
			t.Errorf("%q is taken for %v", s, id)
		}
	})
}
