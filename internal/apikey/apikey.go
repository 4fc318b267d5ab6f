// Package apikey holds the rules about API keys: how one is written, made,
// recognised and judged, and what it may be allowed.
//
// The rules are pure: values in, values out, the time among them. What a key is
// worth is decided in [Key.Judge], and nowhere else.
package apikey

import (
	"crypto/subtle"
	"time"

	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/ulid"
)

// Key is an API key as it is stored. Times are to the millisecond.
type Key struct {
	ID        ulid.ID
	Name      string   // for people; two keys may share one
	Hash      Hash     // of the whole text; the text itself is not kept
	Scopes    []string // each once, in order
	CreatedAt time.Time
	ExpiresAt time.Time // zero for never
	UsedAt    time.Time // about; zero for never. See TouchEvery
	End       End
}

// End tells when and by whom a key was revoked. The zero End is none.
type End struct {
	At time.Time
	By string // "operator"
}

const (
	// DefaultLife is the life of a key that nobody chose another for: long
	// enough not to be in the way, and short enough that a key which was
	// forgotten somewhere ends by itself.
	DefaultLife = 365 * 24 * time.Hour
	// MaxLife bounds the life of a key that expires.
	MaxLife = 10 * 365 * 24 * time.Hour
	// TouchEvery is how coarse the last use of a key is recorded: a write for
	// each request would cost more than the request.
	TouchEvery = time.Hour
)

// Make returns a key that begins at now, and its text, which is shown once. With
// a life of zero it never expires.
func Make(name string, scopes []string, now time.Time, life time.Duration) (Key, secret.Text) {
	id := ulid.New(now)
	text := write(id, secret.Random(secretSize))
	k := Key{ID: id, Name: name, Hash: hash(text), Scopes: scopes, CreatedAt: now.Truncate(time.Millisecond)}
	if life > 0 {
		k.ExpiresAt = k.CreatedAt.Add(life)
	}
	return k, secret.New(text)
}

// Revoked reports whether k was revoked. One that merely expired was not.
func (k Key) Revoked() bool { return !k.End.At.IsZero() }

// Verdict is what a key that was presented is worth.
type Verdict uint8

// The verdicts. The zero Verdict refuses.
const (
	Unknown Verdict = iota // the id is right and the secret is not: nobody's key
	Good
	Revoked
	Expired
)

func (v Verdict) String() string {
	return [...]string{"unknown", "good", "revoked", "expired"}[v]
}

// Judge decides what a text with the hash h, which names k, is worth at now.
// Whether a key was revoked or has expired is told only to one who has it.
func (k Key) Judge(h Hash, now time.Time) Verdict {
	switch {
	case subtle.ConstantTimeCompare(k.Hash[:], h[:]) != 1:
		return Unknown
	case k.Revoked():
		return Revoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return Expired
	}
	return Good
}

// Touch reports whether a use at now is to be recorded.
func (k Key) Touch(now time.Time) bool { return now.Sub(k.UsedAt) >= TouchEvery }
