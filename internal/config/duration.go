package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errDuration = errors.New("is not a duration: write it like 90s, 15m, 12h or 7d")

const (
	day     = 24 * time.Hour
	maxDays = 100_000 // some 270 years: just under what a Duration holds
)

// ParseDuration reads a duration as [time.ParseDuration] does, with days (of 24
// hours) in front: 7d, 1d12h. It takes no negative ones.
func ParseDuration(s string) (time.Duration, error) {
	var days time.Duration
	rest := s
	if number, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n > maxDays {
			return 0, errDuration
		}
		days, rest = time.Duration(n)*day, after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || days+d < days {
		return 0, errDuration
	}
	return days + d, nil
}

// FormatDuration writes a duration as a person would: 7d, 15m, 1h30m.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	if days := d / day; days > 0 {
		b.WriteString(strconv.FormatInt(int64(days), 10) + "d")
		if d %= day; d == 0 {
			return b.String()
		}
	}
	text := d.String()
	// 15m0s and 1h0m0s are how Go writes 15m and 1h.
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	b.WriteString(text)
	return b.String()
}
