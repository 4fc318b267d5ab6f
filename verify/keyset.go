package verify

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/doorward/doorward/internal/strictjson"
)

// KeySet is a set of keys with distinct ids. It never changes; the zero KeySet
// is empty.
type KeySet struct {
	keys  []Key
	index map[string]int // position by id
}

// NewKeySet returns the set of keys, in their order. Every key is checked as
// [NewKey] does; two keys with one id are an error, and so is no key set at
// all: a token names its key by id alone.
func NewKeySet(keys ...Key) (KeySet, error) {
	set := KeySet{keys: make([]Key, 0, len(keys)), index: make(map[string]int, len(keys))}
	for _, k := range keys {
		checked, err := NewKey(k.ID, k.Algorithm, k.Public)
		if err != nil {
			return KeySet{}, err
		}
		if _, twice := set.index[k.ID]; twice {
			return KeySet{}, fmt.Errorf("verify: two keys have the id %s", quote(k.ID))
		}
		set.index[k.ID] = len(set.keys)
		set.keys = append(set.keys, checked)
	}
	return set, nil
}

// Key returns the key with the id kid, and false where there is none.
func (s KeySet) Key(kid string) (Key, bool) {
	i, ok := s.index[kid]
	if !ok {
		return Key{}, false
	}
	return s.keys[i], true
}

// Keys returns all keys in order, in a slice of the caller's own.
func (s KeySet) Keys() []Key { return slices.Clone(s.keys) }

// Len returns the number of keys.
func (s KeySet) Len() int { return len(s.keys) }

// JSON returns the set as a JWK Set (RFC 7517 §5) to publish.
func (s KeySet) JSON() []byte {
	b := []byte(`{"keys":[`)
	for i, k := range s.keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = k.AppendJWK(b)
	}
	return append(b, "]}"...)
}

// ErrPrivateKey is the reason for skipping a key that a key set holds with its
// private half, or a secret key. Everybody who can read the set can sign with
// it, so no token of that key proves anything.
var ErrPrivateKey = errors.New("THE KEY SET PUBLISHES A PRIVATE KEY: anybody can sign with it; its owner must withdraw it at once")

// ErrNotKeySet reports a text that is not a JWK Set at all.
var ErrNotKeySet = errors.New("verify: not a JWK Set (RFC 7517 §5)")

// ParseKeySet reads a JWK Set (RFC 7517 §5) for the algorithms allowed, or for
// all that this package knows where none is given.
//
// Keys that cannot be used are left out, each with one error that says why, as
// RFC 7517 §5 wants: a key for another use or with key_ops without "verify", of
// another type, for another algorithm, without a kid, or with a defect. A key
// with private members is left out with [ErrPrivateKey]. Two different keys
// with one kid are both left out.
//
// A key without alg gets the one algorithm that its kty and crv leave: ES256 for
// P-256, EdDSA for Ed25519, and RS256 for RSA, because that is the only RSA
// algorithm here, and many issuers publish RSA keys so. URLs in a key (x5u) are
// never followed.
//
// The last result is not nil only where the text is no key set at all, and is
// then an [ErrNotKeySet]. Its size is the caller's to bound.
func ParseKeySet(jwks []byte, allowed ...Algorithm) (KeySet, []error, error) {
	if bytes.HasPrefix(bytes.TrimLeft(jwks, " \t\r\n"), []byte("<")) {
		return KeySet{}, nil, fmt.Errorf("%w: it looks like HTML", ErrNotKeySet)
	}
	doc, err := strictjson.ParseObject(jwks)
	if err != nil {
		return KeySet{}, nil, fmt.Errorf("%w: %s", ErrNotKeySet, jsonFault(err))
	}
	items := doc.Get("keys")
	if items.Kind != strictjson.Array {
		return KeySet{}, nil, fmt.Errorf("%w: the member \"keys\" is %s, not an array", ErrNotKeySet, items.Kind)
	}
	if len(allowed) == 0 {
		allowed = Algorithms()
	}
	var keys []Key
	var skipped []error
	for i, item := range items.Items {
		key, err := parseJWK(item, allowed)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("verify: key %d of the set (kid %s): %w", i+1, quote(item.Get("kid").Text), err))
			continue
		}
		keys = append(keys, key)
	}
	keys, ambiguous := distinct(keys)
	set, err := NewKeySet(keys...)
	if err != nil { // keys are checked and distinct
		return KeySet{}, nil, err
	}
	return set, append(skipped, ambiguous...), nil
}

// distinct leaves out every id that names two different keys, and repetitions
// of one key.
func distinct(keys []Key) ([]Key, []error) {
	first := make(map[string]*Key, len(keys))
	ambiguous := make(map[string]bool)
	for i := range keys {
		if other, twice := first[keys[i].ID]; !twice {
			first[keys[i].ID] = &keys[i]
		} else if !other.equal(&keys[i]) {
			ambiguous[keys[i].ID] = true
		}
	}
	var kept []Key
	var errs []error
	for i := range keys {
		id := keys[i].ID
		if first[id] != &keys[i] {
			continue
		}
		if ambiguous[id] {
			errs = append(errs, fmt.Errorf("verify: different keys of the set have the kid %s: none of them is used", quote(id)))
			continue
		}
		kept = append(kept, keys[i])
	}
	return kept, errs
}

// privateMembers are the members of private and secret keys (RFC 7518 §6.2.2,
// §6.3.2, §6.4.1; RFC 8037 §2).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

func parseJWK(item strictjson.Value, allowed []Algorithm) (Key, error) {
	if item.Kind != strictjson.Object {
		return Key{}, fmt.Errorf("it is %s, not an object", item.Kind)
	}
	for _, name := range privateMembers {
		if item.Get(name).Kind != strictjson.Absent {
			return Key{}, fmt.Errorf("member %q: %w", name, ErrPrivateKey)
		}
	}
	if err := checkUse(item); err != nil {
		return Key{}, err
	}
	alg, err := algorithmOf(item)
	if err != nil {
		return Key{}, err
	}
	if !slices.Contains(allowed, alg) {
		return Key{}, fmt.Errorf("it is for %s, which is not allowed here", alg)
	}
	kid := item.Get("kid")
	if kid.Kind != strictjson.String {
		return Key{}, fmt.Errorf("kid is %s: no token can name the key", describe(kid))
	}
	pub, err := publicKey(item, alg)
	if err != nil {
		return Key{}, err
	}
	return newKey(kid.Text, alg, pub)
}

// checkUse obeys RFC 7517 §4.2 and §4.3.
func checkUse(item strictjson.Value) error {
	if use := item.Get("use"); use.Kind != strictjson.Absent && (use.Kind != strictjson.String || use.Text != "sig") {
		return fmt.Errorf("its use is %s, not \"sig\"", describe(use))
	}
	ops := item.Get("key_ops")
	if ops.Kind == strictjson.Absent {
		return nil
	}
	for _, op := range ops.Items {
		if op.Kind == strictjson.String && op.Text == "verify" {
			return nil
		}
	}
	return errors.New("its key_ops do not hold \"verify\"")
}

// algorithmOf returns the one algorithm that kty and crv leave, if alg agrees
// or is absent.
func algorithmOf(item strictjson.Value) (Algorithm, error) {
	var only Algorithm
	switch kty, crv := item.Get("kty"), item.Get("crv"); {
	case kty.Kind != strictjson.String:
		return "", fmt.Errorf("kty is %s", describe(kty))
	case kty.Text == "RSA":
		only = RS256
	case kty.Text == "EC" && crv.Text == "P-256":
		only = ES256
	case kty.Text == "OKP" && crv.Text == "Ed25519":
		only = EdDSA
	case crv.Kind == strictjson.Absent:
		return "", fmt.Errorf("keys of type %s are not supported", quote(kty.Text))
	default:
		return "", fmt.Errorf("keys of type %s with crv %s are not supported", quote(kty.Text), describe(crv))
	}
	if alg := item.Get("alg"); alg.Kind != strictjson.Absent && (alg.Kind != strictjson.String || alg.Text != string(only)) {
		return "", fmt.Errorf("its alg is %s; for a key of this type only %s is supported", describe(alg), only)
	}
	return only, nil
}

func publicKey(item strictjson.Value, alg Algorithm) (crypto.PublicKey, error) {
	switch alg {
	case ES256:
		x, errX := member(item, "x")
		y, errY := member(item, "y")
		if err := errors.Join(errX, errY); err != nil {
			return nil, err
		}
		// RFC 7518 §6.2.1.2: the full length, leading zeros included.
		if len(x) != coordinateSize || len(y) != coordinateSize {
			return nil, fmt.Errorf("x and y have %d and %d bytes; each must have %d", len(x), len(y), coordinateSize)
		}
		const uncompressed = 4 // SEC 1 §2.3.3
		return parsePoint(slices.Concat([]byte{uncompressed}, x, y))
	case RS256:
		n, errN := positive(item, "n")
		e, errE := positive(item, "e")
		if err := errors.Join(errN, errE); err != nil {
			return nil, err
		}
		if e.BitLen() > 31 {
			return nil, fmt.Errorf("an RSA exponent of %d bits; it must be at most %d", e.BitLen(), maxRSAExponent)
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	default:
		x, err := member(item, "x")
		return ed25519.PublicKey(x), err
	}
}

// member returns the bytes of a base64url member.
func member(item strictjson.Value, name string) ([]byte, error) {
	v := item.Get(name)
	if v.Kind != strictjson.String {
		return nil, fmt.Errorf("%s is %s", name, describe(v))
	}
	b, ok := decode(make([]byte, decodedSize(v.Text)), v.Text)
	if !ok {
		return nil, fmt.Errorf("%s is not base64url: %s", name, alphabetFault(v.Text))
	}
	return b, nil
}

// positive returns a Base64urlUInt: the fewest bytes that hold the number (RFC
// 7518 §2).
func positive(item strictjson.Value, name string) (*big.Int, error) {
	b, err := member(item, name)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || b[0] == 0 {
		return nil, fmt.Errorf("%s is empty or starts with a zero byte", name)
	}
	return new(big.Int).SetBytes(b), nil
}
