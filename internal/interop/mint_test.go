package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"flag"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/verify"
)

var seedFlag = flag.Uint64("seed", 0, "repeat a run of the random tests; 0 takes a new seed")

// newSeed returns the seed of this run, and has it printed where the test
// fails or is verbose.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := *seedFlag
	for seed == 0 {
		seed = mathrand.Uint64()
	}
	t.Logf("repeat with: go test ./internal/interop -run %s -args -seed %d", t.Name(), seed)
	return seed
}

// signer is a key with its private half.
type signer struct {
	key     verify.Key
	private crypto.Signer
}

// signers are made once per run: one for each algorithm.
var signers = sync.OnceValue(func() []signer {
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rs := must(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(ed, err)
	return []signer{
		{must(verify.NewKey("key-ES256", verify.ES256, ec.Public())), ec},
		{must(verify.NewKey("key-RS256", verify.RS256, rs.Public())), rs},
		{must(verify.NewKey("key-EdDSA", verify.EdDSA, ed.Public())), ed},
	}
})

func signerOf(alg verify.Algorithm) signer {
	all := signers()
	return all[slices.IndexFunc(all, func(s signer) bool { return s.key.Algorithm == alg })]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// keySet returns the keys of all signers.
var keySet = sync.OnceValue(func() verify.KeySet {
	var keys []verify.Key
	for _, s := range signers() {
		keys = append(keys, s.key)
	}
	return must(verify.NewKeySet(keys...))
})

const (
	issuer   = "https://id.example"
	audience = "https://api.example"
)

// now is the time of all checks here.
var now = time.Unix(1767225600, 0)

func rules() verify.Rules {
	return verify.Rules{Issuer: issuer, Audience: []string{audience}, Algorithms: verify.Algorithms()}
}

// sign signs as the algorithm of s demands.
func (s signer) sign(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	switch s.key.Algorithm {
	case verify.ES256:
		var rs struct{ R, S *big.Int }
		_ = must(asn1.Unmarshal(must(s.private.Sign(rand.Reader, digest[:], crypto.SHA256)), &rs))
		return append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...)
	case verify.RS256:
		return must(s.private.Sign(nil, digest[:], crypto.SHA256))
	default:
		return must(s.private.Sign(nil, []byte(input), crypto.Hash(0)))
	}
}

// token signs a header and a payload as they are.
func (s signer) token(header, payload string) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(string(s.sign(input)))
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// decode takes what encoding/base64 takes: trailing bits of any kind, and line
// breaks.
func decode(s string) (string, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return string(b), err == nil
}

// object is a JSON object whose members keep their order and their spelling,
// and may occur twice.
type object [][2]string

func (o object) String() string {
	var members []string
	for _, m := range o {
		members = append(members, m[0]+":"+m[1])
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (s signer) header() object {
	return object{{`"alg"`, strconv.Quote(string(s.key.Algorithm))}, {`"typ"`, `"at+jwt"`}, {`"kid"`, strconv.Quote(s.key.ID)}}
}

func payload() object {
	return object{
		{`"iss"`, `"` + issuer + `"`}, {`"sub"`, `"01KDVXJ4000000000000000USR"`}, {`"aud"`, `"` + audience + `"`},
		{`"exp"`, "1767226440"}, {`"iat"`, "1767225540"}, {`"nbf"`, "1767225540"}, {`"jti"`, `"01KDVXJ4000000000000000JT1"`},
		{`"sid"`, `"01KDVXJ4000000000000000SES"`}, {`"client_id"`, `"web"`}, {`"scope"`, `"notes:read notes:write"`},
		{`"auth_time"`, "1767222000"}, {`"amr"`, `["pwd","otp"]`}, {`"email"`, `"alice@example.com"`}, {`"name"`, `"Alice"`},
	}
}

// with returns o with the value of one member changed, or with the member
// added.
func (o object) with(name, value string) object {
	o = slices.Clone(o)
	if i := slices.IndexFunc(o, func(m [2]string) bool { return m[0] == strconv.Quote(name) }); i >= 0 {
		o[i][1] = value
		return o
	}
	return append(o, [2]string{strconv.Quote(name), value})
}

func (s signer) good() string { return s.token(s.header().String(), payload().String()) }
