package signing

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward/doorward/verify"
)

func claims() Claims {
	return Claims{
		Issuer: "https://auth.example.com", Subject: "01JD0000000000000000000000", Audience: []string{"https://api.example.com"},
		ExpiresAt: epoch.Add(15 * time.Minute), IssuedAt: epoch.Add(900 * time.Millisecond), ID: "01JD0000000000000000000001",
		Session: "01JD0000000000000000000002", Client: "web", Scopes: []string{"orders:read", "orders:write"},
		AuthTime: epoch.Add(-time.Hour), Methods: []string{"pwd", "otp"}, Email: "anna@example.com", Name: "Anna",
	}
}

func signer(t testing.TB, algorithm string) (*Signer, verify.KeySet) {
	t.Helper()
	_, key, err := Make(UseAccess, algorithm, newBox(), epoch, epoch)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	set, err := verify.NewKeySet(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, set
}

func sign(t testing.TB, s *Signer, c Claims) string {
	t.Helper()
	token, err := s.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSign(t *testing.T) {
	for _, algorithm := range algorithms {
		s, set := signer(t, algorithm)
		// ECDSA signatures differ each time, in their leading zeros too.
		for range 64 {
			token := sign(t, s, claims())
			rules := verify.Rules{Issuer: claims().Issuer, Audience: claims().Audience, Algorithms: []verify.Algorithm{verify.Algorithm(algorithm)}}
			if _, err := verify.Token(token, set, rules, epoch.Add(time.Minute)); err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			key, ok := set.Key(s.KeyID())
			if !ok {
				t.Fatalf("%s: no key %q", algorithm, s.KeyID())
			}
			payload, err := parsed.Verify(key.Public)
			if err != nil || string(payload) != string(payloadOf(t, token)) {
				t.Fatalf("%s: go-jose reads %s, %v", algorithm, payload, err)
			}
			if algorithm == "RS256" {
				break // one key has one signature of a text
			}
		}
	}
}

func payloadOf(t testing.TB, token string) []byte {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestForm(t *testing.T) {
	s, _ := signer(t, "EdDSA")
	token := sign(t, s, claims())
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if want := `{"alg":"EdDSA","typ":"at+jwt","kid":"` + s.KeyID() + `"}`; err != nil || string(header) != want {
		t.Errorf("header %s, want %s", header, want)
	}
	const want = `{"iss":"https://auth.example.com","sub":"01JD0000000000000000000000","aud":"https://api.example.com",` +
		`"exp":1767226500,"iat":1767225600,"nbf":1767225600,"jti":"01JD0000000000000000000001","sid":"01JD0000000000000000000002",` +
		`"client_id":"web","scope":"orders:read orders:write","auth_time":1767222000,"amr":["pwd","otp"],` +
		`"email":"anna@example.com","name":"Anna","userId":"01JD0000000000000000000000"}`
	if got := string(payloadOf(t, token)); got != want {
		t.Errorf("payload %s\n   want %s", got, want)
	}
	c := claims()
	c.Audience, c.Scopes, c.Methods, c.Email, c.Name = []string{"a", "b"}, nil, nil, "", ""
	bare := strings.NewReplacer(`"https://api.example.com"`, `["a","b"]`, `"scope":"orders:read orders:write",`, "",
		`["pwd","otp"]`, "[]", `"email":"anna@example.com","name":"Anna",`, "").Replace(want)
	if got := string(payloadOf(t, sign(t, s, c))); got != bare {
		t.Errorf("payload %s\n   want %s", got, bare)
	}
}

// reference is what encoding/json makes of the same claims.
func reference(t testing.TB, c Claims) map[string]any {
	t.Helper()
	var audience any = c.Audience
	if len(c.Audience) == 1 {
		audience = c.Audience[0]
	}
	members := map[string]any{
		"iss": c.Issuer, "sub": c.Subject, "aud": audience, "exp": c.ExpiresAt.Unix(), "iat": c.IssuedAt.Unix(), "nbf": c.IssuedAt.Unix(),
		"jti": c.ID, "sid": c.Session, "client_id": c.Client, "auth_time": c.AuthTime.Unix(), "amr": c.Methods, "userId": c.Subject,
	}
	for name, value := range map[string]string{"scope": strings.Join(c.Scopes, " "), "email": c.Email, "name": c.Name} {
		if value != "" {
			members[name] = value
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, text)
}

func decoded(t testing.TB, text []byte) (members map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return members
}

func FuzzClaims(f *testing.F) {
	for _, s := range []string{"", "Anna", `"`, `\`, `a"b\c/d`, "\x00\x1f\x7f", "\b\f\n\r\t", "Zoë 🎈 \u2028\u2029", "\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "<script>&", "\uFFFD", `","admin":true,"x":"`} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		c := claims()
		c.Subject, c.Name, c.Email = a, b, a+b
		c.Audience, c.Methods, c.Scopes = []string{a, b}, []string{b, a}, []string{a + "x", b}
		text := c.appendJSON(nil)
		if !utf8.Valid(text) {
			t.Errorf("%q is not UTF-8", text)
		}
		if got, want := decoded(t, text), reference(t, c); !reflect.DeepEqual(got, want) {
			t.Errorf("%v\nwant %v", got, want)
		}
	})
}

func BenchmarkBareSignature(b *testing.B) {
	key, err := Generate(verify.ES256)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("a token"))
	for b.Loop() {
		if _, err := ecdsa.SignASN1(rand.Reader, key.(*ecdsa.PrivateKey), digest[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	for _, algorithm := range algorithms {
		b.Run(algorithm, func(b *testing.B) {
			s, _ := signer(b, algorithm)
			c := claims()
			b.ReportAllocs()
			for b.Loop() {
				sign(b, s, c)
			}
		})
	}
}

// TestPayloadIsPlainBase64: whatever an account is called, the payload decodes
// by plain base64 and reads right as Latin-1, which is what a page's atob gives.
func TestPayloadIsPlainBase64(t *testing.T) {
	s, _ := signer(t, "ES256")
	for _, name := range []string{"Zoë Ångström", "漢字 😀", "a>b?c~d\x7f", "????>>>>~~~~", "\U0010ffff"} {
		token, err := s.Sign(Claims{Issuer: "https://id.example", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		payload := strings.Split(token, ".")[1]
		text, err := base64.RawStdEncoding.DecodeString(payload)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		var got struct{ Name string }
		if err := json.Unmarshal(text, &got); err != nil || got.Name != name {
			t.Errorf("%q reads %q, %v", name, got.Name, err)
		}
		for _, c := range text {
			if c >= 0x80 {
				t.Errorf("%q: the payload is not ASCII", name)
				break
			}
		}
	}
}
