package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/verify"
)

// HS256 is the algorithm of keys for [UseRefresh]: HMAC with SHA-256.
const HS256 = "HS256"

const (
	// rsaBits is what RFC 7518 §3.3 asks for at least, and enough for a key
	// that signs for months (NIST SP 800-57 part 1, table 2).
	rsaBits = verify.MinRSABits

	secretSize = 32 // bytes of a key for UseRefresh, RFC 7518 §3.2
)

// Key is a key that can be used: a [Record], opened. It never prints its
// private half.
type Key struct {
	ID        string
	Use       Use
	Algorithm string

	// Behind a pointer, because fmt calls no method on an unexported field and
	// prints what it finds there: behind a pointer it finds an address.
	half *privateHalf
}

// privateHalf holds one of the two, by the use of the key.
type privateHalf struct {
	signer crypto.Signer
	secret [secretSize]byte
}

// Make makes a key for a use, and the record to store of it: published from
// now on, and signing from activeAt. The box must be the one it will be opened
// with. A key for UseAccess may be for any algorithm of package verify, one
// for UseRefresh for HS256 only.
func Make(use Use, algorithm string, box *secret.Box, now, activeAt time.Time) (Record, Key, error) {
	key := Key{Use: use, Algorithm: algorithm}
	var plain []byte
	var err error
	switch {
	case use == UseAccess:
		plain, err = key.generateSigner()
	case use == UseRefresh && algorithm == HS256:
		plain = secret.Random(secretSize)
		key.ID = ulid.New(now).String()
		key.half = &privateHalf{secret: [secretSize]byte(plain)}
	default:
		err = fmt.Errorf("signing: no key for %q has the algorithm %q", use, algorithm)
	}
	if err != nil {
		return Record{}, Key{}, err
	}
	return Record{
		ID: key.ID, Use: use, Algorithm: algorithm,
		Sealed:    box.Seal(sealedFor(use, key.ID), plain),
		CreatedAt: now.Truncate(time.Millisecond),
		ActiveAt:  activeAt.Truncate(time.Millisecond),
	}, key, nil
}

// sealedFor names the row that a private half belongs to, so that it opens in
// no other row and for no other use.
func sealedFor(use Use, id string) string { return string(use) + " " + id }

// generateSigner fills in the key and returns its private half as PKCS #8.
func (k *Key) generateSigner() ([]byte, error) {
	signer, err := Generate(verify.Algorithm(k.Algorithm))
	if err != nil {
		return nil, err
	}
	k.half = &privateHalf{signer: signer}
	k.ID = verify.Key{Public: signer.Public()}.Thumbprint()
	return x509.MarshalPKCS8PrivateKey(signer)
}

// Generate returns a new private key for an algorithm.
func Generate(algorithm verify.Algorithm) (crypto.Signer, error) {
	switch algorithm {
	case verify.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case verify.RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case verify.EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("signing: there is no algorithm %q", algorithm)
}

// Open returns the key of a record, as the box that sealed it gives it back.
func Open(record Record, box *secret.Box) (Key, error) {
	key, err := open(record, box)
	switch {
	case errors.Is(err, secret.ErrWrongKey):
		return Key{}, fmt.Errorf("signing: key %s was made under another master key than the one given: start with that one: %w", record.ID, err)
	case err != nil:
		return Key{}, fmt.Errorf("signing: key %s cannot be used; restore its row from a backup, or remove it and rotate: %w", record.ID, err)
	}
	return key, nil
}

// Reseal returns a record with its key sealed in another box.
func Reseal(record Record, from, to *secret.Box) (Record, error) {
	if _, err := Open(record, from); err != nil {
		return Record{}, err
	}
	id := sealedFor(record.Use, record.ID)
	plain, err := from.Open(id, record.Sealed)
	record.Sealed = to.Seal(id, plain)
	return record, err
}

func open(record Record, box *secret.Box) (Key, error) {
	plain, err := box.Open(sealedFor(record.Use, record.ID), record.Sealed)
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: record.ID, Use: record.Use, Algorithm: record.Algorithm}
	switch {
	case record.Use == UseAccess:
		signer, err := parseSigner(plain)
		if err != nil {
			return Key{}, err
		}
		key.half = &privateHalf{signer: signer}
		_, err = key.Public() // the algorithm is not part of what was sealed
		return key, err
	case record.Use == UseRefresh && record.Algorithm == HS256 && len(plain) == secretSize:
		key.half = &privateHalf{secret: [secretSize]byte(plain)}
		return key, nil
	}
	return Key{}, fmt.Errorf("no key for %q has the algorithm %q", record.Use, record.Algorithm)
}

func parseSigner(plain []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errors.New("not a PKCS #8 private key")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("not a key that signs")
	}
	return signer, nil
}

// Public returns the half to publish of a key for [UseAccess]; others have
// none.
func (k Key) Public() (verify.Key, error) {
	signer, err := k.signer()
	if err != nil {
		return verify.Key{}, err
	}
	return verify.NewKey(k.ID, verify.Algorithm(k.Algorithm), signer.Public())
}

// Secret returns a key for [UseRefresh].
func (k Key) Secret() ([secretSize]byte, error) {
	if k.Use != UseRefresh || k.half == nil {
		return [secretSize]byte{}, fmt.Errorf("signing: key %q is not for %q", k.ID, UseRefresh)
	}
	return k.half.secret, nil
}

func (k Key) signer() (crypto.Signer, error) {
	if k.Use != UseAccess || k.half == nil {
		return nil, fmt.Errorf("signing: key %q is not for %q", k.ID, UseAccess)
	}
	return k.half.signer, nil
}
