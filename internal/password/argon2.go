package password

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/doorward/doorward/internal/argon2"
)

type argon2Hash struct {
	variant   argon2.Variant
	params    Params
	salt, sum []byte
}

func (h *argon2Hash) matches(password []byte) bool {
	got := h.params.sum(h.variant, password, h.salt, len(h.sum))
	return subtle.ConstantTimeCompare(got, h.sum) == 1
}

// argon2Parser reads what follows "$argon2id$": "v=19$m=…,t=…,p=…$salt$hash".
func argon2Parser(v argon2.Variant) func(string) (scheme, error) {
	return func(rest string) (scheme, error) {
		parts, ok := fields(rest, 4)
		if !ok {
			return nil, errors.New("argon2: not of the form $v=19$m=…,t=…,p=…$salt$hash")
		}
		if parts[0] != fmt.Sprintf("v=%d", argon2.Version) {
			return nil, fmt.Errorf("argon2: a version other than %d", argon2.Version)
		}
		n, ok := numbers(parts[1], "m", "t", "p")
		if !ok {
			return nil, errors.New("argon2: the parameters are not m, t and p")
		}
		h := &argon2Hash{variant: v, params: Params{Memory: n["m"], Time: n["t"], Parallelism: n["p"]}}
		if err := h.params.affordable(); err != nil {
			return nil, err
		}
		if h.params.Memory < 8*h.params.Parallelism { // RFC 9106 §3.1
			return nil, errors.New("argon2: less than 8 KiB of memory for each lane")
		}
		var err error
		h.salt, h.sum, err = decodeBoth(parts[2], parts[3])
		if err = lengths(h.salt, h.sum, err); err != nil {
			return nil, fmt.Errorf("argon2: %w", err)
		}
		return h, nil
	}
}
