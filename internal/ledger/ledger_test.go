package ledger

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/doorward/doorward"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"/api/profile":                         "/api/profile",
		"/reset/dwr_AQGd-x_y/now":              "/reset/[masked]", // a slash may be part of a secret
		"the key dwk_01JD_abc was sent":        "the key [masked] was sent",
		"eyJhbGciOiJub25lIn0.e30.":             "[masked]",
		"/files/" + strings.Repeat("a", 39):    "/files/" + strings.Repeat("a", 39),
		"/files/" + strings.Repeat("a", 40):    "/files/[masked]",
		"sid 01KAS2M3A0ZP8V3Q2J5X7R9T4B stays": "sid 01KAS2M3A0ZP8V3Q2J5X7R9T4B stays",
	} {
		if got := Mask(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// TestRecordKeepsNoSecret: whatever text of a request or of a denial holds
// something like a token, the record does not, and every text is bounded.
func TestRecordKeepsNoSecret(t *testing.T) {
	const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
	long := strings.Repeat("ä ", 4000)
	for _, text := range []string{token, "dwr_" + token, "x " + token + " y", long, "\xff\xfe\x00"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path = text, "/"+text
		r.Header.Set("User-Agent", text)
		d := doorward.NewDenial(doorward.TokenInvalid, noon, doorward.Reason{
			Check: text, Text: text, Next: text, User: text, Session: text,
			Token: doorward.TokenRef{ID: text, Key: text, Fingerprint: text},
		})
		d.Detail = text
		record := NewRecord(r, d)
		record.Network, record.Node = text, text
		record = record.Masked()
		written, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(written), "c2lnbmF0dXJl") || len(written) > 6000 || strings.Contains(string(written), `\u0000`) || !utf8.Valid(written) {
			t.Errorf("of %.20q… %d bytes were kept: %.300s", text, len(written), written)
		}
		if record.ID != d.ID || record.Code != d.Code || record.Status != 401 || !record.At.Equal(noon) {
			t.Errorf("the record is of another denial: %+v", record)
		}
	}
}

func TestMeasure(t *testing.T) {
	var m Measure
	taken := func(code doorward.Code, n int, now time.Time) (kept int) {
		for range n {
			if m.Take(code, now) {
				kept++
			}
		}
		return kept
	}
	for _, step := range []struct {
		name string
		code doorward.Code
		n    int
		now  time.Time
		want int
	}{
		{"a flood", doorward.TokenExpired, 1000, noon, burst},
		{"another code has its own measure", doorward.TokenRevoked, 5, noon, 5},
		{"a second later", doorward.TokenExpired, 10, noon.Add(time.Second), perSecond},
		{"a clock set back", doorward.TokenExpired, 10, noon.Add(-time.Hour), 0},
		{"and forth again", doorward.TokenExpired, 10, noon.Add(-time.Hour + 3*time.Second), 3 * perSecond},
		{"a day later", doorward.TokenExpired, 1000, noon.Add(24 * time.Hour), burst},
		{"a stranger's flood", doorward.TokenMissing, 1000, noon, burst},
		{"five seconds later", doorward.TokenMissing, 10, noon.Add(5 * time.Second), 0},
		{"ten and a half", doorward.TokenMissing, 10, noon.Add(10500 * time.Millisecond), 1},
	} {
		if got := taken(step.code, step.n, step.now); got != step.want {
			t.Errorf("%s: %d of %d were kept, want %d", step.name, got, step.n, step.want)
		}
	}
}

func TestCounts(t *testing.T) {
	var c Counts
	c.Add(noon.Add(59*time.Second), doorward.TokenMissing, 2)
	c.Add(noon, doorward.TokenMissing, 3)
	c.Add(noon.Add(time.Minute), doorward.TokenMissing, 1)
	c.Add(noon, doorward.TokenExpired, 1)
	got := make(map[Flood]bool)
	for _, f := range c.Floods() {
		got[f] = true
	}
	for _, want := range []Flood{
		{noon, doorward.TokenMissing, 5}, {noon.Add(time.Minute), doorward.TokenMissing, 1}, {noon, doorward.TokenExpired, 1},
	} {
		if !got[want] {
			t.Errorf("%v is not counted in %v", want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("more was counted: %v", got)
	}
}

// TestRecordOfALimit: when it lifts is kept, unless waiting does not lift it.
func TestRecordOfALimit(t *testing.T) {
	for window, want := range map[time.Duration]time.Duration{15 * time.Minute: time.Hour, 0: 0} {
		d := doorward.NewDenial(doorward.RateLimited, noon, doorward.Reason{})
		d.RetryAfter, d.Limit = time.Hour, &doorward.Limit{Name: "login", Window: window}
		if got := NewRecord(httptest.NewRequest("POST", "/", nil), d).RetryAfter; got != want {
			t.Errorf("a window of %s: %s, want %s", window, got, want)
		}
	}
}
