package interop

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/verify"
)

// mutation is a way to alter a genuine token without its key. Each is meant to
// be refused whenever it changes the token at all.
//
// One change is not among them: (r, n-s) in place of the (r, s) of an ES256
// signature. It is as genuine as the first, RFC 7518 §3.4 does not rule it out,
// and to refuse the higher of the two would refuse half of what other signers
// make. The documentation of verify says what follows from that, and its tests
// pin it down.
type mutation struct {
	name   string
	mutate func(r *mathrand.Rand, t specimen) string
}

// specimen is a genuine token with what it was made of.
type specimen struct {
	signer                     signer
	text                       string
	header, payload, signature string
	headerJSON, payloadJSON    object
	other                      *specimen // another genuine token
}

func newSpecimen(r *mathrand.Rand, s signer) specimen {
	h, p := s.header(), payload().with("jti", strconv.Quote(strconv.FormatUint(r.Uint64(), 36))).with("sub", strconv.Quote("user"+strconv.Itoa(r.IntN(1000))))
	text := s.token(h.String(), p.String())
	parts := strings.Split(text, ".")
	return specimen{signer: s, text: text, header: parts[0], payload: parts[1], signature: parts[2], headerJSON: h, payloadJSON: p}
}

func (t specimen) rawSignature() []byte {
	raw, _ := decode(t.signature)
	return []byte(raw)
}

func (t specimen) withSignature(raw []byte) string {
	return t.header + "." + t.payload + "." + encode(string(raw))
}

func (t specimen) withHeader(o object) string {
	return encode(o.String()) + "." + t.payload + "." + t.signature
}

func (t specimen) withPayload(o object) string {
	return t.header + "." + encode(o.String()) + "." + t.signature
}

var mutations = []mutation{
	{"a bit flipped in a decoded part", func(r *mathrand.Rand, t specimen) string {
		parts := []string{t.header, t.payload, t.signature}
		i := r.IntN(len(parts))
		raw, _ := decode(parts[i])
		b := []byte(raw)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		parts[i] = encode(string(b))
		return strings.Join(parts, ".")
	}},
	{"a bit flipped in the text", func(r *mathrand.Rand, t specimen) string {
		b := []byte(t.text)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		return string(b)
	}},
	{"a character replaced", func(r *mathrand.Rand, t specimen) string {
		i := r.IntN(len(t.text))
		return t.text[:i] + pick(r, strings.Split("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.", "")) + t.text[i+1:]
	}},
	{"cut", func(r *mathrand.Rand, t specimen) string {
		i, j := r.IntN(len(t.text)+1), r.IntN(len(t.text)+1)
		return t.text[min(i, j):max(i, j)]
	}},
	{"a stretch left out", func(r *mathrand.Rand, t specimen) string {
		i := r.IntN(len(t.text))
		return t.text[:i] + t.text[min(len(t.text), i+1+r.IntN(8)):]
	}},
	{"a stretch doubled", func(r *mathrand.Rand, t specimen) string {
		i := r.IntN(len(t.text))
		return t.text[:min(len(t.text), i+1+r.IntN(8))] + t.text[i:]
	}},
	{"letters in another case", func(r *mathrand.Rand, t specimen) string {
		i, j := r.IntN(len(t.text)+1), r.IntN(len(t.text)+1)
		i, j = min(i, j), max(i, j)
		return t.text[:i] + pick(r, []func(string) string{strings.ToUpper, strings.ToLower})(t.text[i:j]) + t.text[j:]
	}},
	{"another spelling of the text", func(r *mathrand.Rand, t specimen) string { return respellToken(r, t.text) }},
	{"another serialization", func(r *mathrand.Rand, t specimen) string {
		return pick(r, []string{
			t.text + "." + t.signature, t.text + "." + t.text, "." + t.text, t.text + t.text, "Bearer " + t.text, `"` + t.text + `"`,
			`{"protected":"` + t.header + `","payload":"` + t.payload + `","signature":"` + t.signature + `"}`,
			t.header + ".." + t.signature, t.header + "." + t.payload, t.header + "." + t.payload + ".",
		})
	}},
	{"parts exchanged", func(r *mathrand.Rand, t specimen) string {
		parts := []string{t.header, t.payload, t.signature}
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return strings.Join(parts, ".")
	}},
	{"parts of two tokens", func(r *mathrand.Rand, t specimen) string {
		return pick(r, []string{t.header, t.other.header}) + "." + pick(r, []string{t.payload, t.other.payload}) + "." + pick(r, []string{t.signature, t.other.signature})
	}},
	{"a claim edited", func(r *mathrand.Rand, t specimen) string {
		return t.withPayload(t.payloadJSON.edit(r, object{{`"role"`, `"admin"`}}, claimValue))
	}},
	{"the subject replaced", func(r *mathrand.Rand, t specimen) string {
		return t.withPayload(t.payloadJSON.with("sub", strconv.Quote("mallory"+strconv.Itoa(r.IntN(1000)))))
	}},
	{"the header edited", func(r *mathrand.Rand, t specimen) string {
		return t.withHeader(t.headerJSON.edit(r, extraHeader, headerValue))
	}},
	{"the same JSON in another spelling", func(r *mathrand.Rand, t specimen) string {
		h, p := slices.Clone(t.headerJSON), slices.Clone(t.payloadJSON)
		r.Shuffle(len(h), func(i, j int) { h[i], h[j] = h[j], h[i] })
		r.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
		return encode(respell(r, h.String())) + "." + encode(respell(r, p.String())) + "." + t.signature
	}},
	{"alg none", func(r *mathrand.Rand, t specimen) string {
		h := t.headerJSON.with("alg", strconv.Quote(pick(r, []string{"none", "None", "NONE", "nOnE", ""})))
		return encode(h.String()) + "." + t.payload + "." + pick(r, []string{"", t.signature, "AA"})
	}},
	{"HMAC with the public key", func(r *mathrand.Rand, t specimen) string {
		h := t.headerJSON.with("alg", pick(r, []string{`"HS256"`, strconv.Quote(string(t.signer.key.Algorithm))}))
		input := encode(h.String()) + "." + encode(t.payloadJSON.with("sub", `"mallory"`).String())
		mac := hmac.New(sha256.New, pick(r, publicForms(t.signer.key)))
		mac.Write([]byte(input))
		sum := mac.Sum(nil)
		return input + "." + encode(string(pick(r, [][]byte{sum, append(sum, sum...)})))
	}},
	{"signed by the key of a stranger", func(r *mathrand.Rand, t specimen) string {
		return pick(r, strangers()).token(t.headerJSON.String(), t.payloadJSON.String())
	}},
	{"signed by a stranger who brings the key", func(r *mathrand.Rand, t specimen) string {
		s := pick(r, strangers())
		h := t.headerJSON.with("alg", strconv.Quote(string(s.key.Algorithm))).with("jwk", string(s.key.JWK()))
		if r.IntN(2) == 0 {
			h = h.with("kid", `"stranger"`)
		}
		return s.token(h.String(), t.payloadJSON.String())
	}},
	{"signed by another key of the set", func(r *mathrand.Rand, t specimen) string {
		others := []verify.Algorithm{verify.ES256, verify.EdDSA} // RSA signs slowly
		s := signerOf(pick(r, slices.DeleteFunc(others, func(a verify.Algorithm) bool { return a == t.signer.key.Algorithm })))
		h := t.headerJSON.with("alg", strconv.Quote(string(pick(r, []verify.Algorithm{s.key.Algorithm, t.signer.key.Algorithm}))))
		return s.token(h.String(), t.payloadJSON.String())
	}},
	{"another signature from the same", func(r *mathrand.Rand, t specimen) string {
		return t.withSignature(pick(r, malleate(t)))
	}},
}

// publicForms are the forms in which a public key lies about and may be taken
// for a shared secret.
func publicForms(k verify.Key) [][]byte {
	der := must(x509.MarshalPKIXPublicKey(k.Public))
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return [][]byte{der, text, []byte(strings.TrimSpace(string(text))), k.JWK(), []byte(k.Thumbprint()), []byte(k.ID), {}}
}

var strangers = sync.OnceValue(func() []signer {
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(ed, err)
	return []signer{
		{must(verify.NewKey("key-ES256", verify.ES256, ec.Public())), ec},
		{must(verify.NewKey("key-EdDSA", verify.EdDSA, ed.Public())), ed},
	}
})

// order parses the order of a group.
func order(s string) *big.Int { return new(big.Int).SetBytes(must(hex.DecodeString(s))) }

var (
	orderP256    = order("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
	orderEd25519 = order("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed")
)

// malleate returns signatures that follow from a genuine one by arithmetic or
// by another encoding, and that lax verifiers take.
func malleate(t specimen) [][]byte {
	raw := t.rawSignature()
	all := [][]byte{
		append([]byte{0}, raw...), append(slices.Clone(raw), 0), raw[:len(raw)-1], raw[1:], make([]byte, len(raw)), {},
		slices.Concat(raw, raw), slices.Concat(raw[len(raw)/2:], raw[:len(raw)/2]),
	}
	// fixed writes n in size bytes, or in as many as it takes.
	fixed := func(n *big.Int, size int) []byte { return n.FillBytes(make([]byte, max(size, (n.BitLen()+7)/8))) }
	switch pub := t.signer.key.Public.(type) {
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])
		minusR := new(big.Int).Sub(orderP256, r)
		for _, pair := range [][2]*big.Int{
			{minusR, s}, {minusR, new(big.Int).Sub(orderP256, s)}, {new(big.Int).Add(r, orderP256), s}, {r, new(big.Int).Add(s, orderP256)},
			{r, new(big.Int)}, {new(big.Int), s}, {r, orderP256}, {orderP256, s}, {r, r}, {s, r},
		} {
			all = append(all, slices.Concat(fixed(pair[0], 32), fixed(pair[1], 32)))
		}
		der := func(n *big.Int) []byte {
			b := append([]byte{0}, fixed(n, 32)...)
			return append([]byte{2, byte(len(b))}, b...)
		}
		body := slices.Concat(der(r), der(s))
		all = append(all, append([]byte{0x30, byte(len(body))}, body...))
	case *rsa.PublicKey:
		s := new(big.Int).SetBytes(raw)
		all = append(all, fixed(new(big.Int).Add(s, pub.N), len(raw)), fixed(new(big.Int).Sub(pub.N, s), len(raw)), fixed(pub.N, len(raw)))
	case ed25519.PublicKey:
		scalar := slices.Clone(raw[32:])
		slices.Reverse(scalar)
		for range 8 { // S + L, S + 2L … up to 2^256
			sum := fixed(new(big.Int).Add(new(big.Int).SetBytes(scalar), orderEd25519), 32)
			scalar = slices.Clone(sum)
			slices.Reverse(sum)
			all = append(all, slices.Concat(raw[:32], sum))
		}
	}
	return all
}

// TestMutatedTokens alters genuine tokens without their keys, 100,000 times:
// none may be accepted that is not, byte for byte, a genuine one.
func TestMutatedTokens(t *testing.T) {
	seed := newSeed(t)
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	r := mathrand.New(mathrand.NewPCG(seed, 0))
	specimens, genuine := newSpecimens(t, r, 30)

	workers := runtime.GOMAXPROCS(0)
	counts := make([]map[verify.Check]int, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := mathrand.New(mathrand.NewPCG(seed, uint64(w)+1))
			counts[w] = make(map[verify.Check]int)
			for i := w; i < n; i += workers {
				m, s := mutations[i%len(mutations)], pick(r, specimens)
				text := m.mutate(r, s)
				_, err := verify.Token(text, keySet(), rules(), now)
				var f *verify.Failure
				switch {
				case errors.As(err, &f):
					counts[w][f.Check]++
				case !genuine[text]:
					t.Errorf("accepted: %s: %s\nfrom %s", m.name, text, s.text)
				default:
					counts[w][""]++ // not changed after all
				}
			}
		})
	}
	wg.Wait()

	total, seen := 0, make(map[verify.Check]int)
	for _, c := range counts {
		for check, k := range c {
			seen[check] += k
			total += k
		}
	}
	t.Logf("%d tokens, by the check that refused them: %v", total, seen)
	if total != n && !t.Failed() {
		t.Errorf("ran %d tokens of %d", total, n)
	}
	if seen[verify.CheckSignature] < n/10 || seen[""] > n/10 {
		t.Errorf("these mutations tell little: %v", seen)
	}
	// A payload is only looked at behind a genuine signature.
	for check := range seen {
		if pastSignature(check) {
			t.Errorf("a mutated token failed %q, behind its signature", check)
		}
	}
}

// newSpecimens returns n genuine tokens, and the set of their texts.
func newSpecimens(t *testing.T, r *mathrand.Rand, n int) ([]specimen, map[string]bool) {
	t.Helper()
	all, texts := make([]specimen, n), make(map[string]bool)
	for i := range all {
		all[i] = newSpecimen(r, signers()[i%len(signers())])
		texts[all[i].text] = true
		if _, err := verify.Token(all[i].text, keySet(), rules(), now); err != nil {
			t.Fatalf("the genuine token is refused: %v", err)
		}
	}
	for i := range all {
		all[i].other = &all[(i+1+r.IntN(n-1))%n]
	}
	return all, texts
}
