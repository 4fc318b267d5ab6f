// Package password decides which new passwords are good enough, and makes and
// checks password hashes. It is pure: randomness comes in as a salt.
//
// Passwords are compared and hashed in Unicode normalisation form C, so that
// one password typed on two keyboards is one password (RFC 8265 §4.2.2).
package password

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths of a password: minima in Unicode code points after normalisation,
// the maximum in bytes as received.
const (
	DefaultMinLength = 15   // NIST SP 800-63B-4 §3.1.1.2, where the password is the only factor
	LeastMinLength   = 8    // the same, where a second factor is required
	MaxBytes         = 1024 // longer is refused, never cut
)

// Policy says which new passwords are taken. There are no rules on the kinds
// of characters (NIST SP 800-63B-4 §3.1.1.2 forbids them).
type Policy struct {
	// MinLength is the least length in code points. Zero means
	// DefaultMinLength; less than LeastMinLength counts as that.
	MinLength int
}

// Reason tells why a password is refused.
type Reason string

// The reasons.
const (
	TooShort  Reason = "too_short"
	TooLong   Reason = "too_long"
	Common    Reason = "common"    // in the list, or two entries of it, or one with a few more characters
	Guessable Reason = "guessable" // sequences, a repetition, or little more than the words known of the account
	NotText   Reason = "not_text"  // not UTF-8, or holds control characters
)

// Weakness is the error of [Policy.Check]. It says nothing of the password
// itself.
type Weakness struct {
	Reason  Reason
	Message string // for the person who chose the password
}

func (w *Weakness) Error() string { return w.Message }

// Check returns nil if password may be taken as a new password, or a
// *Weakness. Known is what anyone would try for this account: its address and
// name, and the name of the service; empty ones count for nothing.
func (p Policy) Check(password string, known ...string) error {
	if len(password) > MaxBytes {
		return &Weakness{TooLong, fmt.Sprintf("The password must have at most %d bytes", MaxBytes)}
	}
	// RFC 8265 §4.2 leaves control characters out; forms and other systems
	// drop or change them.
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return &Weakness{NotText, "The password must be text without control characters"}
	}
	password = norm.NFC.String(password)
	if least := p.minLength(); utf8.RuneCountInString(password) < least {
		return &Weakness{TooShort, fmt.Sprintf("The password must have at least %d characters", least)}
	}
	core := repeated(remove(fold(password), known))
	switch {
	case utf8.RuneCountInString(core) < LeastMinLength || sequences(core):
		return &Weakness{Guessable, "The password is easy to guess: it is little more than a sequence, a repetition, your own address or name, or the name of this service"}
	case commonParts(core):
		return &Weakness{Common, "The password is one of those that many people use, or close to one, and is among the first that an attacker tries"}
	}
	return nil
}

func (p Policy) minLength() int {
	if p.MinLength == 0 {
		return DefaultMinLength
	}
	return max(p.MinLength, LeastMinLength)
}

// fold is how passwords are compared with lists. The list of common ones is
// written so.
func fold(s string) string { return strings.ToLower(norm.NFC.String(s)) }

// remove takes out of core every known word. A password that has enough left
// without them may contain them.
func remove(core string, known []string) string {
	var words []string
	for _, k := range known {
		k = fold(k)
		local, _, _ := strings.Cut(k, "@")
		words = append(words, k, local)
		words = append(words, strings.FieldsFunc(k, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	// The longest first: of an address that stands there whole, no crumbs
	// such as the @ may stay.
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, word := range words {
		if utf8.RuneCountInString(word) >= 4 { // shorter ones are part of ordinary words
			core = strings.ReplaceAll(core, word, "")
		}
	}
	return core
}

// repeated returns the part that core consists of where core is that part
// twice or more (the last time perhaps cut short), else core.
func repeated(core string) string {
	for n := 1; n <= len(core)/2; n++ {
		if core[n:] == core[:len(core)-n] {
			return core[:n]
		}
	}
	return core
}

// rows are neighbours among the digits, in the alphabet and on keyboards.
var rows = [...]string{
	"01234567890", "abcdefghijklmnopqrstuvwxyz",
	"qwertyuiop", "asdfghjkl", "zxcvbnm", // QWERTY by row,
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm", "1qazxsw23edcvfr45tgbnhy67ujm", // by column,
	"qazwsxedcrfvtgbyhnujm", "q1w2e3r4t5y6u7i8o9p0", "1q2w3e4r5t6y7u8i9o0p", // by both,
	"qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", // QWERTZ, AZERTY,
	"йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю", // ЙЦУКЕН
}

// sequences reports whether s consists of nothing but sequences: each three or
// more neighbours, or one character three times or more.
func sequences(s string) bool {
	runes := []rune(s)
	for start := 0; start < len(runes); {
		end := start + 3
		if end > len(runes) || !sequence(runes[start:end]) {
			return false
		}
		for end < len(runes) && sequence(runes[start:end+1]) {
			end++
		}
		start = end
	}
	return true
}

// sequence reports whether runes are one sequence, in either direction.
func sequence(runes []rune) bool {
	if !slices.ContainsFunc(runes, func(r rune) bool { return r != runes[0] }) {
		return true
	}
	back := slices.Clone(runes)
	slices.Reverse(back)
	forth, backText := string(runes), string(back)
	return slices.ContainsFunc(rows[:], func(row string) bool {
		return strings.Contains(row, forth) || strings.Contains(row, backText)
	})
}

// maxParts bounds, in bytes, what commonParts takes apart: twice the longest
// entry of the list.
const maxParts = 72

// commonParts reports whether s is a common password, or two parts of which
// each is a common password, sequences, or at most two characters more.
func commonParts(s string) bool {
	if len(s) > maxParts {
		return false
	}
	for i := range s {
		if commonPart(s[:i]) && commonPart(s[i:]) {
			return true
		}
	}
	return false
}

func commonPart(s string) bool {
	return utf8.RuneCountInString(s) <= 2 || isCommon(s) || sequences(s)
}
