package ulid

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	now := time.UnixMilli(1767225600123)
	for range 1000 {
		id := New(now)
		got, err := Parse(id.String())
		if err != nil || got != id {
			t.Fatalf("Parse(%s) = %v, %v", id, got, err)
		}
		if !got.Time().Equal(now) {
			t.Fatalf("time %v, want %v", got.Time(), now)
		}
	}
	var full ID
	for i := range full {
		full[i] = 0xFF
	}
	if s := full.String(); s != "7ZZZZZZZZZZZZZZZZZZZZZZZZZ" {
		t.Errorf("all ones = %s", s)
	}
}

func TestOrderFollowsTime(t *testing.T) {
	a, b := New(time.UnixMilli(1000)), New(time.UnixMilli(1001))
	if bytes.Compare(a[:], b[:]) >= 0 || a.String() >= b.String() {
		t.Errorf("%s is not before %s", a, b)
	}
}

func TestParseRefuses(t *testing.T) {
	good := New(time.Now()).String()
	for _, s := range []string{"", good[:25], good + "0", strings.ToLower(good), "8" + good[1:], good[:25] + "U", good[:25] + "\n", good[:25] + "I"} {
		if s == good {
			continue
		}
		if _, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) took it", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("01JD0000000000000000000000")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := Parse(s); err == nil && id.String() != s {
			t.Errorf("%q parsed to %s", s, id)
		}
	})
}
