// Package throttle holds the rules about too many failed attempts. Only
// failures count: a success costs nothing.
package throttle

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// Limit allows Max failures within Window, counted from the first of them. A
// Window of zero counts without end, until the count is reset.
type Limit struct {
	Name   string
	Max    int
	Window time.Duration
}

// The limits on password login, and on sign-up.
var (
	// PerAccount bounds guessing at one account from one network.
	PerAccount = Limit{Name: "login", Max: 5, Window: 15 * time.Minute}
	// PerNetwork bounds trying one password on many accounts.
	PerNetwork = Limit{Name: "login-network", Max: 50, Window: 15 * time.Minute}
	// Signup bounds how many accounts one network makes. It counts them all:
	// there is no other failure to count.
	Signup = Limit{Name: "signup", Max: 300, Window: time.Hour}
	// InARow closes password login for an account until it is reset (NIST SP
	// 800-63B-4 §3.2.2): the bound on guessing from many networks.
	InARow = Limit{Name: "login-account", Max: 100}
)

// Count is how many failures there were, and since when. The zero Count is
// none.
type Count struct {
	Failures int
	Since    time.Time
}

// current forgets a count whose window is over.
func (l Limit) current(c Count, now time.Time) Count {
	// A count from further ahead than its window is one of a clock that was
	// wrong; it would lock out for as long as the clock was off.
	if l.Window > 0 && (!now.Before(c.Since.Add(l.Window)) || c.Since.Sub(now) > l.Window) {
		return Count{}
	}
	return c
}

// Fail returns the count after one more failure at now.
func (l Limit) Fail(c Count, now time.Time) Count {
	c = l.current(c, now)
	if c.Failures == 0 {
		c.Since = now.Truncate(time.Millisecond)
	}
	c.Failures++
	return c
}

// Left returns how many more failures are allowed at now.
func (l Limit) Left(c Count, now time.Time) int {
	return max(0, l.Max-l.current(c, now).Failures)
}

// RetryAfter returns how long it takes until attempts are possible again; for
// a limit without a window, which only a reset opens, an hour.
func (l Limit) RetryAfter(c Count, now time.Time) time.Duration {
	if l.Left(c, now) > 0 {
		return 0
	}
	if l.Window == 0 {
		return time.Hour
	}
	return c.Since.Add(l.Window).Sub(now)
}

// Expires returns when the count can be forgotten. One without a window is
// kept for 30 days after its first failure, which bounds what a stranger who
// makes up accounts can have stored; at the limit it is kept until it is reset.
func (l Limit) Expires(c Count) time.Time {
	switch {
	case l.Window == 0 && c.Failures >= l.Max:
		return c.Since.Add(100 * 365 * 24 * time.Hour)
	case l.Window == 0:
		return c.Since.Add(30 * 24 * time.Hour)
	}
	return c.Since.Add(l.Window)
}

// Key names what a limit counts. It is a hash: the store of counts tells
// nobody's address, known or made up.
type Key [16]byte

// Key returns the key for this limit and the given parts.
func (l Limit) Key(parts ...string) Key {
	h := sha256.New()
	h.Write([]byte(l.Name))
	for _, part := range parts {
		// The length in front keeps ("a","bc") apart from ("ab","c").
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	var k Key
	copy(k[:], h.Sum(nil))
	return k
}

// Network returns the network that an address counts for: an IPv4 address is
// one, and an IPv6 address is its /64, since one customer is given all of that.
func Network(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return "unknown"
	}
	if addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.Prefix(64)
	if err != nil { // 64 fits every IPv6 address
		return addr.String()
	}
	return prefix.String()
}
