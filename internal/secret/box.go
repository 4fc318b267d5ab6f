package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MasterKeySize is the length of a master key in bytes.
const MasterKeySize = 32

// MasterKey is the one key that an operator keeps outside the store. Every
// other key is derived from it, so that no two purposes share a key. The zero
// MasterKey is no key; deriving from it panics.
type MasterKey struct {
	mute
	text Text
}

// NewMasterKey returns a fresh random key.
func NewMasterKey() MasterKey { return MasterKey{text: New(string(Random(MasterKeySize)))} }

// ParseMasterKey reads a key of 32 bytes, written in hexadecimal (64 digits)
// or in base64 of either alphabet, padded or not (44 or 43 characters). Space
// around it is ignored, so that a file may end in a newline. Errors repeat
// nothing of the text.
func ParseMasterKey(text string) (MasterKey, error) {
	text = strings.TrimSpace(text)
	key, err := decodeKey(text)
	switch {
	case err != nil:
		return MasterKey{}, err
	case strings.Count(key, key[:1]) == len(key):
		return MasterKey{}, errors.New("master key: all bytes are the same: this is a placeholder, not a random key")
	}
	return MasterKey{text: New(key)}, nil
}

// decodeKey tells the encodings apart by length: 32 bytes have only one in
// each.
func decodeKey(text string) (string, error) {
	const base64Length, padded = 43, 44
	var key []byte
	var err error
	switch len(text) {
	case hex.EncodedLen(MasterKeySize):
		if key, err = hex.DecodeString(text); err != nil {
			return "", errors.New("master key: 64 characters that are not all hexadecimal digits")
		}
	case base64Length, padded:
		encoding := base64.StdEncoding
		if strings.ContainsAny(text, "-_") {
			encoding = base64.URLEncoding
		}
		if len(text) == base64Length {
			text += "="
		}
		key, err = encoding.Strict().DecodeString(text)
		if err != nil || len(key) != MasterKeySize {
			return "", errors.New("master key: not the base64 of 32 bytes")
		}
	case 0:
		return "", errors.New("master key: empty")
	default:
		return "", fmt.Errorf("master key: %d characters; want 32 bytes as base64 (43 or 44 characters) or as hexadecimal (64)", len(text))
	}
	return string(key), nil
}

// Reveal returns the key in base64url, in the form that ParseMasterKey reads.
func (k MasterKey) Reveal() string {
	return base64.RawURLEncoding.EncodeToString([]byte(k.text.Reveal()))
}

// IsZero reports whether k is no key.
func (k MasterKey) IsZero() bool { return k.text.IsZero() }

// Derive returns the key for one purpose, by HKDF-SHA-256 (RFC 5869). A
// purpose is a constant of the program; two purposes give unrelated keys, and
// none of them leads back to k. Once something lasting was made under a
// purpose, its name must not change.
func (k MasterKey) Derive(purpose string) [32]byte { return k.derive("derive", purpose) }

// derive keeps what Derive hands out apart from what a Box uses, by label.
func (k MasterKey) derive(label, purpose string) (key [32]byte) {
	if k.IsZero() {
		panic("secret: a key derived from the zero MasterKey")
	}
	// No salt: the input is uniformly random already (RFC 5869 §3.1).
	b, err := hkdf.Key(sha256.New, []byte(k.text.Reveal()), nil, "doorward/1/"+label+"/"+purpose, len(key))
	if err != nil { // only for more than 255 blocks of output
		panic(err)
	}
	copy(key[:], b)
	return key
}

// What Box.Open returns; errors.Is tells them apart.
var (
	// ErrWrongKey: sealed under another master key, or for another purpose.
	ErrWrongKey = errors.New("secret: sealed under another key")
	// ErrDamaged: altered since it was sealed, moved here from another id, or
	// never sealed at all.
	ErrDamaged = errors.New("secret: not what was sealed for this id")
)

// A sealed secret is
//
//	version (1 byte) | key id (4) | nonce (12) | ciphertext | tag (16)
//
// with AES-256-GCM under a key of its own for each purpose, a random nonce, and
// version, key id and the owner's id as associated data. The key id is derived
// from the master key as the key is: it tells a wrong key from a damaged
// secret, which GCM alone cannot, and says nothing about the key.
const (
	boxVersion   = 1
	boxKeyIDSize = 4
	boxHeader    = 1 + boxKeyIDSize
)

// BoxOverhead is by how many bytes a sealed secret is longer than the secret.
const BoxOverhead = boxHeader + 12 + 16

// Box seals small secrets, such as signing keys, to be kept in a store. It is
// safe for concurrent use. Nonces are random, so one purpose may seal up to
// 2^32 times (NIST SP 800-38D §8.3).
type Box struct {
	mute
	header [boxHeader]byte
	aead   cipher.AEAD
}

// NewBox returns the box for one purpose, a constant of the program.
func NewBox(master MasterKey, purpose string) *Box {
	key, id := master.derive("box", purpose), master.derive("box id", purpose)
	block, err := aes.NewCipher(key[:])
	if err != nil { // only for a key of another length
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil { // only for a cipher of another block length
		panic(err)
	}
	b := &Box{aead: aead}
	b.header[0] = boxVersion
	copy(b.header[1:], id[:])
	return b
}

// Seal returns plain, sealed for the thing that id names: it opens under the
// same id only, so a row's secret cannot be moved to another row.
func (b *Box) Seal(id string, plain []byte) []byte {
	sealed := make([]byte, boxHeader, len(plain)+BoxOverhead)
	copy(sealed, b.header[:])
	return b.aead.Seal(sealed, nil, plain, b.associated(id))
}

// Open returns what was sealed for id, or ErrWrongKey, or ErrDamaged.
func (b *Box) Open(id string, sealed []byte) ([]byte, error) {
	if len(sealed) < BoxOverhead || sealed[0] != boxVersion {
		return nil, ErrDamaged
	}
	if [boxHeader]byte(sealed) != b.header {
		return nil, ErrWrongKey
	}
	plain, err := b.aead.Open(nil, nil, sealed[boxHeader:], b.associated(id))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

func (b *Box) associated(id string) []byte { return append(b.header[:boxHeader:boxHeader], id...) }
