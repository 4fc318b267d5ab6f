package throttle

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var start = time.UnixMilli(1_767_225_600_000)

// after is a count of failures at these times behind start.
func after(l Limit, times ...time.Duration) Count {
	var c Count
	for _, at := range times {
		c = l.Fail(c, start.Add(at))
	}
	return c
}

func TestLimit(t *testing.T) {
	three := Limit{Name: "three", Max: 3, Window: time.Minute}
	ever := Limit{Name: "ever", Max: 3}
	one := Limit{Name: "one", Max: 1, Window: time.Minute}
	const s = time.Second
	for _, c := range []struct {
		name     string
		limit    Limit
		failures []time.Duration
		at       time.Duration
		left     int
		retry    time.Duration
	}{
		{"none", three, nil, 0, 3, 0},
		{"one", three, []time.Duration{0}, 0, 2, 0},
		{"two", three, []time.Duration{0, s}, s, 1, 0},
		{"all", three, []time.Duration{0, s, 2 * s}, 2 * s, 0, 58 * s},
		{"more than all", three, []time.Duration{0, s, 2 * s, 3 * s, 4 * s}, 4 * s, 0, 56 * s},
		{"a moment before the window ends", three, []time.Duration{0, s, 2 * s}, 60*s - 1, 0, 1},
		{"the window has ended", three, []time.Duration{0, s, 2 * s}, 60 * s, 3, 0},
		{"the window is counted from the first", three, []time.Duration{0, 59 * s}, 60 * s, 3, 0},
		{"a new window begins with the next", three, []time.Duration{0, s, 60 * s}, 60 * s, 2, 0},
		{"and is counted from there", three, []time.Duration{0, 60 * s, 70 * s, 80 * s}, 90 * s, 0, 30 * s},
		{"the clock was set back: longer, not shorter", three, []time.Duration{0, 0, 0}, -30 * s, 0, 90 * s},
		{"without a window, one", ever, []time.Duration{0}, 1000 * time.Hour, 2, 0},
		{"without a window, all", ever, []time.Duration{0, s, 1000 * time.Hour}, 2000 * time.Hour, 0, time.Hour},
		{"a limit of one", one, []time.Duration{0}, 0, 0, 60 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			count, now := after(c.limit, c.failures...), start.Add(c.at)
			if got := c.limit.Left(count, now); got != c.left {
				t.Errorf("left %d, want %d", got, c.left)
			}
			if got := c.limit.RetryAfter(count, now); got != c.retry {
				t.Errorf("retry after %v, want %v", got, c.retry)
			}
			// Whoever waits as told can try again.
			if then := now.Add(c.retry); c.limit.Window > 0 && c.limit.Left(count, then) == 0 {
				t.Errorf("none left after %v", c.retry)
			}
		})
	}
}

func TestLimitCount(t *testing.T) {
	l := Limit{Max: 5, Window: time.Minute}
	got := l.Fail(Count{}, start.Add(1500*time.Microsecond))
	if want := (Count{1, start.Add(time.Millisecond)}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	if got := l.Fail(got, start.Add(time.Second)); got != (Count{2, start.Add(time.Millisecond)}) {
		t.Errorf("%v", got)
	}
	if got := l.Fail(Count{5, start}, start.Add(time.Minute)); got != (Count{1, start.Add(time.Minute)}) {
		t.Errorf("%v", got)
	}
}

// A count may be forgotten when it makes no difference any more, or, without a
// window, when it was kept long enough.
func TestLimitExpires(t *testing.T) {
	l := Limit{Max: 1, Window: time.Minute}
	c := after(l, 0)
	if got := l.Expires(c); !got.Equal(start.Add(time.Minute)) || l.Left(c, got) != l.Left(Count{}, got) {
		t.Errorf("expires %v", got)
	}
	if got := (Limit{Max: 2}).Expires(c); !got.Equal(start.Add(30 * 24 * time.Hour)) {
		t.Errorf("without a window: %v", got)
	}
	if got := (Limit{Max: 1}).Expires(c); got.Before(start.Add(50 * 365 * 24 * time.Hour)) {
		t.Errorf("without a window, at the limit: %v", got)
	}
}

// A clock that was wrong by a year locks nobody out for one; nodes whose clocks
// are minutes apart count together.
func TestCountFromTheFuture(t *testing.T) {
	l := Limit{Max: 1, Window: 15 * time.Minute}
	if got := l.Left(Count{1, start.Add(365 * 24 * time.Hour)}, start); got != 1 {
		t.Errorf("a year ahead: %d left", got)
	}
	if got := l.Left(Count{1, start.Add(5 * time.Minute)}, start); got != 0 {
		t.Errorf("minutes ahead: %d left", got)
	}
}

func TestLoginLimits(t *testing.T) {
	for limit, want := range map[Limit]Limit{
		PerAccount: {"login", 5, 15 * time.Minute},
		PerNetwork: {"login-network", 50, 15 * time.Minute},
		InARow:     {"login-account", 100, 0},
	} {
		if limit != want {
			t.Errorf("%+v, want %+v", limit, want)
		}
		var c Count
		for n := range want.Max {
			if limit.Left(c, start) == 0 {
				t.Errorf("%s: closed after %d", limit.Name, n)
			}
			c = limit.Fail(c, start)
		}
		if limit.Left(c, start) != 0 || limit.RetryAfter(c, start) <= 0 {
			t.Errorf("%s: open after %d", limit.Name, want.Max)
		}
	}
}

func TestKey(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	keys := map[Key][]string{}
	for _, parts := range [][]string{
		{}, {""}, {"", ""}, {"abc"}, {"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"a", "b", "c"},
		{"a\x00\x00\x01b"}, {"a", "b"}, {long}, {long, ""}, {"", long},
	} {
		k := PerAccount.Key(parts...)
		if k != PerAccount.Key(parts...) {
			t.Error("the same parts have two keys")
		}
		if same, ok := keys[k]; ok {
			t.Errorf("%.20q and %.20q have one key", same, parts)
		}
		keys[k] = parts
	}
	if PerAccount.Key("a") == PerNetwork.Key("a") {
		t.Error("two limits have one key")
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":             "192.0.2.1",
		"::ffff:192.0.2.1":      "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":  "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":  "2001:db8:1:2::/64",
		"2001:db8:1:3::":        "2001:db8:1:3::/64",
		"fe80::1%eth0":          "fe80::/64",
		"::1":                   "::/64",
		"127.0.0.1":             "127.0.0.1",
		"::ffff:192.0.2.1%eth0": "192.0.2.1",
	} {
		if got := Network(netip.MustParseAddr(in)); got != want {
			t.Errorf("Network(%s) = %s, want %s", in, got, want)
		}
	}
	if got := Network(netip.Addr{}); got != "unknown" {
		t.Errorf("of nothing: %s", got)
	}
}
