package password

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/scrypt"
)

type scryptHash struct {
	n, r, p   int // RFC 7914 §2; n is a power of two
	salt, sum []byte
}

func (h *scryptHash) matches(password []byte) bool {
	got, err := scrypt.Key(password, h.salt, h.n, h.r, h.p, len(h.sum))
	return err == nil && subtle.ConstantTimeCompare(got, h.sum) == 1
}

var errScryptForm = errors.New("scrypt: not of a form known here")

// parseScryptPHC reads what follows "$scrypt$": "ln=…,r=…,p=…$salt$hash".
func parseScryptPHC(rest string) (scheme, error) {
	parts, ok := fields(rest, 3)
	if !ok {
		return nil, errScryptForm
	}
	n, ok := numbers(parts[0], "ln", "r", "p")
	if !ok {
		return nil, errors.New("scrypt: the parameters are not ln, r and p")
	}
	salt, sum, err := decodeBoth(parts[1], parts[2])
	return newScrypt(1<<min(n["ln"], 40), n["r"], n["p"], salt, sum, err)
}

// parseScryptWerkzeug reads what follows "scrypt:": "N:r:p$salt$hash", with the
// salt as text and the hash in hexadecimal.
func parseScryptWerkzeug(rest string) (scheme, error) {
	parts, ok := fields(rest, 3)
	if !ok {
		return nil, errScryptForm
	}
	costs := strings.Split(parts[0], ":")
	if len(costs) != 3 {
		return nil, errScryptForm
	}
	sum, err := decodeHex(parts[2])
	return scryptOf(costs, []byte(parts[1]), sum, err)
}

// parseScryptDjango reads what follows "scrypt$": "N$salt$r$p$hash", with the
// salt as text.
func parseScryptDjango(rest string) (scheme, error) {
	parts, ok := fields(rest, 5)
	if !ok {
		return nil, errScryptForm
	}
	sum, err := decode64(parts[4])
	return scryptOf([]string{parts[0], parts[2], parts[3]}, []byte(parts[1]), sum, err)
}

func scryptOf(costs []string, salt, sum []byte, err error) (scheme, error) {
	var n [3]int
	for i := range n {
		var ok bool
		if n[i], ok = number(costs[i], maxScryptWork); !ok {
			return nil, fmt.Errorf("scrypt: N, r and p are not each 1 to %d", maxScryptWork)
		}
	}
	return newScrypt(n[0], n[1], n[2], salt, sum, err)
}

func newScrypt(n, r, p int, salt, sum []byte, err error) (scheme, error) {
	err = lengths(salt, sum, err)
	switch {
	case err != nil:
		return nil, fmt.Errorf("scrypt: %w", err)
	case n < 2 || n&(n-1) != 0:
		return nil, errors.New("scrypt: N is not a power of two")
	case n > maxScryptWork || r > maxScryptWork/n || p > maxScryptWork/n/r:
		return nil, fmt.Errorf("scrypt: N times r times p is over %d", maxScryptWork)
	}
	return &scryptHash{n: n, r: r, p: p, salt: salt, sum: sum}, nil
}
