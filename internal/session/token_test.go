package session

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/ulid"
)

var (
	oldKey = NewKey([32]byte{0: 0x0F, 31: 0xF0})
	newKey = NewKey([32]byte{0: 0xAA, 31: 0xBB})
)

func goldenToken() (Key, Token) {
	t := Token{Generation: 7}
	secret := [32]byte(bytes.Repeat([]byte{0x11}, 32))
	for i := range t.Nonce {
		t.Session[i], t.Nonce[i] = byte(i), byte(0xA0+i)
	}
	return NewKey(secret), t
}

// What was issued must be taken by every later version: a change here signs
// everybody out. The values were computed apart from this code.
func TestTokenGolden(t *testing.T) {
	key, token := goldenToken()
	const text = "dwr_AQABAgMEBQYHCAkKCwwNDg8AAAAHoKGio6SlpqeoqaqrrK2ur5zA9y4T_Fr38iQlkHw5OpJY76AcHTnPw03Z3lUxji2h"
	if got := (Keys{key}).Issue(token); got != text {
		t.Errorf("Issue = %s", got)
	}
	if got, by, err := (Keys{key}).Open(text); err != nil || got != token || by != key {
		t.Errorf("Open = %v, %v", got, err)
	}
	for attempt, want := range map[string]string{
		"an attempt": "9881673aa4a4195e9440d657cab923c3",
		"":           "0df0650858f55574bdec1a2cb3245051",
	} {
		next := key.Successor(token, NewAttempt(attempt))
		if hex.EncodeToString(next.Nonce[:]) != want || next.Generation != 8 || next.Session != token.Session {
			t.Errorf("the successor for %q is %v", attempt, next)
		}
	}
}

func TestTokenRoundTrip(t *testing.T) {
	for _, token := range []Token{
		{}, First(ulid.ID{1}), {ulid.ID{0xFF}, math.MaxUint32, Nonce{15: 1}},
	} {
		text := Keys{newKey, oldKey}.Issue(token)
		if len(text) != TokenLength || !strings.HasPrefix(text, TokenPrefix) {
			t.Errorf("%d characters: %s", len(text), text)
		}
		if got, by, err := (Keys{newKey, oldKey}).Open(text); err != nil || got != token || by != newKey {
			t.Errorf("Open(Issue(%v)) = %v, %v", token, got, err)
		}
	}
}

func TestTokenKeys(t *testing.T) {
	token := First(ulid.ID{1})
	old := Keys{oldKey}.Issue(token)
	if got, by, err := (Keys{newKey, oldKey}).Open(old); err != nil || got != token || by != oldKey {
		t.Errorf("under the key before: %v, %v", got, err)
	}
	for name, keys := range map[string]Keys{"another key": {newKey}, "no key": nil} {
		if got, by, err := keys.Open(old); !errors.Is(err, ErrForged) || got != (Token{}) || by != (Key{}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A token has one spelling: whatever is changed, it is refused.
func TestTokenHasOneSpelling(t *testing.T) {
	keys := Keys{oldKey}
	text := keys.Issue(First(ulid.ID{1}))
	refuse := func(s string) {
		t.Helper()
		want := ErrMalformed
		if looksLikeOne(s) {
			want = ErrForged
		}
		if got, by, err := keys.Open(s); !errors.Is(err, want) || got != (Token{}) || by != (Key{}) {
			t.Errorf("Open took %q", s)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \r\n\t\x00.~%\x80\xFF"
	for i := range len(text) {
		for _, c := range []byte(alphabet) {
			if c != text[i] {
				refuse(text[:i] + string([]byte{c}) + text[i+1:])
			}
		}
		refuse(text[:i] + text[i+1:])                   // one less
		refuse(text[:i] + "A" + text[i:])               // one more
		refuse(text[:i] + "\n" + text[i:])              // what a base64 decoder skips
		refuse(text[:i] + "\r\n" + text[i:])            //
		refuse(text[:i] + "\n" + text[i:TokenLength-1]) // the same, at the right length
		refuse(text[:i])
	}
	raw := strings.TrimPrefix(text, TokenPrefix)
	for _, s := range []string{
		"", TokenPrefix, raw, "dwk_" + raw, "DWR_" + raw, "dwr-" + raw, TokenPrefix + text, text + "=", text + text,
		" " + text, text + " ", text + "\x00", strings.ToUpper(text), TokenPrefix + strings.Repeat("A", 92), strings.Repeat("é", 48),
	} {
		refuse(s)
	}
}

// looksLikeOne matches what has the form of a token of this version.
var looksLikeOne = regexp.MustCompile(`^dwr_A[Q-Za-f][A-Za-z0-9_-]{90}$`).MatchString

// The MAC of one purpose is no MAC of the other: the nonce of a successor is
// public, in a sense, to whoever holds it.
func TestPurposesAreApart(t *testing.T) {
	key, token := goldenToken()
	var body [bodySize]byte
	token.body(body[:0])
	if string(key.mac(nil, "token", body[:])) == string(key.mac(nil, "successor", body[:])) {
		t.Error("one MAC serves both")
	}
}

func TestSuccessor(t *testing.T) {
	token := First(ulid.ID{1})
	attempt := NewAttempt("an attempt")
	want := oldKey.Successor(token, attempt)

	// Rotating keys changes nothing: it is derived under the key that the token
	// came under, not under the first.
	for _, keys := range []Keys{{oldKey}, {newKey, oldKey}, {NewKey([32]byte{1}), newKey, oldKey}} {
		got, by, err := keys.Open(Keys{oldKey}.Issue(token))
		if err != nil {
			t.Fatal(err)
		}
		if next := by.Successor(got, attempt); next != want {
			t.Errorf("with %d keys: %v, want %v", len(keys), next, want)
		}
	}
	if want.Session != token.Session || want.Generation != token.Generation+1 || want.Nonce == token.Nonce {
		t.Errorf("the successor of %v is %v", token, want)
	}

	// Everything that it is derived from counts.
	other := token
	other.Nonce[15] ^= 1
	elsewhere := token
	elsewhere.Session[0] ^= 1
	later := token
	later.Generation++
	nonces := map[Nonce]string{want.Nonce: "itself"}
	for name, next := range map[string]Token{
		"another key":     newKey.Successor(token, attempt),
		"another attempt": oldKey.Successor(token, NewAttempt("another")),
		"no attempt":      oldKey.Successor(token, Attempt{}),
		"another nonce":   oldKey.Successor(other, attempt),
		"another session": oldKey.Successor(elsewhere, attempt),
		"a later one":     oldKey.Successor(later, attempt),
	} {
		if same, ok := nonces[next.Nonce]; ok {
			t.Errorf("%s has the nonce of %s", name, same)
		}
		nonces[next.Nonce] = name
	}
}

func TestFresh(t *testing.T) {
	token := Token{ulid.ID{1}, 5, Nonce{1}}
	a, b := token.Fresh(), token.Fresh()
	if a.Session != token.Session || a.Generation != 5 || a.Nonce == token.Nonce || a.Nonce == b.Nonce {
		t.Errorf("%v and %v of %v", a, b, token)
	}
	first := First(ulid.ID{1})
	if first.Session != (ulid.ID{1}) || first.Generation != 1 || first.Nonce == (Nonce{}) {
		t.Errorf("the first is %v", first)
	}
}

func FuzzOpen(f *testing.F) {
	keys := Keys{newKey, oldKey}
	f.Add(keys.Issue(First(ulid.ID{1})))
	f.Add(keys[1:].Issue(First(ulid.ID{1})))
	f.Add("dwr_")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		token, by, err := keys.Open(s)
		if err != nil {
			if token != (Token{}) || by != (Key{}) {
				t.Errorf("%q was refused and read all the same", s)
			}
			return
		}
		if again := (Keys{by}).Issue(token); again != s {
			t.Errorf("%q is another spelling of %q", s, again)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	keys := Keys{newKey, oldKey}
	text := keys.Issue(First(ulid.ID{1}))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := keys.Open(text); err != nil {
			b.Fatal(err)
		}
	}
}
