package apikey

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The scopes of the server's own routes begin alike. Every other scope is the
// program's, whose routes ask for it.
const (
	serverFamily = "doorward:"

	ScopeRevocations = serverFamily + "revocations" // GET /revocations
	ScopeIntrospect  = serverFamily + "introspect"  // POST /auth/introspect
	ScopeDenials     = serverFamily + "denials"     // to send the denials of other programs
)

// ServerScopes returns the scopes of the server's own routes.
func ServerScopes() []string { return []string{ScopeRevocations, ScopeIntrospect, ScopeDenials} }

// Allows reports whether a key with the given scopes may use the route of the
// server's own that the scope names. To follow the endings and to introspect,
// any key will do, unless it was made with a scope of the server's own: such a
// one may do just what those say. What writes must be named.
func Allows(scopes []string, scope string) bool {
	if slices.Contains(scopes, scope) {
		return true
	}
	restricted := slices.ContainsFunc(scopes, func(s string) bool { return strings.HasPrefix(s, serverFamily) })
	return !restricted && scope != ScopeDenials
}

const (
	maxScopes      = 32
	maxScopeLength = 100
	maxNameLength  = 100 // code points
)

// CheckName returns why a key cannot have a name, or nil.
func CheckName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case strings.TrimSpace(name) != name || name == "":
		return fmt.Errorf("a key needs a name, without space around it")
	case n > maxNameLength:
		return fmt.Errorf("a name has at most %d characters, not %d", maxNameLength, n)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("a name has printable characters only")
	}
	return nil
}

// CheckScopes returns the scopes that a key shall have, each once and in order,
// or why it cannot have them. None is allowed; see [Allows]. A scope is a
// scope-token of RFC 6749 §3.3. One of the server's own family must be one that
// the server knows: a typo in it would be found out only where the key is
// refused.
func CheckScopes(scopes []string) ([]string, error) {
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	if len(scopes) > maxScopes {
		return nil, fmt.Errorf("a key has at most %d scopes, not %d", maxScopes, len(scopes))
	}
	for _, scope := range scopes {
		switch {
		case scope == "" || len(scope) > maxScopeLength || strings.ContainsFunc(scope, notInScope):
			return nil, fmt.Errorf("%.100q is no scope: want 1 to %d visible ASCII characters but \" and \\", scope, maxScopeLength)
		case strings.HasPrefix(strings.ToLower(scope), serverFamily) && !slices.Contains(ServerScopes(), scope):
			return nil, fmt.Errorf("%q is no scope of the server: want %s", scope, strings.Join(ServerScopes(), ", "))
		}
	}
	return scopes, nil
}

func notInScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
