package password

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"strings"
)

type pbkdf2Hash struct {
	digest     *digest
	iterations int
	salt, sum  []byte
}

type digest struct {
	new  func() hash.Hash
	size int // bytes
}

var (
	sha256Digest = &digest{sha256.New, sha256.Size}
	sha512Digest = &digest{sha512.New, sha512.Size}
)

func (h *pbkdf2Hash) matches(password []byte) bool {
	got, err := pbkdf2.Key(h.digest.new, string(password), h.salt, h.iterations, len(h.sum))
	return err == nil && subtle.ConstantTimeCompare(got, h.sum) == 1
}

var errPBKDF2Form = errors.New("pbkdf2: not of the form iterations$salt$hash")

// pbkdf2Parser makes a parser of one of those below, which return the
// iterations still as text.
func pbkdf2Parser(read func(parts []string) (iterations string, salt, sum []byte, err error), d *digest) func(string) (scheme, error) {
	return func(rest string) (scheme, error) {
		parts, ok := fields(rest, 3)
		if !ok {
			return nil, errPBKDF2Form
		}
		text, salt, sum, err := read(parts)
		if err = lengths(salt, sum, err); err != nil {
			return nil, fmt.Errorf("pbkdf2: %w", err)
		}
		blocks := (len(sum) + d.size - 1) / d.size
		most := maxPBKDF2Work / blocks * sha256.Size / d.size
		n, ok := number(text, most)
		if !ok {
			return nil, fmt.Errorf("pbkdf2: the iterations are not 1 to %d", most)
		}
		return &pbkdf2Hash{digest: d, iterations: n, salt: salt, sum: sum}, nil
	}
}

// parsePBKDF2PHC reads "i=…", perhaps with "l=…" for the length, or the bare
// number, as passlib writes it.
func parsePBKDF2PHC(parts []string) (string, []byte, []byte, error) {
	salt, sum, err := decodeBoth(parts[1], parts[2])
	text, length, hasLength := strings.Cut(strings.TrimPrefix(parts[0], "i="), ",l=")
	if n, ok := number(length, maxSum); err == nil && hasLength && (!ok || n != len(sum)) {
		err = errors.New("the hash is not of the length l")
	}
	return text, salt, sum, err
}

// parsePBKDF2Werkzeug takes the salt as text and the hash in hexadecimal.
func parsePBKDF2Werkzeug(parts []string) (string, []byte, []byte, error) {
	sum, err := decodeHex(parts[2])
	return parts[0], []byte(parts[1]), sum, err
}

// parsePBKDF2Django takes the salt as text.
func parsePBKDF2Django(parts []string) (string, []byte, []byte, error) {
	sum, err := decode64(parts[2])
	return parts[0], []byte(parts[1]), sum, err
}
