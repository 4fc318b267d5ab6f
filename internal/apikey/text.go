package apikey

import (
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"strings"

	"github.com/doorward/doorward/internal/ulid"
)

// The text of a key, 69 characters, is
//
//	dwk_ 01JD3WQ8F4Z5M6N7P8R9S0T1V2 7KQ2…(32) 1F0X9ZC
//
// without the spaces: the prefix, the id, 160 random bits, and the CRC-32
// (IEEE) of all that stands before it; all but the prefix in Crockford's base32,
// in upper case. There is no other spelling.
//
// The prefix and the checksum are for programs that look for leaked keys: what
// matches [Pattern] and has the right checksum is a key and no accident. The
// checksum also tells a typo from an unknown key before anybody is asked. It
// proves nothing: anyone can compute it.
const (
	Prefix  = "dwk_"
	Pattern = `dwk_[0-7][0-9A-HJKMNP-TV-Z]{57}[0-3][0-9A-HJKMNP-TV-Z]{6}`

	idLength   = 26
	secretSize = 20 // bytes: 160 bits
	sumLength  = 7  // 35 bits, the upper three of which are zero

	bodyLength = len(Prefix) + idLength + secretSize*8/5
	// Length is that of a key, in bytes.
	Length = bodyLength + sumLength
)

// What is wrong with text that is no key.
var (
	ErrForm     = errors.New("apikey: not the form of an API key")
	ErrChecksum = errors.New("apikey: the checksum is wrong: a character is missing, or another")
)

// Hash is the SHA-256 of a key's text. A slow hash, or a salt, would add
// nothing: nobody can guess 160 random bits, whatever a guess costs, and no two
// keys are alike.
type Hash [sha256.Size]byte

func hash(text string) Hash { return Hash(sha256.Sum256([]byte(text))) }

// Parse reads the text of a key: which one it claims to be, and the hash that
// tells whether it is. It asks nobody.
func Parse(text string) (ulid.ID, Hash, error) {
	if len(text) != Length || !strings.HasPrefix(text, Prefix) {
		return ulid.ID{}, Hash{}, ErrForm
	}
	id, err := ulid.Parse(text[len(Prefix) : len(Prefix)+idLength])
	if err != nil {
		return ulid.ID{}, Hash{}, ErrForm
	}
	for i := len(Prefix) + idLength; i < Length; i++ {
		if strings.IndexByte(alphabet, text[i]) < 0 {
			return ulid.ID{}, Hash{}, ErrForm
		}
	}
	if text[bodyLength:] != checksum(text[:bodyLength]) {
		return ulid.ID{}, Hash{}, ErrChecksum
	}
	return id, hash(text), nil
}

// Claims reports whether text means to be a key, whether or not it is one.
func Claims(text string) bool { return strings.HasPrefix(text, Prefix) }

// write returns the text of a key with the given secret.
func write(id ulid.ID, secret []byte) string {
	b := make([]byte, 0, Length)
	b = append(b, Prefix...)
	b = id.Append(b)
	var acc uint32
	bits := 0
	for _, v := range secret {
		acc = acc<<8 | uint32(v)
		for bits += 8; bits >= 5; {
			bits -= 5
			b = append(b, alphabet[acc>>bits&31])
		}
	}
	return string(b) + checksum(string(b))
}

// alphabet is Crockford's: no letter in it looks like a digit.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func checksum(body string) string {
	sum := uint64(crc32.ChecksumIEEE([]byte(body)))
	var b [sumLength]byte
	for i := range b {
		b[i] = alphabet[sum>>(5*(sumLength-1-i))&31]
	}
	return string(b[:])
}
