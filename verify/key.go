package verify

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"
)

// Bounds on keys.
const (
	MinRSABits = 2048 // RFC 7518 §3.3
	MaxRSABits = 8192 // beyond it one check takes milliseconds
	MaxKeyID   = 256  // bytes

	minRSAExponent = 65537
	maxRSAExponent = 1<<31 - 1 // what crypto/rsa takes
)

// Key is one public key. It serves one algorithm, so that a header cannot
// choose how a key is used (RFC 8725 §3.1).
type Key struct {
	ID        string           // `kid`; 1 to MaxKeyID bytes
	Algorithm Algorithm        // the only one the key is used with
	Public    crypto.PublicKey // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey; not to be changed
}

// NewKey returns a key of its own copy of pub. It refuses an ES256 key that is
// not a point of P-256, an RS256 key of less than MinRSABits or more than
// MaxRSABits or with a public exponent that is even, below 65537 or above
// 2³¹-1, and an EdDSA key that is not 32 bytes long or is of low order.
func NewKey(id string, alg Algorithm, pub crypto.PublicKey) (Key, error) {
	k, err := newKey(id, alg, pub)
	if err != nil {
		return Key{}, fmt.Errorf("verify: key %s: %w", quote(id), err)
	}
	return k, nil
}

func newKey(id string, alg Algorithm, pub crypto.PublicKey) (Key, error) {
	if id == "" || len(id) > MaxKeyID || !utf8.ValidString(id) {
		return Key{}, fmt.Errorf("the id of a key must be 1 to %d bytes of UTF-8", MaxKeyID)
	}
	var err error
	switch alg {
	case ES256:
		pub, err = checkedEC(pub)
	case RS256:
		pub, err = checkedRSA(pub)
	case EdDSA:
		pub, err = checkedEd25519(pub)
	default:
		err = fmt.Errorf("algorithm %s is not supported", quote(string(alg)))
	}
	if err != nil {
		return Key{}, err
	}
	return Key{ID: id, Algorithm: alg, Public: pub}, nil
}

var errNotOnCurve = errors.New("not a point on P-256")

func checkedEC(pub crypto.PublicKey) (crypto.PublicKey, error) {
	ec, ok := pub.(*ecdsa.PublicKey)
	if !ok || ec == nil || ec.Curve != elliptic.P256() {
		return nil, errors.New("ES256 needs an *ecdsa.PublicKey on P-256")
	}
	//nolint:staticcheck // Bytes would panic on a key put together without them
	if ec.X == nil || ec.Y == nil {
		return nil, errNotOnCurve
	}
	point, err := ec.Bytes()
	if err != nil {
		return nil, errNotOnCurve
	}
	return parsePoint(point)
}

func parsePoint(point []byte) (crypto.PublicKey, error) {
	ec, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, errNotOnCurve
	}
	return ec, nil
}

func checkedRSA(pub crypto.PublicKey) (crypto.PublicKey, error) {
	key, ok := pub.(*rsa.PublicKey)
	if !ok || key == nil || key.N == nil {
		return nil, errors.New("RS256 needs an *rsa.PublicKey")
	}
	if bits := key.N.BitLen(); key.N.Sign() < 0 || bits < MinRSABits || bits > MaxRSABits {
		return nil, fmt.Errorf("an RSA modulus of %d bits; it must have %d to %d", bits, MinRSABits, MaxRSABits)
	}
	if key.N.Bit(0) == 0 {
		return nil, errors.New("an even RSA modulus")
	}
	if key.E < minRSAExponent || key.E > maxRSAExponent || key.E%2 == 0 {
		return nil, fmt.Errorf("an RSA exponent of %d; it must be odd and %d to %d", key.E, minRSAExponent, maxRSAExponent)
	}
	return &rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}, nil
}

func checkedEd25519(pub crypto.PublicKey) (crypto.PublicKey, error) {
	key, ok := pub.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("EdDSA needs an ed25519.PublicKey")
	}
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("an Ed25519 key of %d bytes; it must have %d", len(key), ed25519.PublicKeySize)
	}
	if lowOrder(key) {
		return nil, errors.New("an Ed25519 key of low order: anybody can sign for it")
	}
	return slices.Clone(key), nil
}

// lowOrder reports whether key is one of the points whose order divides 8. RFC
// 8032 lets them pass; one signature then fits many messages. The all-zero key
// of a value that was never set is among them.
func lowOrder(key ed25519.PublicKey) bool {
	// RFC 8032 §5.1.3: y in little endian, with the sign of x in the top bit.
	y := slices.Clone(key)
	slices.Reverse(y)
	y[0] &= 0x7F
	// RFC 7748 §4.1: u = (1+y)/(1-y) is the same point on curve25519, where
	// X25519 turns all of low order into zero, which crypto/ecdh refuses.
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	over := new(big.Int).SetBytes(y)
	under := new(big.Int).Sub(big.NewInt(1), over)
	over.Add(over, big.NewInt(1))
	if under.ModInverse(under, p) == nil {
		return true // y = 1, the neutral element
	}
	u := over.Mul(over, under).Mod(over, p).FillBytes(make([]byte, ed25519.PublicKeySize))
	slices.Reverse(u)
	point, err := ecdh.X25519().NewPublicKey(u)
	if err != nil {
		return true
	}
	anyScalar, err := ecdh.X25519().NewPrivateKey(make([]byte, ed25519.PublicKeySize))
	if err != nil {
		return true
	}
	_, err = anyScalar.ECDH(point)
	return err != nil
}

// equal reports whether both are the same key for the same algorithm; the ids
// may differ.
func (k *Key) equal(other *Key) bool {
	pub, ok := k.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Algorithm == other.Algorithm && pub.Equal(other.Public)
}

// jwk is a JSON Web Key (RFC 7517 §4; RFC 7518 §6; RFC 8037 §2).
type jwk struct {
	Type  string `json:"kty"`
	Curve string `json:"crv,omitempty"`
	X     string `json:"x,omitempty"`
	Y     string `json:"y,omitempty"`
	N     string `json:"n,omitempty"`
	E     string `json:"e,omitempty"`
	ID    string `json:"kid"`
	Use   string `json:"use"`
	Alg   string `json:"alg"`
}

func (k Key) fields() jwk {
	encode := base64.RawURLEncoding.EncodeToString
	j := jwk{ID: k.ID, Use: "sig", Alg: string(k.Algorithm)}
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil || len(point) != 1+2*coordinateSize {
			return jwk{}
		}
		j.Type, j.Curve = "EC", "P-256"
		j.X, j.Y = encode(point[1:1+coordinateSize]), encode(point[1+coordinateSize:])
	case *rsa.PublicKey:
		j.Type = "RSA"
		j.N, j.E = encode(pub.N.Bytes()), encode(big.NewInt(int64(pub.E)).Bytes())
	case ed25519.PublicKey:
		j.Type, j.Curve, j.X = "OKP", "Ed25519", encode(pub)
	}
	return j
}

// JWK returns the key as a JSON Web Key (RFC 7517) to publish: with kid, use
// "sig" and alg.
func (k Key) JWK() []byte { return k.AppendJWK(nil) }

// AppendJWK appends what JWK returns to b.
func (k Key) AppendJWK(b []byte) []byte {
	text, err := json.Marshal(k.fields())
	if err != nil { // strings always marshal
		panic(err)
	}
	return append(b, text...)
}

// Thumbprint returns the key's thumbprint (RFC 7638, RFC 8037 §2) by SHA-256,
// in base64url. It depends on the public key alone, not on id or algorithm.
func (k Key) Thumbprint() string {
	j := k.fields()
	// RFC 7638 §3.2: the required members only, in lexicographic order, with
	// no white space. The values are base64url and need no escapes.
	var text string
	switch j.Type {
	case "EC":
		text = `{"crv":"` + j.Curve + `","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`
	case "RSA":
		text = `{"e":"` + j.E + `","kty":"RSA","n":"` + j.N + `"}`
	case "OKP":
		text = `{"crv":"` + j.Curve + `","kty":"OKP","x":"` + j.X + `"}`
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
