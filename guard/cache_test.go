package guard

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/verify"
)

// cached returns an entry that goes to a set of its own choice: n tells it from
// others there.
func cached(set, n uint64, expires time.Time) *entry {
	e := &entry{claims: &verify.Claims{ExpiresAt: expires}}
	binary.LittleEndian.PutUint64(e.sum[:], set)
	binary.BigEndian.PutUint64(e.sum[24:], n)
	return e
}

func places(c *cache) int {
	n := 0
	for i := range c.sets {
		n += len(c.sets[i])
	}
	return n
}

func TestCacheSize(t *testing.T) {
	for size, want := range map[int]int{0: 8, 1: 8, 8: 8, 9: 16, 16: 16, 17: 32, 10_000: 16_384} {
		if got := places(newCache(size)); got != want {
			t.Errorf("size %d: %d places, want %d", size, got, want)
		}
	}
}

func TestCacheFinds(t *testing.T) {
	now := newClock().now()
	c := newCache(1000)
	var all []*entry
	for n := range uint64(500) {
		e := cached(n*7919, n, now.Add(time.Hour))
		all = append(all, e)
		c.add(e, now)
	}
	found := 0
	for _, e := range all {
		if got := c.get(&e.sum); got == e {
			found++
		} else if got != nil {
			t.Fatal("another's entry is found")
		}
	}
	if found < 490 {
		t.Errorf("%d of 500 entries are found", found)
	}
	other := cached(7919, 12345, now)
	if c.get(&other.sum) != nil {
		t.Error("an entry is found that was not added")
	}
	again := cached(7919, 1, now.Add(time.Hour))
	c.add(again, now)
	if c.get(&again.sum) != again {
		t.Error("the older entry of a token is found")
	}
}

// Who is in use stays; who is not, or has expired, makes room.
func TestCacheMakesRoom(t *testing.T) {
	now := newClock().now()
	hour := now.Add(time.Hour)
	c := newCache(ways)
	used := cached(0, 0, hour)
	c.add(used, now)
	for n := range uint64(1000) {
		c.get(&used.sum)
		c.add(cached(0, n+1, hour), now)
		if c.get(&used.sum) != used {
			t.Fatalf("the entry in use is gone after %d others", n+1)
		}
	}
	c = newCache(ways)
	var all []*entry
	for n := range uint64(ways) {
		e := cached(0, n, hour)
		if n == 5 {
			e = cached(0, n, now.Add(-verify.Leeway))
		}
		all = append(all, e)
		c.add(e, now)
		c.get(&e.sum)
	}
	late := cached(0, 99, hour)
	c.add(late, now)
	for n, e := range all {
		if got := c.get(&e.sum); (got == e) != (n != 5) {
			t.Errorf("entry %d, found: %v", n, got != nil)
		}
	}
	if c.get(&late.sum) != late {
		t.Error("the new entry is not found")
	}
	// All are in use now; a new one is taken all the same.
	later := cached(0, 100, hour)
	c.add(later, now)
	if c.get(&later.sum) != later {
		t.Error("an entry is not found where all others are in use")
	}
}

func TestCacheAtOnce(t *testing.T) {
	now := newClock().now()
	c := newCache(64)
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			for n := range uint64(5000) {
				e := cached(n%16, n%200, now.Add(time.Duration(g)*time.Minute))
				c.add(e, now)
				if got := c.get(&e.sum); got != nil && got.sum != e.sum {
					t.Error("another's entry is found")
				}
			}
		})
	}
	wg.Wait()
}

// A flood of tokens that prove nothing leaves the cache as it was.
func TestCacheTakesNoGarbage(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t, func(c *Config) { c.CacheSize = ways })
	token := i.token(t)
	stranger := newSigner(t, i.id, verify.ES256)
	if _, d := g.Verify(t.Context(), token); d != nil {
		t.Fatal(d)
	}
	for range 50 {
		if _, d := g.Verify(t.Context(), stranger.sign(t, i.claims())); d == nil {
			t.Fatal("a forged token is taken")
		}
	}
	held := 0
	for n := range g.cache.sets[0] {
		if g.cache.sets[0][n].Load() != nil {
			held++
		}
	}
	if held != 1 {
		t.Errorf("%d entries are held", held)
	}
}
