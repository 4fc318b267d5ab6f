package why

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
)

func at(minute, second int) time.Time {
	return time.Date(2026, 11, 23, 12, minute, second, 0, time.UTC)
}

func TestStory(t *testing.T) {
	now := at(30, 0)
	record := Record{
		ID: "dn_01KAS2M3A0ZP8V3Q2J5X7R9T4B", Code: doorward.TokenRevoked, Status: 401, At: at(27, 30),
		Method: "GET", Path: "/api/profile", Network: "203.0.113.7", Agent: "curl/8.5.0", Node: "auth-1",
		Detail: "The session of this access token has ended",
		Private: doorward.Reason{
			Check: "session", Text: "the session of the token was ended", Next: "Have the client sign in again.",
			Token: doorward.TokenRef{ID: "J1", Key: "K1", Fingerprint: "0a1b2c3d"}, User: "U1", Session: "S1",
		},
	}
	who := User{ID: "U1", Email: "ada@example.com", State: "suspended", StateAt: at(27, 0), StateBy: "operator"}
	signIn := Session{
		ID: "S1", StartedAt: at(0, 0), RenewedAt: at(20, 0), Renewals: 2, Device: "Firefox on Linux", Network: "203.0.113.7",
		EndedAt: at(27, 0), EndReason: "suspended", EndedBy: "operator",
	}
	for _, test := range []struct {
		name  string
		facts Facts
		want  string
	}{
		{"everything is known", Facts{
			ID: record.ID, At: record.At, Record: &record, User: &who, Session: &signIn,
			Events: []Event{
				{At: at(27, 0), Kind: "session.ended", By: "operator", Detail: "suspended"},
				{At: at(0, 0), Kind: "session.started", By: "user", Network: "203.0.113.7", Detail: "Firefox on Linux"},
			},
		}, `dn_01KAS2M3A0ZP8V3Q2J5X7R9T4B  TOKEN_REVOKED (401)
The caller was told: The session of this access token has ended.

When      2026-11-23 12:27:30 UTC (2 minutes 30 seconds ago)
Request   GET /api/profile from 203.0.113.7
          by what calls itself curl/8.5.0
Node      auth-1
Check     session
Cause     the session of the token was ended
Token     jti J1, kid K1, sha256 0a1b2c3d
Session   S1, on Firefox on Linux from 203.0.113.7
          signed in 2026-11-23 12:00:00 UTC (30 minutes ago)
          renewed 2 times, last 2026-11-23 12:20:00 UTC (10 minutes ago)
          ended because the account was suspended, by the operator, 2026-11-23 12:27:00 UTC (3 minutes ago), 30 seconds before this refusal
Account   ada@example.com (U1)
          suspended since 2026-11-23 12:27:00 UTC (3 minutes ago), by the operator
Events    2026-11-23 12:00:00 UTC  signed in, by the user, from 203.0.113.7 (Firefox on Linux)
          2026-11-23 12:27:00 UTC  the session ended, by the operator (suspended)
Next      Have the client sign in again.
          The session is over for the client: its user signs in again.
`},
		{"a token that names nothing we know", Facts{ID: record.ID, At: record.At, Record: &Record{
			ID: record.ID, Code: doorward.TokenExpired, Status: 401, At: at(29, 59), Method: "GET", Path: "/", Network: "::1",
			Detail: "The access token has expired",
			Private: doorward.Reason{
				Check: "exp", Text: "expired 31s ago, at 2026-11-23T12:29:28Z", User: "nobody\x1b[2J", Session: "nothing", By: 31500 * time.Millisecond,
			},
		}}, `dn_01KAS2M3A0ZP8V3Q2J5X7R9T4B  TOKEN_EXPIRED (401)
The caller was told: The access token has expired.

When      2026-11-23 12:29:59 UTC (1 second ago)
Request   GET / from ::1
Check     exp
Cause     expired 31s ago, at 2026-11-23T12:29:28Z
          missed by 31.5s
User      nobody\x1b[2J, which is not in the store
Session   nothing, which is not in the store: it is long over, or it never was
Next      The client renews its access token and sends the request once more; without a refresh token it signs in.
`},
		{"only counted", Facts{
			ID: record.ID, At: record.At,
			Floods: []Flood{{Minute: at(27, 0), Code: doorward.InvalidCredentials, Count: 12345}},
		}, `dn_01KAS2M3A0ZP8V3Q2J5X7R9T4B
Not kept by itself: more was refused at that time than is kept one by one, and the rest was counted.

When      2026-11-23 12:27:30 UTC (2 minutes 30 seconds ago), by its id
Counted   12345 of INVALID_CREDENTIALS in the minute from 2026-11-23 12:27:00 UTC
Next      The answer with this id named its code. Those that were kept before the flood, and a few during it, are of the same kind:
          doorward why --code INVALID_CREDENTIALS --last 20
          If nobody was answered with this id, it is made up: then nothing was refused that it names.
`},
		{"reported by a guard whose clock is wrong", Facts{ID: record.ID, At: record.At, Record: &Record{
			ID: record.ID, Code: doorward.TokenExpired, Status: 401, At: at(27, 30), Method: "GET", Path: "/", Network: "::1",
			Detail: "The access token has expired", Node: "api-1", Key: "reports", Ahead: 20 * time.Minute,
			Private: doorward.Reason{Check: "exp", Text: "expired 5m0s ago", By: 5 * time.Minute},
		}}, `dn_01KAS2M3A0ZP8V3Q2J5X7R9T4B  TOKEN_EXPIRED (401)
The caller was told: The access token has expired.

When      2026-11-23 12:27:30 UTC (2 minutes 30 seconds ago)
Request   GET / from ::1
Node      api-1, a guard that reports with the API key "reports"
Clock     the clock of api-1 was 20 minutes ahead of this server's; the times here are by this server's
Check     exp
Cause     expired 5m0s ago
          missed by 5 minutes
Next      The clock of api-1 is 20 minutes off and refuses good tokens: set it.
          The client renews its access token and sends the request once more; without a refresh token it signs in.
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Story(test.facts, now); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestEveryRecoveryHasASentence(t *testing.T) {
	for _, info := range doorward.Codes() {
		if recoveries[info.Recovery] == "" {
			t.Errorf("%s: nothing is said about what a client does", info.Code)
		}
	}
}

func TestSessionThatWasNotEnded(t *testing.T) {
	for renewals, want := range map[int]string{0: "never renewed", 1: "renewed once, "} {
		f := Facts{Record: &Record{At: at(1, 0)}, Session: &Session{ID: "S", StartedAt: at(0, 0), RenewedAt: at(0, 30), Renewals: renewals}}
		got := Story(f, at(2, 0))
		for _, want := range []string{want, "not ended", "an unknown device from an unknown network"} {
			if !strings.Contains(got, want) {
				t.Errorf("nothing says %q:\n%s", want, got)
			}
		}
	}
}

func TestClock(t *testing.T) {
	now := at(0, 0)
	for want, d := range map[string]time.Duration{
		"just now": 0, "1 second ago": time.Second, "59 seconds ago": 59 * time.Second, "1 minute 1 second ago": 61 * time.Second,
		"40 minutes ago": 40*time.Minute + 3*time.Second, "1 hour ago": time.Hour, "47 hours ago": 47*time.Hour + 5*time.Minute,
		"2 days ago": 48 * time.Hour, "9 days 23 hours ago": 239 * time.Hour, "in 5 minutes": -5 * time.Minute, "in 90 days": -90*24*time.Hour - time.Hour,
	} {
		if got := Ago(now.Add(-d), now); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
	if got := Span(10 * time.Millisecond); got != "less than a second" {
		t.Errorf("got %q", got)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"/päth/ü": "/päth/ü", "a\x1b]0;x\x07": `a\x1b]0;x\a`, "a\nb": `a\nb`, "a\u202eb": `a\u202eb`, "\xff": "\uFFFD",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
