package why

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Span says how long a time is, in the one or two units that matter.
func Span(d time.Duration) string {
	d = max(d, -d)
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return count(d/time.Second, "second")
	case d < time.Hour:
		return two(d, time.Minute, "minute", time.Second, "second")
	case d < 2*day:
		return two(d, time.Hour, "hour", time.Minute, "minute")
	default:
		return two(d, day, "day", time.Hour, "hour")
	}
}

func two(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := count(d/large, largeName)
	if rest := d % large / small; rest > 0 && d/large < 10 { // the seconds of 40 minutes tell nothing
		text += " " + count(rest, smallName)
	}
	return text
}

func count(n time.Duration, unit string) string {
	text := strconv.FormatInt(int64(n), 10) + " " + unit
	if n != 1 {
		text += "s"
	}
	return text
}

// Ago says where a time is from now: "3 minutes ago", "in 2 days".
func Ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d >= time.Second:
		return Span(d) + " ago"
	case d <= -time.Second:
		return "in " + Span(d)
	default:
		return "just now"
	}
}

// Stamp writes a time to the second, in UTC.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Printable escapes what a terminal would obey rather than show: what a
// stranger wrote is told to a person too.
func Printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !unprintable(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
