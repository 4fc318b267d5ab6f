package verify_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

func TestActive(t *testing.T) {
	c := must(verify.Token(es256.good(), keySet(), rules(), now))
	for _, tt := range []struct {
		name  string
		at    time.Time
		check verify.Check
		code  doorward.Code
		by    time.Duration
	}{
		{"now", now, "", "", 0},
		{"leeway before", c.NotBefore.Add(-verify.Leeway), "", "", 0},
		{"earlier", c.NotBefore.Add(-verify.Leeway - 1), verify.CheckNbf, doorward.TokenNotActive, verify.Leeway + 1},
		{"leeway after", c.ExpiresAt.Add(verify.Leeway - 1), "", "", 0},
		{"later", c.ExpiresAt.Add(verify.Leeway), verify.CheckExp, doorward.TokenExpired, verify.Leeway},
		{"the zero time", time.Time{}, verify.CheckNbf, doorward.TokenNotActive, 1<<63 - 1},
		{"the year 9999", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), verify.CheckExp, doorward.TokenExpired, 1<<63 - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := c.Active(tt.at)
			if tt.check == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			f := failureOf(t, err)
			if f.Check != tt.check || f.Code != tt.code || f.By != tt.by {
				t.Errorf("%v by %v: %s", f, f.By, f.Text)
			}
			// A check of kept claims says the same as one of the token itself.
			_, err = verify.Token(es256.good(), keySet(), rules(), tt.at)
			if again := failureOf(t, err); !reflect.DeepEqual(f, again) {
				t.Errorf("Active: %+v, Token: %+v", f, again)
			}
		})
	}
}

func TestActiveAllocatesNothing(t *testing.T) {
	c := must(verify.Token(es256.good(), keySet(), rules(), now))
	var err error
	if n := testing.AllocsPerRun(100, func() { err = c.Active(now) }); n != 0 || err != nil {
		t.Errorf("%v allocations, error %v", n, err)
	}
}

func TestPrincipal(t *testing.T) {
	c := must(verify.Token(es256.good(), keySet(), rules(), now))
	want := &doorward.Principal{
		Kind: doorward.KindUser, Subject: "01KDVXJ4000000000000000USR", Session: "01KDVXJ4000000000000000SES", Client: "web",
		Scopes: []string{"notes:read", "notes:write"}, Email: "alice@example.com", Name: "Alice",
		TokenID: "01KDVXJ4000000000000000JT1", Methods: []string{"pwd", "otp"}, Audience: []string{audience},
		AuthTime: time.Unix(1767222000, 0).UTC(), IssuedAt: time.Unix(1767225540, 0).UTC(), ExpiresAt: time.Unix(1767226440, 0).UTC(),
	}
	if got := c.Principal(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
