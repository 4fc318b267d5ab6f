// Package ulid makes the 128-bit, time-ordered identifiers that name users,
// sessions, events and denials: 48 bits of Unix milliseconds, then 80 random
// bits, written as 26 characters of Crockford's base32.
//
// Ordering by time keeps inserts at one end of a store's index; 80 random bits
// keep an identifier from being guessed from its neighbour. An identifier is a
// name and never a secret.
package ulid

import (
	"crypto/rand"
	"errors"
	"time"
)

// ID is one identifier in binary. The zero ID names nothing.
type ID [16]byte

const (
	alphabet   = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	textLength = 26
)

// ErrInvalid reports text that is not an identifier in its one canonical form.
var ErrInvalid = errors.New("ulid: not an identifier")

var reverse = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xFF
	}
	for i := range len(alphabet) {
		table[alphabet[i]] = byte(i)
	}
	return table
}()

// New returns an identifier for the time t, in milliseconds, and 80 bits from
// the system's random source.
func New(t time.Time) ID {
	var id ID
	ms := uint64(t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	// crypto/rand.Read never fails: it ends the program rather than return
	// bytes that are not random.
	_, _ = rand.Read(id[6:])
	return id
}

// Parse reads the canonical form: 26 upper-case characters. It takes no
// lower case and no look-alikes, so that one identifier has one spelling.
func Parse(s string) (ID, error) {
	var id ID
	if len(s) != textLength {
		return id, ErrInvalid
	}
	// 26 characters carry 130 bits; the first may only hold the top 3.
	if reverse[s[0]] > 7 {
		return id, ErrInvalid
	}
	var acc uint32
	bits, out := -2, 0
	for i := range textLength {
		v := reverse[s[i]]
		if v == 0xFF {
			return ID{}, ErrInvalid
		}
		acc = acc<<5 | uint32(v)
		if bits += 5; bits >= 8 {
			bits -= 8
			id[out] = byte(acc >> bits)
			out++
		}
	}
	return id, nil
}

// String returns the canonical form.
func (id ID) String() string {
	return string(id.Append(make([]byte, 0, textLength)))
}

// Append appends the canonical form to b.
func (id ID) Append(b []byte) []byte {
	acc, bits := uint32(0), 2
	for _, v := range id {
		acc = acc<<8 | uint32(v)
		for bits += 8; bits >= 5; {
			bits -= 5
			b = append(b, alphabet[acc>>bits&31])
		}
	}
	return b
}

// Time returns the moment the identifier was made, to the millisecond.
func (id ID) Time() time.Time {
	var ms int64
	for i := range 6 {
		ms = ms<<8 | int64(id[i])
	}
	return time.UnixMilli(ms)
}

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText writes the canonical form, and nothing for the zero ID.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.Append(nil), nil
}

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := Parse(string(b))
	*id = parsed
	return err
}
