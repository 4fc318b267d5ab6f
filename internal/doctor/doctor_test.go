package doctor

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// jwt makes a token of a header and a payload; @N is the time N seconds from
// now.
func jwt(header, payload string) string {
	for _, n := range []int{-7200, -3600, -600, 600, 3600, 7200} {
		payload = strings.ReplaceAll(payload, fmt.Sprintf("@%+d", n), fmt.Sprint(now.Unix()+int64(n)))
	}
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(payload)) + "." + enc.EncodeToString(make([]byte, 64))
}

const es256 = `{"alg":"ES256","typ":"JWT","kid":"k1"}`

var (
	sound   = jwt(es256, `{"iss":"https://id.example","sub":"1","aud":"orders","iat":@-600,"exp":@+3600}`)
	expired = jwt(es256, `{"iss":"https://id.example","sub":"1","aud":"orders","iat":@-7200,"exp":@-3600}`)
)

// refusal is an answer from status, header lines and body.
func refusal(status int, body string, lines ...string) Answer {
	a := Answer{Status: status, Body: body, At: now}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		a.Header = append(a.Header, Field{name, value})
	}
	return a
}

func asked(t *testing.T, a Answer, lines ...string) *Evidence {
	t.Helper()
	r, err := NewRequest("", "https://api.example/orders", lines, "")
	if err != nil {
		t.Fatal(err)
	}
	return &Evidence{Now: now, Request: *r, Hops: []Hop{{Method: r.Method, URL: r.URL, Credential: r.HasCredential(), Answer: a}}}
}

func TestCredentialForm(t *testing.T) {
	for value, want := range map[string]Cause{
		"Bearer":                           "EMPTY_CREDENTIALS",
		"Bearer undefined":                 "PLACEHOLDER_CREDENTIALS",
		"Bearer [object Object]":           "PLACEHOLDER_CREDENTIALS",
		"Bearer ${TOKEN}":                  "PLACEHOLDER_CREDENTIALS",
		"Bearer {{token}}":                 "PLACEHOLDER_CREDENTIALS",
		sound:                              "SCHEME_MISSING",
		"Bearer Bearer " + sound:           "SCHEME_DOUBLED",
		"Bearer: " + sound:                 "SCHEME_MALFORMED",
		"Bearer" + sound:                   "SCHEME_MALFORMED",
		"Authorization: Bearer " + sound:   "SCHEME_MALFORMED",
		`Bearer "` + sound + `"`:           "QUOTED",
		`Bearer {"access_token":"x"}`:      "QUOTED",
		"Bearer  " + sound:                 "WHITESPACE",
		"Bearer " + sound[:40] + "\u00a0x": "WHITESPACE",
		"Bearer " + sound[:60]:             "TRUNCATED",
		"Bearer " + sound[:len(sound)-20]:  "TRUNCATED",
		"Bearer%20" + sound:                "URL_ENCODED",
		"Bearer " + strings.Replace(sound, ".", "%2E", 1): "URL_ENCODED",
		"Bearer " + sound + "==":                          "WRONG_ALPHABET",
		"Bearer eyJhbGciOi.eyJ!.abc":                      "NOT_BASE64_JSON",
		"Basic YWRh":                                      "BASIC_ENCODING",
		"Basic ada:secret":                                "BASIC_ENCODING",
	} {
		d := Diagnose(asked(t, refusal(401, ""), "Authorization: "+value))
		if d.Cause != want || d.Confidence != Certain {
			t.Errorf("%q: %s (%s), want %s", value, d.Cause, d.Confidence, want)
		}
	}
}

// TestLetThrough: whatever was sent, a request that is let through has no
// fault.
func TestLetThrough(t *testing.T) {
	for _, value := range []string{"Bearer " + sound, "Bearer " + expired, "Bearer undefined", sound, "Basic YWRhOnNlY3JldA=="} {
		if d := Diagnose(asked(t, refusal(200, "{}", "Content-Type: application/json"), "Authorization: "+value)); d.Cause != None {
			t.Errorf("%q: %s", value, d.Cause)
		}
	}
}

func TestWhatTheAnswerSays(t *testing.T) {
	for _, test := range []struct {
		name, token string
		answer      Answer
		want        Cause
		how         Confidence
	}{
		{"expired", expired, refusal(401, `{"message":"jwt expired"}`), "EXPIRED", Certain},
		{"audience", sound, refusal(401, "", `WWW-Authenticate: Bearer error="invalid_token", error_description="The audience 'orders' is invalid"`), "WRONG_AUDIENCE", Certain},
		{"issuer", sound, refusal(403, "Jwt issuer is not configured", "Server: envoy"), "WRONG_ISSUER", Certain},
		{"one of several", sound, refusal(401, `{"message":"token is invalid, expired or revoked"}`), Unknown, Likely},
		{"scope", sound, refusal(403, "", `WWW-Authenticate: Bearer error="insufficient_scope", scope="orders:write"`), "INSUFFICIENT_SCOPE", Certain},
		{"another scheme", sound, refusal(401, "", `WWW-Authenticate: Basic realm="x"`), "SCHEME_WRONG", Certain},
		{"revoked", sound, refusal(401, `{"error":"The token has been revoked"}`), "SESSION_ENDED", Certain},
		{"no route", sound, refusal(403, `{"message":"Missing Authentication Token"}`, "X-Amzn-Requestid: 1"), "NOT_A_ROUTE", Certain},
		{"a bare challenge", sound, refusal(401, "", "WWW-Authenticate: Bearer", "Server: Kestrel"), "HANDLER_NOT_RUN", Likely},
		{"a proxy before it", sound, refusal(401, `{"detail":"Authentication credentials were not provided."}`, "WWW-Authenticate: Bearer", "Via: 1.1 edge"), "PROXY_STRIPPED_AUTH", Likely},
		{"nothing is said", sound, refusal(401, `{}`), Unknown, Likely},
	} {
		if d := Diagnose(asked(t, test.answer, "Authorization: Bearer "+test.token)); d.Cause != test.want || d.Confidence != test.how {
			t.Errorf("%s: %s (%s), want %s (%s): %q", test.name, d.Cause, d.Confidence, test.want, test.how, d.Evidence)
		}
	}
}

// TestNoAnswer: what to do is about the connection, and not about an answer that
// nobody gave.
func TestNoAnswer(t *testing.T) {
	for kind, want := range map[FaultKind]string{
		FaultName:    "the host in the URL",
		FaultRefused: "the server runs",
		FaultTimeout: "Ask again",
		FaultPlain:   "http://",
		FaultOther:   "the connection",
	} {
		e := asked(t, Answer{Fault: "it fails", Kind: kind}, "Authorization: Bearer "+sound)
		if d := Diagnose(e); d.Cause != Unknown || !strings.Contains(d.Fix.Caller, want) || d.Fix.Operator != "" {
			t.Errorf("%s: %s: %+v", kind, d.Cause, d.Fix)
		}
	}
	if d := Diagnose(&Evidence{Now: now, Request: *TokenAlone("notaurl")}); d.Cause != Unknown || !strings.Contains(d.Fix.Caller, "Give the URL") {
		t.Errorf("%s: %+v", d.Cause, d.Fix)
	}
}

// TestClocks: whose clock is off is measured, and the leeway is the rule's.
func TestClocks(t *testing.T) {
	soon := jwt(es256, `{"iss":"https://id.example","aud":"orders","iat":@-600,"exp":@+600}`)
	date := func(d time.Duration) string {
		return "Date: " + now.Add(d).Format("Mon, 02 Jan 2006 15:04:05") + " GMT"
	}
	for _, test := range []struct {
		name, token string
		date        time.Duration
		want        Cause
	}{
		{"the server is ahead", soon, 20 * time.Minute, "CLOCK_SKEW"},
		{"the server agrees", soon, 0, Unknown},
		{"expired by both", expired, 0, "EXPIRED"},
		{"the server is behind", soon, -20 * time.Minute, "CLOCK_SKEW"},
	} {
		if d := Diagnose(asked(t, refusal(401, "{}", date(test.date)), "Authorization: Bearer "+test.token)); d.Cause != test.want {
			t.Errorf("%s: %s, want %s: %q", test.name, d.Cause, test.want, d.Evidence)
		}
	}
}

// TestNoCredentialIsTold: whatever comes back, what was sent is not in it.
func TestNoCredentialIsTold(t *testing.T) {
	const canary = "c4n4ryc4n4ryc4n4ry"
	for _, lines := range [][]string{
		{"Authorization: Bearer " + canary}, {"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+canary))},
		{"X-API-Key: " + canary}, {"Cookie: sid=" + canary + "; b=2"}, {"Authorization: Bearer " + sound}, {"X-Auth-Token: " + canary},
	} {
		secret := canary
		if strings.Contains(lines[0], "eyJ") {
			secret = sound
		}
		body := `{"message":"token ` + secret + ` is invalid: jwt malformed, api key ` + secret + ` not valid"}`
		d := Diagnose(asked(t, refusal(401, body, "WWW-Authenticate: Bearer error=\"invalid_token\", error_description=\"bad "+secret+"\"", "Location: https://x.example/?t="+secret), lines...))
		if text := d.Text(); strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

func TestEveryCauseHasAFix(t *testing.T) {
	for _, c := range Causes() {
		if f := fixes[c]; Title(c) == "" || f.Caller+f.Developer+f.Operator == "" {
			t.Errorf("%s: nothing is said of what to do", c)
		}
	}
}

// TestThePageHasEveryCause: docs/doctor.md lists what the code knows.
func TestThePageHasEveryCause(t *testing.T) {
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Causes() {
		if row := fmt.Sprintf("| `%s` | %s |\n", c, Title(c)); !strings.Contains(string(page), row) {
			t.Errorf("the page has no row %q", row)
		}
	}
	if n := strings.Count(string(page), "\n| `"); n != len(Causes()) {
		t.Errorf("the page has %d causes, the code %d", n, len(Causes()))
	}
}
