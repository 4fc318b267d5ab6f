package doctor

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
)

// KeySet is a key set read with charity: a key that this project would not
// take may be the one that the token was signed with.
type KeySet struct {
	Keys []Key
}

// Key is one public key of a set.
type Key struct {
	ID, Type, Alg, Use string
	Public             crypto.PublicKey // nil where it cannot be read
	raw                json.RawMessage
}

// maxKeys bounds the work that a key set can cause.
const maxKeys = 64

// ReadKeySet reads a JWK set.
func ReadKeySet(text []byte) (*KeySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, errors.New("it is not JSON")
	}
	if doc.Keys == nil {
		return nil, errors.New("it has no member keys")
	}
	set := &KeySet{}
	for i, raw := range doc.Keys {
		if i == maxKeys {
			break
		}
		var k struct {
			Kid, Kty, Alg, Use, Crv, N, E, X, Y string
		}
		if json.Unmarshal(raw, &k) != nil {
			continue
		}
		set.Keys = append(set.Keys, Key{ID: k.Kid, Type: k.Kty, Alg: k.Alg, Use: k.Use, Public: publicKey(k.Kty, k.Crv, k.N, k.E, k.X, k.Y), raw: raw})
	}
	return set, nil
}

func publicKey(kty, crv, n, e, x, y string) crypto.PublicKey {
	number := func(s string) []byte {
		b, _ := decodePart(s)
		return b
	}
	switch kty {
	case "RSA":
		mod, exp := number(n), number(e)
		if len(mod) < 128 || len(mod) > 2048 || len(exp) == 0 || len(exp) > 4 {
			return nil
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(mod), E: int(new(big.Int).SetBytes(exp).Int64())}
	case "EC":
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[crv]
		if curve == nil {
			return nil
		}
		size := (curve.Params().BitSize + 7) / 8
		px, py := number(x), number(y)
		if len(px) > size || len(py) > size {
			return nil
		}
		point := make([]byte, 1+2*size)
		point[0] = 4
		copy(point[1+size-len(px):], px)
		copy(point[1+2*size-len(py):], py)
		key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			return nil
		}
		return key
	case "OKP":
		if b := number(x); crv == "Ed25519" && len(b) == ed25519.PublicKeySize {
			return ed25519.PublicKey(b)
		}
	}
	return nil
}

// named returns the keys with an id.
func (s *KeySet) named(kid string) []Key {
	var list []Key
	for _, k := range s.Keys {
		if k.ID == kid {
			list = append(list, k)
		}
	}
	return list
}

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

// signedBy reports whether a token was signed by a key. known is false where
// that cannot be told.
func (t *Token) signedBy(k Key) (genuine, known bool) {
	if k.Public == nil || len(t.Parts) != 3 || len(t.Alg) < 5 {
		return false, false
	}
	input := []byte(t.Parts[0] + "." + t.Parts[1])
	var digest []byte
	hash, hashed := hashes[t.Alg[2:]]
	if hashed {
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	switch key := k.Public.(type) {
	case *rsa.PublicKey:
		switch {
		case strings.HasPrefix(t.Alg, "RS") && hashed:
			return rsa.VerifyPKCS1v15(key, hash, digest, t.Sig) == nil, true
		case strings.HasPrefix(t.Alg, "PS") && hashed:
			return rsa.VerifyPSS(key, hash, digest, t.Sig, nil) == nil, true
		}
	case *ecdsa.PublicKey:
		if n := len(t.Sig) / 2; strings.HasPrefix(t.Alg, "ES") && hashed && t.Alg != "ES256K" {
			if len(t.Sig) == 0 || len(t.Sig)%2 != 0 {
				return false, true
			}
			r, s := new(big.Int).SetBytes(t.Sig[:n]), new(big.Int).SetBytes(t.Sig[n:])
			return ecdsa.Verify(key, digest, r, s), true
		}
	case ed25519.PublicKey:
		if t.Alg == "EdDSA" || t.Alg == "Ed25519" {
			return ed25519.Verify(key, input, t.Sig), true
		}
	}
	return false, false
}

// confusedWith reports whether an HMAC was made with what is a public key, in
// any of the forms in which people keep one.
func (t *Token) confusedWith(k Key) bool {
	hash, ok := hashes[strings.TrimPrefix(strings.ToUpper(t.Alg), "HS")]
	if !ok || k.Public == nil || len(t.Parts) != 3 {
		return false
	}
	for _, secret := range publicForms(k) {
		mac := hmac.New(hash.New, secret)
		mac.Write([]byte(t.Parts[0] + "." + t.Parts[1]))
		if hmac.Equal(mac.Sum(nil), t.Sig) {
			return true
		}
	}
	return false
}

func publicForms(k Key) [][]byte {
	var forms [][]byte
	add := func(kind string, der []byte) {
		block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		trimmed := bytes.TrimRight(block, "\n")
		crlf := bytes.ReplaceAll(block, []byte("\n"), []byte("\r\n"))
		forms = append(forms, block, trimmed, append(bytes.Clone(block), '\n'), crlf, bytes.TrimRight(crlf, "\r\n"), der,
			[]byte(base64.StdEncoding.EncodeToString(der)), []byte(strings.ReplaceAll(string(trimmed), "\n", "")))
	}
	if der, err := x509.MarshalPKIXPublicKey(k.Public); err == nil {
		add("PUBLIC KEY", der)
	}
	switch key := k.Public.(type) {
	case *rsa.PublicKey:
		add("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))
		forms = append(forms, key.N.Bytes(), []byte(base64.RawURLEncoding.EncodeToString(key.N.Bytes())))
	case ed25519.PublicKey:
		forms = append(forms, key, []byte(base64.RawURLEncoding.EncodeToString(key)))
	case *ecdsa.PublicKey:
		if point, err := key.Bytes(); err == nil {
			forms = append(forms, point)
		}
	}
	var compact bytes.Buffer
	if json.Compact(&compact, k.raw) == nil {
		forms = append(forms, compact.Bytes())
	}
	return append(forms, k.raw)
}
