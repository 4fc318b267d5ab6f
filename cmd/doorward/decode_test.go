package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

var decodeNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func jwt(header, payload string) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(payload)) + "." + enc.EncodeToString(bytes.Repeat([]byte{7}, 64))
}

// decodeText runs the command on a token from standard input.
func decodeText(t *testing.T, text string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = runAt(context.Background(), func() time.Time { return decodeNow }, append([]string{"decode"}, args...), nil, strings.NewReader(text), &out, &err)
	return status, out.String(), err.String()
}

const soundHeader = `{"alg":"ES256","typ":"at+jwt","kid":"K1"}`

// The times are 11:55, 11:55 and 12:10.
const soundClaims = `{"iss":"https://auth.example.com","sub":"U1","aud":["https://api.example.com","x"],"iat":1795434900,"nbf":1795434900,"exp":1795435800,"jti":"J1","sid":"S1","scope":"read write","email":"a@example.com"}`

func TestDecodeInWords(t *testing.T) {
	status, out, _ := decodeText(t, jwt(soundHeader, soundClaims)+"\n")
	const want = `A signed token (JWT) of SIZE bytes, sha256 FINGERPRINT.
Its signature (64 bytes) was not checked: anybody can write a token that says this.
Header
  alg  ES256   ECDSA on P-256 with SHA-256
  typ  at+jwt  an access token (RFC 9068)
  kid  K1      the key that signed it, by name
Claims
  iss    https://auth.example.com    the issuer
  sub    U1                          the subject: whom it speaks for
  aud    https://api.example.com, x  the audience: whom it is for
  iat    1795434900                  issued 2026-11-23 11:55:00 UTC (5 minutes ago)
  nbf    1795434900                  good from 2026-11-23 11:55:00 UTC (5 minutes ago)
  exp    1795435800                  expires 2026-11-23 12:10:00 UTC (in 10 minutes)
  jti    J1                          the token, by name
  sid    S1                          the session
  scope  read write                  what was granted
  email  a@example.com               the user's address
Clock
  - good for another 10 minutes
  - made to live 15 minutes
  - all by this machine's clock, 2026-11-23 12:00:00 UTC
Nothing to object to in its form and its times. The signature, the issuer and the audience are for the verifier to judge.
`
	lines := strings.SplitN(out, "\n", 2)
	if got := "A signed token (JWT) of SIZE bytes, sha256 FINGERPRINT.\n" + lines[1]; got != want || !strings.HasPrefix(lines[0], "A signed token (JWT) of ") {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	if status != statusDone {
		t.Errorf("the status is %d", status)
	}
}

func TestDecodeObjections(t *testing.T) {
	claims := func(old, with string) string { return strings.Replace(soundClaims, old, with, 1) }
	for _, test := range []struct {
		name, token string
		want        []string
	}{
		{"expired", jwt(soundHeader, claims("1795435800", "1795434960")), []string{"it has expired, by 4 minutes"}},
		{"expired within the leeway", jwt(soundHeader, claims("1795435800", "1795435190")), nil},
		{"not yet", jwt(soundHeader, claims(`"nbf":1795434900`, `"nbf":1795435500`)), []string{"nbf is 5 minutes ahead: it is not good yet, or a clock is wrong"}},
		{"from the future", jwt(soundHeader, claims(`"iat":1795434900`, `"iat":1795435500`)), []string{"iat is 5 minutes ahead: a clock is wrong"}},
		{"milliseconds", jwt(soundHeader, claims("1795435800", "1795435800000")), []string{"the claim exp is in milliseconds; it must be in seconds"}},
		{"a time in quotes", jwt(soundHeader, claims("1795435800", `"1795435800"`)), []string{"the claim exp is a number in quotes; it must be a number"}},
		{"a time in words", jwt(soundHeader, claims("1795435800", `"tomorrow"`)), []string{"the claim exp is text, not a number of seconds"}},
		{"never active", jwt(soundHeader, claims("1795435800", "1795434900")), []string{"it has expired, by 5 minutes", "the claim exp is not after iat and nbf: the token was never active"}},
		{"no claims", jwt(soundHeader, "{}"), []string{
			"the claim iss is missing", "the claim sub is missing", "the claim aud is missing", "the claim exp is missing",
			"the claim nbf is missing", "the claim iat is missing", "the claim jti is missing"}},
		{"a claim of another type", jwt(soundHeader, claims(`"sub":"U1"`, `"sub":1`)), []string{"the claim sub is a number, not a string"}},
		{"empty header", jwt("{}", soundClaims), []string{
			"alg is missing", "kid is missing: a verifier with several keys cannot tell which to take", "typ is missing; an access token has at+jwt (RFC 9068 §2.1)"}},
		{"an ID token's type", jwt(strings.Replace(soundHeader, "at+jwt", "JWT", 1), soundClaims), []string{"typ is JWT; an access token has at+jwt (RFC 9068 §2.1)"}},
		{"a shared secret", jwt(strings.Replace(soundHeader, "ES256", "HS256", 1), soundClaims), []string{"alg is HS256: with a shared secret, whoever can check a token can make one"}},
		{"another algorithm", jwt(strings.Replace(soundHeader, "ES256", "PS512", 1), soundClaims), []string{"alg is PS512; ES256, RS256 and EdDSA are taken"}},
		{"a key of its own", jwt(strings.Replace(soundHeader, `"kid"`, `"jwk":{},"kid"`, 1), soundClaims), []string{"the header has jwk: a token cannot bring its own key"}},
		{"member twice", jwt(soundHeader, claims(`"sub":"U1"`, `"sub":"U1","sub":"U2"`)), []string{`the payload is not a sound JSON object: member "sub" occurs twice`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, stderr := decodeText(t, test.token, "--json")
			var got reading
			if err := json.Unmarshal([]byte(out), &got); err != nil || status != statusDone {
				t.Fatalf("%v, status %d, %s", err, status, stderr)
			}
			if a, b := strings.Join(got.Objections, "\n"), strings.Join(test.want, "\n"); a != b {
				t.Errorf("it objects\n%s\nwant\n%s", a, b)
			}
			if strings.Contains(out, strings.Split(test.token, ".")[2]) {
				t.Error("the signature is printed")
			}
		})
	}
}

func TestDecodeUnsigned(t *testing.T) {
	token := strings.TrimRight(jwt(`{"alg":"none","typ":"at+jwt","kid":"K1"}`, soundClaims), "BwcHA") // less its signature
	token = token[:strings.LastIndex(token, ".")+1]
	_, out, _ := decodeText(t, token)
	if !strings.Contains(out, "alg is none: the token is not signed, and anybody can change it") || strings.Contains(out, "there is no signature") {
		t.Error(out)
	}
}

func TestDecodeNotes(t *testing.T) {
	sound := jwt(soundHeader, soundClaims)
	for _, test := range []struct{ name, text, want string }{
		{"the scheme", "Bearer " + sound, "the scheme Bearer stood before the token"},
		{"the whole field", "authorization: bearer " + sound, "the scheme Bearer stood before the token"},
		{"quotes", `"` + sound + `"`, "there were quotes around the token"},
		{"an ID token", jwt(soundHeader, strings.Replace(soundClaims, "{", `{"nonce":"n",`, 1)), "this looks like an ID token"},
		{"bound to a key", jwt(soundHeader, strings.Replace(soundClaims, "{", `{"cnf":{},`, 1)), "bound to a key"},
		{"a slash", jwt(soundHeader, strings.Replace(soundClaims, "example.com", "example.com/", 1)), "iss ends in a slash"},
		{"a long life", jwt(soundHeader, strings.Replace(soundClaims, "1795435800", "1895435800", 1)), "long for a token that is good until it expires"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, out, _ := decodeText(t, test.text); !strings.Contains(out, "  - "+test.want) && !strings.Contains(out, test.want) {
				t.Errorf("nothing says %q:\n%s", test.want, out)
			}
		})
	}
}

func TestDecodeShowsNoEscapes(t *testing.T) {
	_, out, _ := decodeText(t, jwt(soundHeader, `{"na\u001b[2Jme":"\u001b]0;x\u0007","list":["\u202e"],"deep":{"\u009b":"\u001b"}}`))
	if strings.ContainsFunc(out, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' || r == '\u009b' }) {
		t.Errorf("a terminal would obey this: %q", out)
	}
}

func TestDecodeOpaque(t *testing.T) {
	refresh := session.Keys{session.NewKey([32]byte{1})}.Issue(session.First(ulid.New(decodeNow)))
	for _, test := range []struct{ name, text, want string }{
		{"a refresh token", refresh, "This is a Doorward refresh token: it is opaque"},
		{"a refresh token cut short", refresh[:20], "it was cut or altered"},
		{"an API key", "dwk_" + strings.Repeat("a", 40), "This is a Doorward API key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, _ := decodeText(t, test.text)
			if status != statusDone || !strings.Contains(out, test.want) {
				t.Errorf("status %d, nothing says %q:\n%s", status, test.want, out)
			}
			if strings.Contains(out, test.text) {
				t.Error("it is printed")
			}
		})
	}
}

func TestDecodeWhatIsNone(t *testing.T) {
	for _, test := range []struct {
		name, text string
		status     int
		want       string
	}{
		{"nothing", " \n", statusUsage, "TOKEN is missing"},
		{"a word", "hunter2", statusRefused, "this is no token: "},
		{"JSON", `{"accessToken":"hunter2"}`, statusRefused, "this is no token: "},
		{"encrypted", "a.b.c.d.e", statusRefused, "encrypted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, _, stderr := decodeText(t, test.text)
			if status != test.status || !strings.Contains(stderr, test.want) || strings.Contains(stderr, "hunter2") {
				t.Errorf("status %d: %s", status, stderr)
			}
		})
	}
}
