// Package user holds the rules about people's accounts: their states, and how
// an address is written and compared.
package user

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/doorward/doorward/internal/ulid"
)

// State is what an account may do.
type State string

// The states.
const (
	Active    State = "active"
	Suspended State = "suspended" // by an operator
	Inactive  State = "inactive"  // deactivated by the user, or never confirmed
)

// User is a person's account. Times are to the millisecond.
type User struct {
	ID       ulid.ID
	Email    string // as the person writes it
	EmailKey string // as it is compared; see [ParseEmail]
	Name     string
	State    State
	Password string // an encoded hash; empty for none

	CreatedAt  time.Time
	PasswordAt time.Time // when the password was last set
	StateAt    time.Time // when the state was last changed
	StateBy    string    // "user" or "operator"
}

// Limits of what an account holds, in bytes.
const (
	MaxEmail = 254 // RFC 5321 §4.5.3.1.3, less the angle brackets
	maxLocal = 64  // RFC 5321 §4.5.3.1.1
	MaxName  = 200
)

// InvalidError says why a member cannot be taken, in words for the person who
// typed it.
type InvalidError struct {
	Member string
	Reason string
}

func (e *InvalidError) Error() string { return e.Member + ": " + e.Reason }

// ParseEmail returns an address as it is kept and the key it is compared by.
// Both are NFC; in the key, case is folded, which can make it longer than the
// address. RFC 5321 §2.4 lets a mail host tell Anna@ from anna@, but no host
// does, and people do not: two accounts that differ in case would be a trap.
//
// It checks the form that an address must have to be told from other text. Only
// a message sent there can prove more.
func ParseEmail(s string) (email, key string, err error) {
	invalid := func(reason string) (string, string, error) {
		return "", "", &InvalidError{"email", reason}
	}
	s = strings.TrimSpace(s)
	if len(s) > MaxEmail {
		return invalid(fmt.Sprintf("an address has at most %d bytes", MaxEmail))
	}
	if !utf8.ValidString(s) {
		return invalid("not valid UTF-8")
	}
	email = norm.NFC.String(s)
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return invalid("an address needs an @")
	}
	local, domain := email[:at], email[at+1:]
	switch {
	case len(email) > MaxEmail:
		return invalid(fmt.Sprintf("an address has at most %d bytes", MaxEmail))
	case local == "" || len(local) > maxLocal || strings.Contains(local, "@"):
		return invalid("the part before the @ is not valid")
	case strings.ContainsFunc(email, unprintable) || strings.ContainsFunc(email, invisible):
		return invalid("an address has no spaces and no control characters")
	case domain == "" || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, ".."):
		return invalid("the part behind the @ is not a domain")
	case strings.ContainsAny(domain, `<>()[]\,;:"`) || strings.ContainsAny(local, `<>()[]\,;:"`):
		return invalid(`an address has none of <>()[]\,;:"`)
	}
	return email, fold(email), nil
}

// fold makes texts that differ only in case equal, and is NFC. Lower case alone
// would not: of σ and ς, both are the lower case of Σ. The Turkish İ becomes an
// i with its dot, as Unicode folds it: to a plain i, it would make two
// addresses one.
func fold(s string) string {
	s = strings.ReplaceAll(s, "\u0130", "i\u0307")
	return norm.NFC.String(strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, s))
}

// ParseName returns a display name as it is kept: NFC, without space around it,
// of characters that print and the joiners between them. It may be empty.
func ParseName(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", &InvalidError{"name", "not valid UTF-8"}
	}
	name := norm.NFC.String(strings.TrimSpace(s))
	if len(name) > MaxName {
		return "", &InvalidError{"name", fmt.Sprintf("a name has at most %d bytes", MaxName)}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return unprintable(r) && !strings.ContainsRune(inNames, r) }) {
		return "", &InvalidError{"name", "a name has no control characters"}
	}
	return name, nil
}

// inNames are the space and the two joiners that Persian and Indic names are
// written with.
const inNames = " \u200C\u200D"

// unprintable also catches what would let two addresses look alike: spaces of
// every width, and invisible format characters.
func unprintable(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }

// invisible catches what counts as a letter, a mark or a symbol and shows
// nothing: fillers, variation selectors, the blank of Braille.
func invisible(r rune) bool {
	return r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
