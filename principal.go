package doorward

import (
	"slices"
	"time"
)

// Kind tells what sort of caller a [Principal] is.
type Kind string

// The kinds of principal.
const (
	KindUser Kind = "user" // a person, in a session
	KindKey  Kind = "key"  // a machine, by an API key
)

// Principal is who a request speaks for, once that has been verified. It is
// shared between requests that carry the same token, so it is never changed
// after it was made.
type Principal struct {
	Kind     Kind
	Subject  string   // the id of the user, or of the API key (`sub`)
	Session  string   // the session's id (`sid`); empty for a key
	Client   string   // `client_id`
	Scopes   []string // `scope`, split at spaces
	Email    string
	Name     string   // of the user, or what the API key was called
	TokenID  string   // `jti`
	Methods  []string // `amr`, RFC 8176: how the user signed in
	Audience []string // `aud`

	AuthTime  time.Time // when the user last proved who they are; zero for a key
	IssuedAt  time.Time
	ExpiresAt time.Time // zero for a key that never expires
}

// IsKey reports whether p is a machine, by an API key. All that it may do is in
// its scopes.
func (p *Principal) IsKey() bool { return p != nil && p.Kind == KindKey }

// HasScope reports whether p was granted scope.
func (p *Principal) HasScope(scope string) bool {
	return p != nil && slices.Contains(p.Scopes, scope)
}

// MissingScopes returns those of want that p was not granted, in order.
func (p *Principal) MissingScopes(want ...string) []string {
	var missing []string
	for _, scope := range want {
		if !p.HasScope(scope) {
			missing = append(missing, scope)
		}
	}
	return missing
}
