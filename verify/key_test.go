package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/verify"
)

// point returns a key that nothing has checked.
func point(x, y *big.Int) *ecdsa.PublicKey {
	return &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y} //nolint:staticcheck // what is deprecated is to be refused
}

func TestNewKeyRefuses(t *testing.T) {
	ec := es256.private.Public().(*ecdsa.PublicKey)
	n := rs256.private.Public().(*rsa.PublicKey).N
	ed := eddsa.private.Public().(ed25519.PublicKey)
	coordinates := must(ec.Bytes())[1:]
	x, y := new(big.Int).SetBytes(coordinates[:32]), new(big.Int).SetBytes(coordinates[32:])
	p384 := must(ecdsa.ParseRawPrivateKey(elliptic.P384(), append(make([]byte, 47), 1))).Public()
	odd := func(bits uint) *big.Int {
		return new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int), int(bits)-1, 1), 0, 1)
	}
	for _, tt := range []struct {
		name string
		id   string
		alg  verify.Algorithm
		pub  crypto.PublicKey
	}{
		{"no id", "", verify.ES256, ec},
		{"long id", strings.Repeat("x", verify.MaxKeyID+1), verify.ES256, ec},
		{"id not UTF-8", "\xff", verify.ES256, ec},
		{"no algorithm", "k", "", ec},
		{"none", "k", "none", ec},
		{"HS256", "k", "HS256", []byte("a public key")},
		{"nothing", "k", verify.ES256, nil},
		{"ES256 by an RSA key", "k", verify.ES256, rs256.key.Public},
		{"ES256 by a private key", "k", verify.ES256, es256.private},
		{"ES256 by a value", "k", verify.ES256, *ec},
		{"ES256 by a nil key", "k", verify.ES256, (*ecdsa.PublicKey)(nil)},
		{"ES256 without a point", "k", verify.ES256, point(nil, nil)},
		{"ES256 at infinity", "k", verify.ES256, point(new(big.Int), new(big.Int))},
		{"ES256 off the curve", "k", verify.ES256, point(x, new(big.Int).Add(y, big.NewInt(1)))},
		{"ES256 with a negative coordinate", "k", verify.ES256, point(x, new(big.Int).Neg(y))},
		{"ES256 on P-384", "k", verify.ES256, p384},
		{"RS256 by an EC key", "k", verify.RS256, ec},
		{"RS256 by a nil key", "k", verify.RS256, (*rsa.PublicKey)(nil)},
		{"RS256 without a modulus", "k", verify.RS256, &rsa.PublicKey{E: 65537}},
		{"RS256 with 2047 bits", "k", verify.RS256, &rsa.PublicKey{N: odd(2047), E: 65537}},
		{"RS256 with 8193 bits", "k", verify.RS256, &rsa.PublicKey{N: odd(8193), E: 65537}},
		{"RS256 with a negative modulus", "k", verify.RS256, &rsa.PublicKey{N: new(big.Int).Neg(n), E: 65537}},
		{"RS256 with an even modulus", "k", verify.RS256, &rsa.PublicKey{N: new(big.Int).Add(n, big.NewInt(1)), E: 65537}},
		{"RS256 with exponent 1", "k", verify.RS256, &rsa.PublicKey{N: n, E: 1}},
		{"RS256 with exponent 3", "k", verify.RS256, &rsa.PublicKey{N: n, E: 3}},
		{"RS256 with an even exponent", "k", verify.RS256, &rsa.PublicKey{N: n, E: 65538}},
		{"RS256 with a huge exponent", "k", verify.RS256, &rsa.PublicKey{N: n, E: 1<<31 + 1}},
		{"EdDSA by an EC key", "k", verify.EdDSA, ec},
		{"EdDSA by bytes", "k", verify.EdDSA, []byte(ed)},
		{"EdDSA with 31 bytes", "k", verify.EdDSA, ed[:31]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if k, err := verify.NewKey(tt.id, tt.alg, tt.pub); err == nil {
				t.Errorf("took it: %+v", k)
			}
			if set, err := verify.NewKeySet(verify.Key{ID: tt.id, Algorithm: tt.alg, Public: tt.pub}); err == nil {
				t.Errorf("a set took it: %+v", set)
			}
		})
	}
	for _, bits := range []uint{verify.MinRSABits, verify.MaxRSABits} {
		if _, err := verify.NewKey("k", verify.RS256, &rsa.PublicKey{N: odd(bits), E: 65537}); err != nil {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}

// TestLowOrderKeys forges a signature for each Ed25519 key of low order, and
// sees the key refused.
func TestLowOrderKeys(t *testing.T) {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	number := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 10); return n }
	ys := []*big.Int{
		big.NewInt(0), big.NewInt(1), new(big.Int).Sub(p, big.NewInt(1)), // orders 4, 1 and 2
		p, new(big.Int).Add(p, big.NewInt(1)), // the first two, not reduced
	}
	// Order 8: y = (u-1)/(u+1) of the points of order 8 of curve25519.
	for _, u := range []*big.Int{
		number("325606250916557431795983626356110631294008115727848805560023387167927233504"),
		number("39382357235489614581723060781553021112529911719440698176882885853963445705823"),
	} {
		under := new(big.Int).ModInverse(new(big.Int).Add(u, big.NewInt(1)), p)
		y := new(big.Int).Mul(new(big.Int).Sub(u, big.NewInt(1)), under)
		ys = append(ys, y.Mod(y, p))
	}
	for _, y := range ys {
		for _, sign := range []byte{0, 0x80} {
			key := y.FillBytes(make([]byte, ed25519.PublicKeySize))
			slices.Reverse(key)
			key[31] |= sign
			forged := make([]byte, ed25519.SignatureSize)
			forged[0] = 1 // R is the neutral element, S is zero
			works := false
			for i := range 200 {
				works = works || ed25519.Verify(key, []byte{byte(i)}, forged)
			}
			// A zero x has no other sign, which the verifier may refuse.
			if !works && sign == 0 {
				t.Errorf("%x: not a weak key after all", key)
			}
			if _, err := verify.NewKey("k", verify.EdDSA, ed25519.PublicKey(key)); err == nil {
				t.Errorf("%x: taken", key)
			}
		}
	}
}

// TestKeyIsACopy: who made the key from a value cannot change it afterwards.
func TestKeyIsACopy(t *testing.T) {
	for _, s := range signers {
		pub := s.private.Public()
		k := must(verify.NewKey("k", s.key.Algorithm, pub))
		before := k.Thumbprint()
		switch pub := pub.(type) {
		case *ecdsa.PublicKey:
			other := *pub
			k = must(verify.NewKey("k", verify.ES256, &other))
			other = *stranger.private.Public().(*ecdsa.PublicKey)
		case *rsa.PublicKey:
			other := rsa.PublicKey{N: new(big.Int).Set(pub.N), E: pub.E}
			k = must(verify.NewKey("k", verify.RS256, &other))
			other.N.SetInt64(15)
		case ed25519.PublicKey:
			other := append(ed25519.PublicKey(nil), pub...)
			k = must(verify.NewKey("k", verify.EdDSA, other))
			other[0] ^= 1
		}
		if after := k.Thumbprint(); after != before {
			t.Errorf("%s: %s became %s", s.key.Algorithm, before, after)
		}
	}
}

func TestThumbprint(t *testing.T) {
	for _, tt := range []struct{ name, jwk, want string }{
		{
			"RFC 7638 §3.1",
			`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
			"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		},
		{
			"RFC 8037 A.3",
			`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k"}`,
			"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		},
		{
			"RFC 9449 §6.1", // the key of its examples, with the jkt it is bound to
			`{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","kid":"k"}`,
			"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
		},
	} {
		set, skipped, err := verify.ParseKeySet([]byte(`{"keys":[` + tt.jwk + `]}`))
		if err != nil || len(skipped) > 0 {
			t.Fatal(tt.name, skipped, err)
		}
		if got := set.Keys()[0].Thumbprint(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestJWK(t *testing.T) {
	k := must(verify.NewKey("a \"b\" <é>", verify.EdDSA, eddsa.key.Public))
	var got map[string]string
	if err := json.Unmarshal(k.JWK(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 6 || got["kid"] != k.ID || got["use"] != "sig" || got["alg"] != "EdDSA" || got["kty"] != "OKP" || got["crv"] != "Ed25519" || got["x"] == "" {
		t.Errorf("%v", got)
	}
	if b := k.AppendJWK([]byte("x")); string(b) != "x"+string(k.JWK()) {
		t.Errorf("%s", b)
	}
}

func TestKeySet(t *testing.T) {
	set := keySet()
	if k, ok := set.Key("rs-1"); !ok || k.Algorithm != verify.RS256 || set.Len() != 3 {
		t.Errorf("%+v, %v, %d", k, ok, set.Len())
	}
	if k, ok := set.Key("RS-1"); ok {
		t.Errorf("%+v", k)
	}
	set.Keys()[0] = verify.Key{}
	if k, ok := set.Key("es-1"); !ok || k.ID != "es-1" {
		t.Error("a caller changed the set")
	}
	if _, err := verify.NewKeySet(es256.key, stranger.key); err == nil {
		t.Error("two keys with one id")
	}
	again, skipped, err := verify.ParseKeySet(set.JSON())
	if err != nil || len(skipped) > 0 || string(again.JSON()) != string(set.JSON()) {
		t.Errorf("%s, %v, %v", again.JSON(), skipped, err)
	}
	if empty := (verify.KeySet{}); empty.Len() != 0 || string(empty.JSON()) != `{"keys":[]}` {
		t.Errorf("%s", empty.JSON())
	}
}

func TestParseKeySetSkips(t *testing.T) {
	jwk := func(s signer, edit func(map[string]any)) string {
		var m map[string]any
		if err := json.Unmarshal(s.key.JWK(), &m); err != nil {
			t.Fatal(err)
		}
		edit(m)
		return string(must(json.Marshal(m)))
	}
	set := func(name string, value any) func(map[string]any) {
		return func(m map[string]any) { m[name] = value }
	}
	drop := func(name string) func(map[string]any) { return func(m map[string]any) { delete(m, name) } }
	other := string(must(verify.NewKey("other", verify.EdDSA, eddsa.key.Public)).JWK())
	for _, tt := range []struct {
		name, jwk, reason string
	}{
		{"not an object", `"key"`, `it is a string, not an object`},
		{"for encryption", jwk(es256, set("use", "enc")), `its use is "enc", not "sig"`},
		{"use not a string", jwk(es256, set("use", 1)), `its use is a number`},
		{"key_ops for signing", jwk(es256, set("key_ops", []string{"sign"})), `its key_ops do not hold "verify"`},
		{"key_ops a string", jwk(es256, set("key_ops", "verify")), `its key_ops do not hold "verify"`},
		{"no kty", jwk(es256, drop("kty")), `kty is missing`},
		{"unknown kty", jwk(es256, set("kty", "AKP")), `keys of type "AKP" with crv "P-256" are not supported`},
		{"unknown crv", jwk(es256, set("crv", "P-521")), `keys of type "EC" with crv "P-521" are not supported`},
		{"no crv", jwk(eddsa, drop("crv")), `keys of type "OKP" are not supported`},
		{"Ed448", jwk(eddsa, set("crv", "Ed448")), `keys of type "OKP" with crv "Ed448" are not supported`},
		{"alg of another type", jwk(es256, set("alg", "RS256")), `its alg is "RS256"; for a key of this type only ES256 is supported`},
		{"alg PS256", jwk(rs256, set("alg", "PS256")), `its alg is "PS256"; for a key of this type only RS256 is supported`},
		{"alg null", jwk(rs256, set("alg", nil)), `its alg is null`},
		{"no kid", jwk(es256, drop("kid")), `kid is missing: no token can name the key`},
		{"empty kid", jwk(es256, set("kid", "")), `the id of a key must be 1 to 256 bytes`},
		{"long kid", jwk(es256, set("kid", strings.Repeat("x", 257))), `the id of a key must be 1 to 256 bytes`},
		{"x missing", jwk(es256, drop("x")), `x is missing`},
		{"y a number", jwk(es256, set("y", 1)), `y is a number`},
		{"x too short", jwk(es256, set("x", "AQ")), `x and y have 1 and 32 bytes; each must have 32`},
		{"off the curve", jwk(es256, set("y", strings.Repeat("A", 43))), `not a point on P-256`},
		{"x with padding", jwk(eddsa, func(m map[string]any) { m["x"] = m["x"].(string) + "=" }), `x is not base64url: at byte 44 there is padding`},
		{"x with a line feed", jwk(eddsa, func(m map[string]any) { m["x"] = "\n" + m["x"].(string) }), `x is not base64url: at byte 1 there is white space`},
		{"x too long", jwk(eddsa, set("x", strings.Repeat("A", 44))), `an Ed25519 key of 33 bytes; it must have 32`},
		{"n missing", jwk(rs256, drop("n")), `n is missing`},
		{"n too short", jwk(rs256, set("n", "AQ")), `an RSA modulus of 1 bits; it must have 2048 to 8192`},
		{"n with a zero byte in front", jwk(rs256, func(m map[string]any) { m["n"] = "AAAA" + m["n"].(string) }), `n is empty or starts with a zero byte`},
		{"e empty", jwk(rs256, set("e", "")), `e is empty or starts with a zero byte`},
		{"e 3", jwk(rs256, set("e", "Aw")), `an RSA exponent of 3; it must be odd`},
		{"e huge", jwk(rs256, set("e", "AQAAAAAAAAAB")), `an RSA exponent of 65 bits`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, skipped, err := verify.ParseKeySet([]byte(`{"keys":[` + tt.jwk + `,` + other + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := keys.Key("other"); !ok || keys.Len() != 1 {
				t.Errorf("keys %s", keys.JSON())
			}
			if len(skipped) != 1 || !strings.Contains(skipped[0].Error(), tt.reason) {
				t.Errorf("%v, want %s", skipped, tt.reason)
			}
		})
	}
}

func TestParseKeySetInfersTheAlgorithm(t *testing.T) {
	for _, s := range signers {
		jwk := strings.Replace(string(s.key.JWK()), `,"alg":"`+string(s.key.Algorithm)+`"`, "", 1)
		jwk = strings.Replace(jwk, `,"use":"sig"`, `,"key_ops":["sign","verify"],"x5u":"https://evil.example"`, 1)
		keys, skipped, err := verify.ParseKeySet([]byte(`{"keys":[` + jwk + `]}`))
		if err != nil || len(skipped) > 0 {
			t.Fatal(skipped, err)
		}
		if k, ok := keys.Key(s.key.ID); !ok || k.Algorithm != s.key.Algorithm {
			t.Errorf("%+v", k)
		}
		for _, alg := range verify.Algorithms() {
			keys, skipped, err := verify.ParseKeySet([]byte(`{"keys":[`+jwk+`]}`), alg)
			if err != nil || (keys.Len() == 1) != (alg == s.key.Algorithm) || keys.Len()+len(skipped) != 1 {
				t.Errorf("%s where only %s is allowed: %s, %v, %v", s.key.Algorithm, alg, keys.JSON(), skipped, err)
			}
		}
	}
}

// TestParseKeySetWithPrivateKeys: the wording must leave no doubt, and must not
// repeat the key.
func TestParseKeySetWithPrivateKeys(t *testing.T) {
	for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		jwk := strings.Replace(string(es256.key.JWK()), `{`, `{"`+member+`":"c2VjcmV0",`, 1)
		keys, skipped, err := verify.ParseKeySet([]byte(`{"keys":[` + jwk + `]}`))
		if err != nil || keys.Len() != 0 || len(skipped) != 1 || !errors.Is(skipped[0], verify.ErrPrivateKey) {
			t.Fatalf("%s: %s, %v, %v", member, keys.JSON(), skipped, err)
		}
		if text := skipped[0].Error(); !strings.Contains(text, "PUBLISHES A PRIVATE KEY") || strings.Contains(text, "c2VjcmV0") {
			t.Error(text)
		}
	}
}

func TestParseKeySetWithOneIDTwice(t *testing.T) {
	one, two := string(es256.key.JWK()), string(stranger.key.JWK())
	keys, skipped, err := verify.ParseKeySet([]byte(`{"keys":[` + one + `,` + one + `]}`))
	if err != nil || keys.Len() != 1 || len(skipped) != 0 {
		t.Errorf("the same key twice: %s, %v, %v", keys.JSON(), skipped, err)
	}
	keys, skipped, err = verify.ParseKeySet([]byte(`{"keys":[` + one + `,` + two + `,` + one + `,` + string(eddsa.key.JWK()) + `]}`))
	if _, ok := keys.Key("es-1"); err != nil || ok || keys.Len() != 1 || len(skipped) != 1 {
		t.Errorf("two keys: %s, %v, %v", keys.JSON(), skipped, err)
	}
}

func TestParseKeySetRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "HTML": "\n <!doctype html><html>", "an array": "[]", "no keys": "{}", "keys an object": `{"keys":{}}`,
		"one key": string(es256.key.JWK()), "keys twice": `{"keys":[],"keys":[]}`, "data behind it": `{"keys":[]}x`,
	} {
		keys, skipped, err := verify.ParseKeySet([]byte(text))
		if !errors.Is(err, verify.ErrNotKeySet) || keys.Len() != 0 || skipped != nil {
			t.Errorf("%s: %s, %v, %v", name, keys.JSON(), skipped, err)
		}
	}
	if keys, skipped, err := verify.ParseKeySet([]byte(`{"keys":[]}`)); err != nil || keys.Len() != 0 || skipped != nil {
		t.Errorf("an empty set: %v, %v", skipped, err)
	}
}
