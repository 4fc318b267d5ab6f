package verify_test

import (
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/strictjson"
	"github.com/doorward/doorward/verify"
)

func TestKeyID(t *testing.T) {
	for _, s := range []signer{es256, rs256, eddsa} {
		if kid, err := verify.KeyID(s.good()); err != nil || kid != s.key.ID {
			t.Errorf("%q, %v", kid, err)
		}
	}
	// Neither the payload nor the signature is looked at.
	if kid, err := verify.KeyID(encode(`{"kid":"next"}`) + ".?.?"); err != nil || kid != "next" {
		t.Errorf("%q, %v", kid, err)
	}
	h := es256.header()
	for check, token := range map[verify.Check]string{
		verify.CheckSize:     strings.Repeat("a.", verify.MaxSize),
		verify.CheckForm:     "opaque",
		verify.CheckAlphabet: "e30=.e30.",
		verify.CheckHeader:   encode(h.with("jku", `"https://evil.example"`).String()) + "..",
		verify.CheckCrit:     encode(h.with("crit", `["x"]`).String()) + "..",
		verify.CheckKid:      encode(h.without("kid").String()) + "..",
	} {
		kid, err := verify.KeyID(token)
		if f := failureOf(t, err); f.Check != check || kid != "" {
			t.Errorf("%s: %q, %v", check, kid, f)
		}
	}
}

// TestTwinSignature pins down what the package says about the two spellings of
// an ES256 token.
func TestTwinSignature(t *testing.T) {
	order, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	token := es256.good()
	dot := strings.LastIndexByte(token, '.')
	signature := must(base64.RawURLEncoding.DecodeString(token[dot+1:]))
	s := new(big.Int).SetBytes(signature[32:])
	new(big.Int).Sub(order, s).FillBytes(signature[32:])
	twin := token[:dot+1] + encode(string(signature))
	if twin == token {
		t.Fatal("the twin is the same")
	}
	a := must(verify.Token(token, keySet(), rules(), now))
	b := must(verify.Token(twin, keySet(), rules(), now))
	if a.TokenID != b.TokenID || a.Session != b.Session || a.Ref() == b.Ref() {
		t.Errorf("%+v and %+v", a.Ref(), b.Ref())
	}
}

func TestUnverified(t *testing.T) {
	token := stranger.good()
	in, err := verify.Unverified(token)
	if err != nil {
		t.Fatal(err)
	}
	if in.Algorithm != "ES256" || in.KeyID != "es-1" || in.Type != "at+jwt" || in.SignatureSize != 64 ||
		in.Claims.Subject != "01KDVXJ4000000000000000USR" || in.Token != in.Claims.Ref() || in.Token.Fingerprint != verify.Fingerprint(token) ||
		in.Payload.Get("userId").Text != "01KDVXJ4000000000000000USR" {
		t.Errorf("%+v", in)
	}
}

// TestUnverifiedReadsOn: a fault in one place keeps nothing else from being
// read.
func TestUnverifiedReadsOn(t *testing.T) {
	h := es256.header()
	for _, tt := range []struct {
		name, token string
		check       verify.Check
		kid, sub    string
	}{
		{"too long", es256.token(h.String(), claims().with("pad", `"`+strings.Repeat("x", verify.MaxSize)+`"`).String()), verify.CheckSize, "es-1", "01KDVXJ4000000000000000USR"},
		{"form", "opaque", verify.CheckForm, "", ""},
		{"header", "!." + encode(claims().String()) + ".", verify.CheckAlphabet, "", "01KDVXJ4000000000000000USR"},
		{"header with a key", es256.token(h.with("x5c", "[]").String(), claims().String()), verify.CheckHeader, "es-1", "01KDVXJ4000000000000000USR"},
		{"payload", es256.token(h.String(), "hello"), verify.CheckPayload, "es-1", ""},
		{"claims", es256.token(h.String(), claims().with("exp", `"soon"`).String()), verify.CheckClaims, "es-1", "01KDVXJ4000000000000000USR"},
		{"signature", es256.good() + "=", verify.CheckAlphabet, "es-1", "01KDVXJ4000000000000000USR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, err := verify.Unverified(tt.token)
			if f := failureOf(t, err); f.Check != tt.check || f.Token != in.Token {
				t.Errorf("%v: %s", f, f.Text)
			}
			if in.KeyID != tt.kid || in.Claims.Subject != tt.sub {
				t.Errorf("%+v", in)
			}
			if tt.sub == "" && in.Payload.Kind != strictjson.Absent {
				t.Errorf("payload %v", in.Payload)
			}
		})
	}
}
