package ledger

import (
	"fmt"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ulid"
)

// Batch is what a guard in another program tells a server of its denials.
type Batch struct {
	Node    string    `json:"node"`
	Sent    time.Time `json:"sent"` // by the guard's clock
	Denials []Record  `json:"denials"`
	Counted []Flood   `json:"counted"`
}

// Bounds of a batch.
const (
	MaxDenials = 100
	MaxCounted = 100
	// MaxBatch bounds a batch as JSON, in bytes.
	MaxBatch = 64 << 10

	// Keep is how long denials are remembered: what is older is not taken.
	Keep = 7 * 24 * time.Hour
	// MaxAhead is by how much a guard's clock may be off: more than any time zone
	// that somebody took for UTC.
	MaxAhead = 26 * time.Hour
	// agree is the difference of two clocks that says nothing: the batch has
	// travelled meanwhile.
	agree = 2 * time.Second

	maxCount = 1 << 32
)

// Refused is a denial or a count that a server did not take, and why.
type Refused struct {
	ID     string `json:"id,omitempty"`
	Reason string `json:"reason"`
}

// Accept returns what a server takes from a batch that came at now with the
// named key, with times by the server's own clock, and what it does not take.
// An error means that the batch is none.
//
// Whoever holds the key is believed as to what their guard refused and why, and
// in nothing else: they make up no time to come, no id of another time, and no
// text that is longer than ours or looks like a secret.
func (b Batch) Accept(key string, now time.Time) ([]Record, []Flood, []Refused, error) {
	switch {
	case len(b.Denials) > MaxDenials || len(b.Counted) > MaxCounted:
		return nil, nil, nil, fmt.Errorf("a batch has at most %d denials and %d counts", MaxDenials, MaxCounted)
	case b.Sent.IsZero():
		return nil, nil, nil, fmt.Errorf("sent is missing: the time by the guard's clock")
	}
	ahead := b.Sent.Sub(now).Round(time.Second)
	if ahead > MaxAhead || ahead < -MaxAhead {
		return nil, nil, nil, fmt.Errorf("sent is %s from the time here, which is more than a clock is off: %s", ahead.Round(time.Second), now.UTC().Format(time.RFC3339))
	}
	if -agree < ahead && ahead < agree {
		ahead = 0
	}
	var records []Record
	var floods []Flood
	var refused []Refused
	for _, r := range b.Denials {
		if reason := b.faultOf(r); reason != "" {
			refused = append(refused, Refused{ID: Cut(Mask(r.ID), maxName), Reason: reason})
			continue
		}
		r.Node, r.Key, r.Ahead = b.Node, key, ahead
		r.At = earlier(r.At.Add(-ahead), now)
		r = r.Masked()
		info, _ := r.Code.Info()
		r.Status = info.Status
		records = append(records, r)
	}
	for _, f := range b.Counted {
		if reason := b.faultOfCount(f); reason != "" {
			refused = append(refused, Refused{Reason: reason})
			continue
		}
		f.Minute = earlier(f.Minute.Add(-ahead), now)
		floods = append(floods, f)
	}
	return records, floods, refused, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// faultOf says why a denial is not taken, or "".
func (b Batch) faultOf(r Record) string {
	if !doorward.ValidDenialID(r.ID) {
		return "id is not dn_ and a ULID"
	}
	made, _ := ulid.Parse(r.ID[len("dn_"):])
	switch info, ok := r.Code.Info(); {
	case !ok || info.Class == doorward.ClassInput:
		return "code is none that is denied with"
	case !made.Time().Equal(r.At.Truncate(time.Millisecond)):
		return "id is of another time than at"
	default:
		return b.faultOfTime(r.At)
	}
}

func (b Batch) faultOfCount(f Flood) string {
	info, ok := f.Code.Info()
	switch {
	case !ok || info.Class == doorward.ClassInput:
		return "code is none that is denied with"
	case f.Count < 1 || f.Count > maxCount:
		return "count is out of bounds"
	default:
		return b.faultOfTime(f.Minute)
	}
}

func (b Batch) faultOfTime(t time.Time) string {
	switch {
	case t.After(b.Sent.Add(agree)):
		return "the time is after that of sending"
	case b.Sent.Sub(t) > Keep:
		return "the time is longer ago than denials are kept"
	default:
		return ""
	}
}
