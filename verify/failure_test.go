package verify_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

func failureOf(t *testing.T, err error) *verify.Failure {
	t.Helper()
	var f *verify.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v, want a *Failure", err)
	}
	return f
}

func TestPrivateText(t *testing.T) {
	h := es256.header()
	long := strings.Repeat("é", 150)
	for _, tt := range []struct {
		name, token, text string
	}{
		{"kid", es256.token(h.with("kid", `"x"`).String(), claims().String()), `kid "x" is not in the key set (known: "es-1", "rs-1", "ed-1")`},
		{"kid missing", es256.token(h.without("kid").String(), claims().String()), `kid is missing: a token must name its key`},
		{"alg", es256.token(h.with("alg", `"HS256"`).String(), claims().String()), `the header names "HS256"; key "es-1" is for ES256`},
		{"alg and kid", es256.token(h.with("alg", `"HS256"`).with("kid", `"x"`).String(), claims().String()), `the header names "HS256"; allowed: ES256, RS256, EdDSA`},
		{"DER", func() string {
			input := encode(h.String()) + "." + encode(claims().String())
			return input + "." + encode(string(must(es256.der(input))))
		}(), `the signature has 71 bytes; ES256 by key "es-1" has 64; it looks like DER, where r and s one after the other are due`},
		{"slash", genuine(claims().with("iss", `"https://id.example/"`)), `issuer is "https://id.example/", expected "https://id.example" (differs only by a trailing slash)`},
		{"white space", genuine(claims().with("aud", `"https://api.example "`)), `audience is "https://api.example ", expected "https://api.example" (differs only by white space)`},
		{"control characters", genuine(claims().with("iss", `"a\u0000\u001b[2J\u202eb"`)), `issuer is "a\x00\x1b[2J\u202eb", expected "https://id.example"`},
		{"long", genuine(claims().with("iss", `"`+long+`"`)), `issuer is "` + long[:200] + `"… (300 bytes), expected "https://id.example"`},
		{"member", es256.token(h.String(), `{"`+long+`":1,"`+long+`":2}`), `the payload is not a sound JSON object: member "` + long[:200] + `"… (300 bytes) occurs twice`},
		{"many audiences", genuine(claims().with("aud", `["1","2","3","4","5","6","7","8","9","10"]`)), `audience is "1", "2", "3", "4", "5", "6", "7", "8" and 2 more, expected "https://api.example"`},
		{"expired", genuine(claims().with("exp", "1767225550")), `expired 4m10s ago, at 2025-12-31T23:59:10Z`},
		{"long expired", genuine(claims().with("iat", "1").with("nbf", "1").with("exp", "1767000000")), `expired 2 days ago, at 2025-12-29T09:20:00Z`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := verify.Token(tt.token, keySet(), rules(), now.Add(200*time.Second))
			f := failureOf(t, err)
			if f.Text != tt.text {
				t.Errorf("text\n%s, want\n%s", f.Text, tt.text)
			}
			noSecret(t, tt.token, f)
		})
	}
}

// TestReason checks what a failure says of a token before and after its
// signature was found genuine.
func TestReason(t *testing.T) {
	expired := now.Add(time.Hour)
	token := es256.good()
	_, err := verify.Token(token, keySet(), rules(), expired)
	got := failureOf(t, err).Reason()
	ref := doorward.TokenRef{ID: "01KDVXJ4000000000000000JT1", Key: "es-1", Fingerprint: verify.Fingerprint(token)}
	if got.Check != "exp" || got.By != 46*time.Minute || got.Token != ref || got.User != "01KDVXJ4000000000000000USR" || got.Session != "01KDVXJ4000000000000000SES" {
		t.Errorf("genuine: %+v", got)
	}

	forged := stranger.good()
	_, err = verify.Token(forged, keySet(), rules(), now)
	got = failureOf(t, err).Reason()
	ref = doorward.TokenRef{Key: "es-1", Fingerprint: verify.Fingerprint(forged)}
	if got.Check != "signature" || got.Token != ref || got.User != "" || got.Session != "" {
		t.Errorf("forged: %+v", got)
	}
}

func TestFingerprint(t *testing.T) {
	// SHA-256 of nothing, FIPS 180-4.
	if got := verify.Fingerprint(""); got != "e3b0c442" {
		t.Error(got)
	}
}

// TestNoKeysIsUnavailable: who has no keys knows nothing about a token, and
// must not sign anybody out.
func TestNoKeysIsUnavailable(t *testing.T) {
	_, err := verify.Token(es256.good(), verify.KeySet{}, rules(), now)
	f := failureOf(t, err)
	if f.Code != doorward.Unavailable || f.Check != verify.CheckSetup {
		t.Errorf("%v: %s", f, f.Text)
	}
}
