package verify

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Leeway is how far the clocks of issuer and verifier may be apart: a token is
// taken from Leeway before its nbf and iat, and refused from Leeway after its
// exp on.
const Leeway = 30 * time.Second

// Rules is what a token must say to be taken. Every field is required; the zero
// Rules refuses everything.
type Rules struct {
	Issuer     string      // `iss`, byte for byte (RFC 9068 §4)
	Audience   []string    // `aud` must hold at least one of these, byte for byte
	Algorithms []Algorithm // the only ones taken
}

// Validate reports what is missing in r.
func (r Rules) Validate() error {
	switch {
	case r.Issuer == "":
		return errors.New("verify: the rules name no issuer")
	case len(r.Audience) == 0:
		return errors.New("verify: the rules name no audience")
	case slices.Contains(r.Audience, ""):
		return errors.New("verify: the rules name an empty audience")
	case len(r.Algorithms) == 0:
		return errors.New("verify: the rules name no algorithm")
	}
	for _, alg := range r.Algorithms {
		if !alg.known() {
			return fmt.Errorf("verify: algorithm %s is not supported", quote(string(alg)))
		}
	}
	return nil
}
