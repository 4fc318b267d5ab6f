package guard

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

// entry is one token that was verified. It never changes, but for used.
type entry struct {
	sum       [sha256.Size]byte // of the token; the token itself is not kept
	keys      *verify.KeySet    // that it was verified with
	life      time.Duration     // that it was cut to
	claims    *verify.Claims
	principal *doorward.Principal

	used atomic.Bool // since somebody last looked for room here
}

// digest returns the SHA-256 of a token. It hashes a copy on the stack, because
// hashes take no strings; only a token of unusual length goes to the heap.
func digest(token string) [sha256.Size]byte {
	var usual [2048]byte
	return sha256.Sum256(append(usual[:0], token...))
}

// ways is how many places an entry may be in: as many pointers as fit a line
// of the processor's cache.
const ways = 8

// cache remembers verified tokens in bounded space. It is set-associative: the
// hash of a token names the one set of places that it may be in, so that
// reading takes no lock and making room looks at eight entries at most. The
// nil cache remembers nothing.
type cache struct {
	sets [][ways]atomic.Pointer[entry] // a power of two
}

// newCache returns a cache of at least size places, rounded up to what the
// sets can be numbered by, or nil if size is less than zero.
func newCache(size int) *cache {
	if size < 0 {
		return nil
	}
	sets := 1 << bits.Len(uint(max(size, 1)-1)/ways)
	return &cache{sets: make([][ways]atomic.Pointer[entry], sets)}
}

func (c *cache) set(sum *[sha256.Size]byte) *[ways]atomic.Pointer[entry] {
	return &c.sets[binary.LittleEndian.Uint64(sum[:])&uint64(len(c.sets)-1)]
}

// get returns the entry of a token, or nil.
func (c *cache) get(sum *[sha256.Size]byte) *entry {
	if c == nil {
		return nil
	}
	set := c.set(sum)
	for i := range set {
		e := set[i].Load()
		if e == nil {
			return nil // places are filled in order and never emptied
		}
		if e.sum == *sum {
			if !e.used.Load() { // to write would take the line from other processors
				e.used.Store(true)
			}
			return e
		}
	}
	return nil
}

// add remembers an entry, in place of an older one of the same token, or of
// one that has expired, or else of one that was not used since room was last
// made here. If all were, it is a matter of chance, since all alike are in use.
func (c *cache) add(e *entry, now time.Time) {
	if c == nil {
		return
	}
	set := c.set(&e.sum)
	for i := range set {
		if set[i].CompareAndSwap(nil, e) {
			return
		}
		if old := set[i].Load(); old.sum == e.sum || !now.Before(old.claims.ExpiresAt.Add(verify.Leeway)) {
			set[i].Store(e)
			return
		}
	}
	first := int(e.sum[len(e.sum)-1]) // not among the bytes that chose the set
	for i := range ways {
		place := &set[(first+i)%ways]
		if !place.Load().used.Swap(false) {
			place.Store(e)
			return
		}
	}
	set[first%ways].Store(e)
}
