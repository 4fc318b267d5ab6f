// Package secret holds what must never be printed: passwords, tokens and keys
// in memory ([Text]), and small secrets at rest under a master key ([Box]).
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// Text is a secret in memory. However it is printed, logged or marshalled, on
// its own or inside another value, it reads "[secret]" or an address; only
// [Text.Reveal] returns it. The zero Text holds the empty string.
//
// A Text does not compare with ==, which would take a time that depends on the
// secret; see [Text.Equal].
type Text struct {
	mute
	// A pointer, because fmt calls no method on a value in an unexported field
	// and prints what it finds there: behind a pointer it finds an address.
	text *string
}

// New returns a Text that holds s.
func New(s string) Text { return Text{text: &s} }

// Reveal returns the secret itself.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsZero reports whether t holds nothing, or the empty string.
func (t Text) IsZero() bool { return t.text == nil || *t.text == "" }

// Equal reports whether two secrets are the same, in a time that depends on
// their lengths alone.
func (t Text) Equal(other Text) bool {
	// Of unequal lengths ConstantTimeCompare says so at once, and a length can
	// be a secret too; the digests have one length.
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Random returns n bytes from the system's random source.
func Random(n int) []byte {
	b := make([]byte, n)
	// crypto/rand.Read never fails: it ends the program rather than return
	// bytes that are not random.
	_, _ = rand.Read(b)
	return b
}

// Fingerprint returns the first 8 hexadecimal digits of the SHA-256 of s. It
// names a token in a private reason: enough to find it again among those that
// someone holds, and nothing to make it from. Only for values of high entropy;
// a password could be guessed from its fingerprint.
func Fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
