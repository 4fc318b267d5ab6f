package signing

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"reflect"
	"strconv"
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
		// Signatures differ with the text, in their leading zeros too.
		for i := range 64 {
			c := claims()
			c.ID = strconv.Itoa(i)
			token := sign(t, s, c)
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
			if again := sign(t, s, c); again != token {
				t.Fatalf("%s: one text has two signatures", algorithm)
			}
		}
	}
}

// The signatures of RFC 6979, appendix A.2.5, for P-256 and SHA-256.
func TestDeterministicSignature(t *testing.T) {
	number := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), number("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"))
	if err != nil {
		t.Fatal(err)
	}
	sign, size, err := signature(key)
	if err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]string{
		"sample": "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
		"test":   "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
	} {
		if sig, err := sign([]byte(message)); err != nil || len(sig) != size || !bytes.Equal(sig, number(want)) {
			t.Errorf("%s: %X, %v", message, sig, err)
		}
	}
}

func TestFixedLength(t *testing.T) {
	type numbers struct{ R, S *big.Int }
	encode := func(v any) []byte {
		der, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	full, over := new(big.Int).Lsh(big.NewInt(255), 248), new(big.Int).Lsh(big.NewInt(1), 256)
	for _, n := range []numbers{{big.NewInt(1), full}, {full, big.NewInt(0x1234)}, {full, full}} {
		want := append(n.R.FillBytes(make([]byte, 32)), n.S.FillBytes(make([]byte, 32))...)
		if sig, err := fixedLength(encode(n)); err != nil || !bytes.Equal(sig, want) {
			t.Errorf("%v: %X, %v", n, sig, err)
		}
	}
	for name, der := range map[string][]byte{
		"nothing": nil, "one number": encode([]*big.Int{full}), "three": encode([]*big.Int{full, full, full}),
		"too long": encode(numbers{over, full}), "negative": encode(numbers{full, big.NewInt(-1)}),
		"more behind it": append(encode(numbers{full, full}), 0), "no sequence": encode(full),
	} {
		if sig, err := fixedLength(der); err == nil {
			t.Errorf("%s: %X", name, sig)
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
