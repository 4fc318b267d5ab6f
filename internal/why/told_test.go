package why

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
)

const (
	callersNetwork = "203.0.113.7"
	callersSession = "01KAS2M3A0ZP8V3Q2J5X7R9T4B"
	callersUser    = "01KAS2M3A0ZP8V3Q2J5X7R9T4C"
)

// denied returns the facts of a denial whose private side is full of what no
// caller may see.
func denied(code doorward.Code, change func(*Facts)) Facts {
	f := Facts{
		Record: &Record{
			ID: "dn_01KAS2M3A0ZP8V3Q2J5X7R9T4B", Code: code, At: at(27, 30), Method: "GET", Path: "/private", Network: callersNetwork, Node: "private-node",
			Private: doorward.Reason{
				Check: "private check", Text: "private text", Next: "private next", User: callersUser, Session: callersSession,
				Token: doorward.TokenRef{ID: "private-jti", Key: "private-kid", Fingerprint: "0a1b2c3d"},
			},
		},
		User:    &User{ID: callersUser, Email: "private@example.com", State: "private", StateBy: "private"},
		Session: &Session{ID: callersSession, StartedAt: at(0, 0), RenewedAt: at(20, 0), Device: "private device", Network: "192.0.2.99"},
		Events:  []Event{{Kind: "private", Detail: "private"}},
	}
	change(&f)
	return f
}

func checked(check string, by time.Duration) func(*Facts) {
	return func(f *Facts) { f.Record.Private.Check, f.Record.Private.By = check, by }
}

func ended(reason, by string) func(*Facts) {
	return func(f *Facts) {
		f.Session.EndedAt, f.Session.EndReason, f.Session.EndedBy = at(24, 30), reason, by
	}
}

var (
	stranger = Asker{Network: "198.51.100.1", Session: "01KAS2M3A0ZP8V3Q2J5X7R9T4Z", User: "01KAS2M3A0ZP8V3Q2J5X7R9T4Y"}
	near     = Asker{Network: callersNetwork}
	holder   = Asker{Network: "198.51.100.1", Session: callersSession}
	owner    = Asker{Network: "198.51.100.1", Session: "01KAS2M3A0ZP8V3Q2J5X7R9T4D", User: callersUser}
)

// TestTell: what is told to a neighbour of the caller, and what to the holder
// of the session; "" is nothing. A stranger is told nothing of any.
func TestTell(t *testing.T) {
	for _, test := range []struct {
		name        string
		facts       Facts
		toNeighbour string // begins with
		toHolder    string
	}{
		{"no token", denied(doorward.TokenMissing, checked("credentials", 0)), "No access token reached the service", "No access token reached"},
		{"expired", denied(doorward.TokenExpired, checked("exp", 3*time.Minute)), "The access token had expired 3 minutes before.", "The access token had expired 3 minutes before."},
		{"expired by a clock that is ahead", denied(doorward.TokenExpired, func(f *Facts) {
			f.Record.Private.By, f.Record.Ahead = 3*time.Minute, 10*time.Minute
		}), "The access token had expired 3 minutes before. The clock of the service that refused it was 10 minutes ahead", "The access token had"},
		{"not active", denied(doorward.TokenNotActive, checked("nbf", 20*time.Minute)), "The access token was still 20 minutes from being good", "The access token was still"},
		{"a scheme", denied(doorward.TokenInvalid, checked("scheme", 0)), "The Authorization field did not have the form", "The Authorization"},
		{"no token at all", denied(doorward.TokenInvalid, checked("form", 0)), "What was sent is no access token", "What was sent"},
		{"another's key", denied(doorward.TokenInvalid, checked("kid", 0)), "The token was signed with a key", "The token was signed"},
		{"altered", denied(doorward.TokenInvalid, checked("signature", 0)), "The token names a key of this service", "The token names"},
		{"a check of a guard's own", denied(doorward.TokenInvalid, checked("private", 0)), "", ""},
		{"another issuer", denied(doorward.ValidationFailed, checked("issuer", 0)), "The token is genuine, and another issuer", "The token is genuine"},
		{"another audience", denied(doorward.ValidationFailed, checked("audience", 0)), "The token is genuine, and meant for another", "The token is genuine"},
		{"an old sign-in", denied(doorward.StepUpRequired, checked("auth_time", time.Hour)), "Your sign-in was 1 hour older", "Your sign-in was"},
		{"too many tries", denied(doorward.RateLimited, func(f *Facts) {
			f.Record.Private.Check, f.Record.RetryAfter = "limit login", 14*time.Minute
		}), "There were too many failed sign-ins to one account from your network. From 2026-11-23 12:41:30 UTC on", "There were too many"},
		{"closed", denied(doorward.RateLimited, func(f *Facts) {
			f.Record.Private.Check = "limit login-account"
		}), "There were too many failed sign-ins in a row. Waiting does not mend that", "There were"},
		{"not known", denied(doorward.Unavailable, checked("machinery", 0)), "Nothing was found wrong with you", "Nothing was found wrong"},

		{"revoked: the neighbour is not told how", denied(doorward.TokenRevoked, ended("password", "user")), "", "Your password had been changed, which ends every other sign-in, 3 minutes before this refusal. Sign in again."},
		{"ended by an operator", denied(doorward.TokenRevoked, ended("ended", "operator")), "", "This sign-in had been ended by an operator, 3 minutes before"},
		{"ended from the list", denied(doorward.TokenRevoked, ended("ended", "user")), "", "This sign-in had been ended from your list of devices, 3 minutes before"},
		{"a copy", denied(doorward.InvalidRefreshToken, ended("token_reused", "")), "", "A copy of this sign-in was used"},
		{"a reason to come", denied(doorward.InvalidRefreshToken, ended("private", "private")), "", "This sign-in had been ended, 3 minutes"},
		{"run out", denied(doorward.InvalidRefreshToken, checked("refresh token", time.Hour)), "", "This sign-in had run out: it was begun 27 minutes before, and last renewed 7 minutes 30 seconds before."},
		{"reused", denied(doorward.RefreshTokenReused, ended("token_reused", "")), "", "A copy of this sign-in was used"},
		{"suspended", denied(doorward.AccountSuspended, ended("suspended", "operator")), "", "The account had been suspended by an operator"},

		// What the public codes keep from a caller is kept here too.
		{"a wrong password", denied(doorward.InvalidCredentials, checked("password", 0)), "", ""},
		{"an API key", denied(doorward.APIKeyInvalid, checked("apikey", time.Hour)), "", ""},
		{"another origin", denied(doorward.CrossOrigin, checked("origin", 0)), "", ""},
		{"a session that is not stored", denied(doorward.TokenRevoked, func(f *Facts) { f.Session = nil }), "", ""},
		{"only counted", Facts{Floods: []Flood{{Count: 3}}}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if told := Tell(test.facts, stranger); told != nil {
				t.Errorf("a stranger is told %q", told.Text)
			}
			for who, asked := range map[string]struct {
				asker Asker
				want  string
			}{"a neighbour": {near, test.toNeighbour}, "the holder": {holder, test.toHolder}, "the user": {owner, test.toHolder}} {
				got := ""
				if told := Tell(test.facts, asked.asker); told != nil {
					got = strings.Join(told.Text, " ")
					if !told.At.Equal(at(27, 30)) {
						t.Errorf("%s is told of %s", who, told.At)
					}
				}
				if !strings.HasPrefix(got, asked.want) || (got == "") != (asked.want == "") {
					t.Errorf("%s is told %q, want %q", who, got, asked.want)
				}
				for _, private := range []string{"private", "0a1b2c3d", "192.0.2.99", callersUser, callersSession} {
					if strings.Contains(got, private) {
						t.Errorf("%s is told %q", who, private)
					}
				}
			}
		})
	}
}

// TestTellNobodyByNothing: who proves nothing shares nothing with a denial that
// has nothing.
func TestTellNobodyByNothing(t *testing.T) {
	for _, network := range []string{"", "unknown"} {
		f := denied(doorward.TokenMissing, func(f *Facts) {
			f.Record.Network, f.Record.Private.Session, f.Record.Private.User = network, "", ""
			f.Session, f.User = nil, nil
		})
		if told := Tell(f, Asker{Network: network}); told != nil {
			t.Errorf("from %q: %q", network, told.Text)
		}
		f = denied(doorward.TokenRevoked, ended("password", "user"))
		f.User = nil
		if told := Tell(f, Asker{Network: network}); told != nil {
			t.Errorf("from %q: %q", network, told.Text)
		}
	}
}

// TestTellKnowsEveryCode: a new code is either told of, or found here to be
// silent on purpose.
func TestTellKnowsEveryCode(t *testing.T) {
	silent := map[doorward.Code]bool{
		doorward.InvalidCredentials: true, doorward.MFARequired: true, doorward.RefreshTokenMissing: true, doorward.InvalidRefreshToken: true,
		doorward.RefreshTokenReused: true, doorward.UserInactive: true, doorward.AccountSuspended: true, doorward.APIKeyInvalid: true,
		doorward.InsufficientScope: true, doorward.CrossOrigin: true, doorward.TokenRevoked: true,
	}
	checks := []string{"credentials", "exp", "nbf", "scheme", "signature", "issuer", "auth_time", "limit login", "machinery"}
	for _, info := range doorward.Codes() {
		if info.Class == doorward.ClassInput {
			continue
		}
		told := false
		for _, check := range checks {
			told = told || Tell(denied(info.Code, checked(check, time.Minute)), near) != nil
		}
		if told == silent[info.Code] {
			t.Errorf("%s: told to a neighbour: %v, silent on purpose: %v", info.Code, told, silent[info.Code])
		}
	}
}
