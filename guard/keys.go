package guard

import (
	"context"

	"github.com/doorward/doorward/verify"
)

// KeySource finds the issuer's keys. It is asked for every request, so it must
// answer from memory whenever it can. It must be safe for concurrent use.
type KeySource interface {
	// Keys returns the set to check a token with that names the key kid. A set
	// without that key says for certain that the issuer has no such key; an
	// error says that this is not known, and the request is answered 503.
	//
	// As long as the keys are the same it returns the same pointer: a guard
	// checks all tokens anew once that changes.
	Keys(ctx context.Context, kid string) (*verify.KeySet, error)
}

// StaticKeys returns a source of keys that never change.
func StaticKeys(set verify.KeySet) KeySource { return &staticKeys{set} }

type staticKeys struct{ set verify.KeySet }

func (s *staticKeys) Keys(context.Context, string) (*verify.KeySet, error) { return &s.set, nil }
