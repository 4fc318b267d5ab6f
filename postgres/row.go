package postgres

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/ulid"
)

// How the values of the rules are stored: an id as a uuid, a time as Unix
// milliseconds, and what is zero, where that is allowed, as NULL.

func optionalID(id ulid.ID) any {
	if id.IsZero() {
		return nil
	}
	return [16]byte(id)
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// moment returns a time in UTC; the zero time comes back as just that.
func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func optionalMillis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return millis(t)
}

func optionalMoment(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return moment(*ms)
}

// text returns what PostgreSQL takes as text. It takes neither a zero byte nor
// what is no UTF-8, and a stranger sends both: in the name of a browser, in a
// token that is forged. They become U+FFFD.
func text[T ~string](v T) string {
	s := string(v)
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func optionalText(v string) any {
	if v == "" {
		return nil
	}
	return text(v)
}

func orEmpty(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}

// limit is a number of rows; what is less than none is none.
func limit(n int) int64 { return int64(max(0, n)) }

// words returns what was stored with a space between.
func words(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, " ")
}
