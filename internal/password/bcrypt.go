package password

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// bcryptSees is how many bytes of a password bcrypt looks at.
const bcryptSees = 72

type bcryptHash struct {
	encoded []byte // with the prefix $2b$
	prehash bool   // of the SHA-256 of the password, in hexadecimal, as Django has it
}

// matches goes by what bcrypt is: it sees the first 72 bytes of a password and
// no more, in every implementation, so longer passwords match a hash that was
// made of as much of them.
func (h *bcryptHash) matches(password []byte) bool {
	if h.prehash {
		sum := sha256.Sum256(password)
		password = []byte(hex.EncodeToString(sum[:]))
	}
	err := bcrypt.CompareHashAndPassword(h.encoded, password)
	// With a zero byte inside, implementations in C saw what is before it
	// only: such a password matches none, but takes as long.
	return err == nil && bytes.IndexByte(password, 0) < 0
}

// bcryptParser reads what follows "$2b$": two digits of cost, "$", 22
// characters of salt and 31 of hash.
func bcryptParser(prehash bool) func(string) (scheme, error) {
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return func(rest string) (scheme, error) {
		cost, text, _ := strings.Cut(rest, "$")
		if len(cost) != 2 || len(text) != 22+31 || strings.Trim(text, alphabet) != "" {
			return nil, errors.New("bcrypt: not of the form $cost$ and 53 characters of salt and hash")
		}
		if n, ok := number(strings.TrimPrefix(cost, "0"), maxBcryptCost); !ok || n < bcrypt.MinCost {
			return nil, fmt.Errorf("bcrypt: the cost is not %d to %d", bcrypt.MinCost, maxBcryptCost)
		}
		// The marks 2a, 2b and 2y tell of faults in other implementations,
		// long past; the hash is the same.
		return &bcryptHash{encoded: []byte("$2b$" + rest), prehash: prehash}, nil
	}
}
