package ledger

import (
	"time"

	"github.com/doorward/doorward"
)

// Bounds of a ledger. A flood of refusals is counted, not stored: beyond the
// burst, so many denials of a code are kept in full each second: fewer of those
// that take no more than a request to provoke, or a stranger could have all
// others forgotten within the hour by sending them.
const (
	burst        = 200
	perSecond    = 1
	perSecondAny = 0.1
)

// byAnybody are the codes that a stranger can be refused with at will.
var byAnybody = map[doorward.Code]bool{
	doorward.TokenMissing: true, doorward.TokenInvalid: true, doorward.RefreshTokenMissing: true, doorward.InvalidRefreshToken: true,
	doorward.InvalidCredentials: true, doorward.APIKeyInvalid: true, doorward.CrossOrigin: true, doorward.RateLimited: true,
}

// Measure decides which denials are kept in full. Each code has its own, so
// that nobody can drown a theft in a flood of requests without a token. The
// zero Measure is ready. It is not safe for concurrent use.
type Measure struct {
	buckets map[doorward.Code]*bucket
}

type bucket struct {
	rate   float64 // tokens a second
	tokens float64
	filled time.Time
}

// Take reports whether one more denial of a code fits at now.
func (m *Measure) Take(code doorward.Code, now time.Time) bool {
	b := m.buckets[code]
	if b == nil {
		if m.buckets == nil {
			m.buckets = make(map[doorward.Code]*bucket)
		}
		b = &bucket{rate: perSecond, tokens: burst, filled: now}
		if byAnybody[code] {
			b.rate = perSecondAny
		}
		m.buckets[code] = b
	}
	return b.take(now)
}

// take reports whether one more fits at now. A clock that was set back fills
// nothing and takes nothing away.
func (b *bucket) take(now time.Time) bool {
	b.tokens = min(burst, b.tokens+max(0, now.Sub(b.filled).Seconds())*b.rate)
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// Counts are the denials that were not kept, by minute and code. The zero
// Counts is ready. It is not safe for concurrent use.
type Counts struct {
	counts map[floodKey]int64
}

type floodKey struct {
	minute int64
	code   doorward.Code
}

// Add counts n more denials of a code at a time.
func (c *Counts) Add(at time.Time, code doorward.Code, n int64) {
	if c.counts == nil {
		c.counts = make(map[floodKey]int64)
	}
	c.counts[floodKey{at.Unix() / 60, code}] += n
}

// Empty reports whether nothing was counted.
func (c *Counts) Empty() bool { return len(c.counts) == 0 }

// Floods returns what was counted, in no order.
func (c *Counts) Floods() []Flood {
	floods := make([]Flood, 0, len(c.counts))
	for key, n := range c.counts {
		floods = append(floods, Flood{Minute: time.Unix(key.minute*60, 0).UTC(), Code: key.code, Count: n})
	}
	return floods
}
