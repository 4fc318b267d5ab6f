package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Recent is the end of the log of revocations in memory: all of it that can
// still matter, in the order in which this node learned it. Any number may read
// along, each from where it is, and none of them asks the store.
//
// An ending of this node's own is in it twice: at once, without a sequence
// number, and again when it comes by the log. Who reads along must not mind.
type Recent struct {
	life time.Duration

	mu      sync.Mutex
	first   int64 // how many entries were forgotten: the place of the first that is left
	entries []heard
	looked  time.Time // when the log was last known to hold no more
	grown   chan struct{}
}

type heard struct {
	Revocation
	at time.Time // on the clock that only runs
}

func newRecent(accessLife time.Duration) *Recent {
	return &Recent{life: accessLife, looked: time.Now(), grown: make(chan struct{})}
}

func (r *Recent) add(entries ...Revocation) {
	if len(entries) == 0 {
		return
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, entry := range entries {
		r.entries = append(r.entries, heard{entry, now})
	}
	close(r.grown)
	r.grown = make(chan struct{})
}

func (r *Recent) look() {
	r.mu.Lock()
	r.looked = time.Now()
	r.mu.Unlock()
}

// forget drops what no longer matters. The rest moves to an array of its own,
// so that those who read a part keep it as it was.
func (r *Recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, _ := slices.BinarySearchFunc(r.entries, time.Now().Add(-r.Keep()), func(h heard, t time.Time) int { return h.at.Compare(t) })
	if old > 0 {
		r.entries = slices.Clone(r.entries[old:])
		r.first += int64(old)
	}
}

// Life is how long after it was issued an access token is taken at most.
func (r *Recent) Life() time.Duration { return r.life }

// Keep is how long an entry matters, counted from when somebody learns it: the
// life of an access token, what clocks may disagree by, and the leeway of
// verifiers.
func (r *Recent) Keep() time.Duration { return r.life + revokedMargin }

// Begin returns the place of the first entry.
func (r *Recent) Begin() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// After returns entries from the place on, at most limit, and the place behind
// them; where there are none yet, grown is closed when there are.
func (r *Recent) After(place int64, limit int) (entries []Revocation, next int64, grown <-chan struct{}) {
	r.mu.Lock()
	place = max(place, r.first)
	part := r.entries[min(place-r.first, int64(len(r.entries))):]
	grown = r.grown
	r.mu.Unlock()
	// What was added stays as it is, so the part is read without the lock.
	part = part[:min(limit, len(part))]
	entries = make([]Revocation, len(part))
	for i := range part {
		entries[i] = part[i].Revocation
	}
	return entries, place + int64(len(part)), grown
}

// Silence returns for how long it has not been known whether the log holds
// more.
func (r *Recent) Silence() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.looked)
}

// Find returns the place behind the entry with a position, and false where
// there is none: because it is too old, or of another log. A store that was
// restored counts on from an earlier number; its entries have other positions.
func (r *Recent) Find(position string) (place int64, ok bool) {
	number, _, _ := strings.Cut(position, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq <= 0 {
		return 0, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// A log that was read anew has older entries behind newer ones. Behind the
	// first that is no earlier than the one looked for, all is news to whoever
	// asks; behind a later one something may be missing.
	for i, h := range r.entries {
		switch {
		case h.Seq < seq: // and those that have no number yet
		case h.Position() == position:
			return r.first + int64(i) + 1, true
		default:
			return 0, false
		}
	}
	return 0, false
}

// Position names an entry so that every node knows it again: its number, and 8 hexadecimal digits that tell it
// from the entry of that number in another log.
func (r Revocation) Position() string {
	at := strconv.FormatInt(r.At.UnixMilli(), 10)
	sum := sha256.Sum256([]byte(string(r.Kind) + " " + r.Subject + " " + at))
	return strconv.FormatInt(r.Seq, 10) + "-" + hex.EncodeToString(sum[:4])
}
