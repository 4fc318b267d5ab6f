// Package signing holds the rules about the server's own keys: how they are
// made, when one is published, signs, and goes, and how an access token is
// signed.
package signing

import "time"

// Use says what a key is for. A key serves one use only.
type Use string

// The uses.
const (
	UseAccess  Use = "access"  // signs access tokens; its public half is published
	UseRefresh Use = "refresh" // authenticates refresh tokens; never leaves the server
)

// Record is a key as a store keeps it. Times are to the millisecond.
type Record struct {
	ID        string // `kid`: the RFC 7638 thumbprint for UseAccess
	Use       Use
	Algorithm string    // "ES256", "RS256", "EdDSA"; "HS256" for UseRefresh
	Sealed    []byte    // the private half, sealed under the master key
	CreatedAt time.Time // published from here
	ActiveAt  time.Time // used from here, until a later key is active
}
