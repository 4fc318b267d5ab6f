package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/verify"
)

// signer is a fixed key with its private half. All signatures are
// deterministic, so that the vectors are too.
type signer struct {
	key     verify.Key
	private crypto.Signer
}

//go:embed testdata/rsa2048.pem
var rsaPEM string

var (
	es256 = newSigner("es-1", verify.ES256, ecKey("doorward test key 1"))
	rs256 = newSigner("rs-1", verify.RS256, rsaKey())
	eddsa = newSigner("ed-1", verify.EdDSA, edKey("doorward test key 1"))

	signers = []signer{es256, rs256, eddsa}

	// stranger has an id of the set, and is not in it.
	stranger = newSigner("es-1", verify.ES256, ecKey("doorward test key 2"))
)

func ecKey(seed string) crypto.Signer {
	scalar := sha256.Sum256([]byte(seed))
	return must(ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:]))
}

func edKey(seed string) crypto.Signer {
	sum := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(sum[:])
}

// rsaKey reads a key whose label keeps scanners from taking it for a secret.
func rsaKey() crypto.Signer {
	block, _ := pem.Decode([]byte(strings.ReplaceAll(rsaPEM, "TESTING KEY", "PRIVATE KEY")))
	return must(x509.ParsePKCS1PrivateKey(block.Bytes))
}

func newSigner(id string, alg verify.Algorithm, private crypto.Signer) signer {
	return signer{must(verify.NewKey(id, alg, private.Public())), private}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func keySet() verify.KeySet {
	return must(verify.NewKeySet(es256.key, rs256.key, eddsa.key))
}

func (s signer) sign(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	switch s.private.(type) {
	case *ecdsa.PrivateKey:
		der := must(s.der(input))
		var rs struct{ R, S *big.Int }
		must(asn1.Unmarshal(der, &rs))
		return append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		return must(s.private.Sign(nil, digest[:], crypto.SHA256))
	default:
		return must(s.private.Sign(nil, []byte(input), crypto.Hash(0)))
	}
}

// der returns an ECDSA signature in ASN.1. Without a random source the nonce is
// that of RFC 6979.
func (s signer) der(input string) ([]byte, error) {
	digest := sha256.Sum256([]byte(input))
	return s.private.Sign(nil, digest[:], crypto.SHA256)
}

// token signs a header and a payload as they are.
func (s signer) token(header, payload string) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(string(s.sign(input)))
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// object is a JSON object whose members keep their order and their spelling.
type object [][2]string

func (o object) String() string {
	var members []string
	for _, m := range o {
		members = append(members, strconv.Quote(m[0])+":"+m[1])
	}
	return "{" + strings.Join(members, ",") + "}"
}

// with returns o with the member name set to a JSON text.
func (o object) with(name, value string) object {
	var out object
	found := false
	for _, m := range o {
		if m[0] == name {
			m[1], found = value, true
		}
		out = append(out, m)
	}
	if !found {
		out = append(out, [2]string{name, value})
	}
	return out
}

func (o object) without(name string) object {
	var out object
	for _, m := range o {
		if m[0] != name {
			out = append(out, m)
		}
	}
	return out
}

const (
	issuer   = "https://id.example"
	audience = "https://api.example"
)

// now is the time at which the good token is good: issued a minute ago, with
// 14 minutes left.
var now = time.Unix(1767225600, 0)

func (s signer) header() object {
	return object{{"alg", strconv.Quote(string(s.key.Algorithm))}, {"typ", `"at+jwt"`}, {"kid", strconv.Quote(s.key.ID)}}
}

func claims() object {
	return object{
		{"iss", `"` + issuer + `"`},
		{"sub", `"01KDVXJ4000000000000000USR"`},
		{"aud", `"` + audience + `"`},
		{"exp", "1767226440"},
		{"iat", "1767225540"},
		{"nbf", "1767225540"},
		{"jti", `"01KDVXJ4000000000000000JT1"`},
		{"sid", `"01KDVXJ4000000000000000SES"`},
		{"client_id", `"web"`},
		{"scope", `"notes:read notes:write"`},
		{"auth_time", "1767222000"},
		{"amr", `["pwd","otp"]`},
		{"email", `"alice@example.com"`},
		{"name", `"Alice"`},
		{"userId", `"01KDVXJ4000000000000000USR"`},
	}
}

func (s signer) good() string { return s.token(s.header().String(), claims().String()) }

func rules() verify.Rules {
	return verify.Rules{Issuer: issuer, Audience: []string{audience}, Algorithms: verify.Algorithms()}
}
