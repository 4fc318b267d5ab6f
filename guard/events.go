package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The events of GET /revocations; docs/api.md describes them.
const (
	eventSnapshot   = "snapshot"   // all that still matters follows
	eventResumed    = "resumed"    // what is new since Last-Event-ID follows
	eventRevocation = "revocation" // something ended
	eventCurrent    = "current"    // nothing is left to tell for now
	eventHeartbeat  = "heartbeat"  // nothing was left to tell
)

// reading is one stream as it is read.
type reading struct {
	stream  *Stream
	life    context.Context // of the stream and those after it
	resumes bool            // it was asked to go on from a position
	begun   bool
	current bool
	changed bool // the keys have changed
}

// take does what an event says. An error means that the stream is not to be
// trusted any further.
func (r *reading) take(ev event) error {
	s := r.stream
	if !r.begun {
		return r.begin(ev)
	}
	switch ev.kind {
	case eventRevocation:
		changed, err := s.learn(ev)
		if err != nil {
			return err
		}
		if r.changed = r.changed || changed; r.changed && r.current {
			r.changed = false
			s.fetchKeys(r.life)
		}
		return nil
	case eventCurrent:
		if r.current {
			return errors.New("it says again that it is current")
		}
		return r.alive(ev)
	case eventHeartbeat:
		if !r.current {
			return errors.New("a heartbeat came before the beginning was over")
		}
		return r.alive(ev)
	case eventSnapshot, eventResumed:
		return errors.New("it begins a second time")
	default:
		return nil // of a later version
	}
}

func (r *reading) begin(ev event) error {
	if ev.kind != eventSnapshot && (ev.kind != eventResumed || !r.resumes) {
		return fmt.Errorf("it begins with %.40q", ev.kind)
	}
	var data struct{ Life, Keep float64 } // seconds
	if err := json.Unmarshal([]byte(ev.data), &data); err != nil {
		return fmt.Errorf("the event %q is not JSON", ev.kind)
	}
	s := r.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	// Bounded before it is multiplied: what is sent may be any number.
	s.keep = time.Duration(min(max(data.Keep, minKeep.Seconds()), maxKeep.Seconds()) * float64(time.Second))
	s.life.Store(int64(min(max(data.Life, 0), maxKeep.Seconds()) * float64(time.Second)))
	if ev.kind == eventSnapshot {
		// The position may be of a log that is no more.
		s.position = ""
		// Whether keys changed before the oldest entry is not known.
		r.changed = true
	}
	s.opened++
	r.begun = true
	return nil
}

// alive notes that all endings are known here, but for those of the server's own
// silence.
func (r *reading) alive(ev event) error {
	var data struct {
		Silence float64 // milliseconds
	}
	if err := json.Unmarshal([]byte(ev.data), &data); err != nil {
		return fmt.Errorf("the event %q is not JSON", ev.kind)
	}
	s := r.stream
	silence := time.Duration(min(max(data.Silence, 0), float64(maxKeep.Milliseconds())) * float64(time.Millisecond))
	// Between two streams nothing is known, so an earlier moment than before is
	// one that another node was sure of; the later of the two counts.
	if known := int64(time.Since(s.begun) - silence); known > s.known.Load() {
		s.known.Store(max(known, 0))
	}
	if r.current {
		return nil
	}
	r.current = true
	s.mu.Lock()
	s.open, s.err = true, nil
	s.mu.Unlock()
	s.once.Do(func() { close(s.current) })
	if r.changed {
		r.changed = false
		s.fetchKeys(r.life)
	}
	return nil
}

// learn takes in an ending. It reports whether the issuer's keys have changed.
func (s *Stream) learn(ev event) (keys bool, err error) {
	var data struct {
		Kind, Subject, Reason, By string
		At                        time.Time
	}
	if err := json.Unmarshal([]byte(ev.data), &data); err != nil {
		return false, errors.New("a revocation is not JSON")
	}
	const longest = 200 // bytes; an id has 26
	if data.Subject == "" || len(data.Subject) > longest || len(data.Reason) > longest || len(data.By) > longest || len(ev.id) > longest {
		return false, errors.New("a revocation names nothing, or by too long a name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch data.Kind {
	case "session", "apikey":
		s.ended[data.Subject] = learned{Ending{At: data.At, Reason: data.Reason, By: data.By}, time.Now()}
		s.size.Store(int64(len(s.ended)))
	case "keys":
		keys = true
	}
	if ev.id != "" {
		s.position = ev.id
	}
	return keys, nil
}

// fetchKeys has the issuer's keys fetched again: now, and once more a moment
// later, because the request may reach a node that has not heard of the change.
func (s *Stream) fetchKeys(ctx context.Context) {
	s.mu.RLock()
	sources := s.keys
	s.mu.RUnlock()
	for _, source := range sources {
		keys, ok := source.(interface{ Refresh(context.Context) error })
		if !ok {
			continue
		}
		go func() {
			_ = keys.Refresh(ctx) // it reports its own failures
			select {
			case <-time.After(keysAgain):
				_ = keys.Refresh(ctx)
			case <-ctx.Done():
			}
		}()
	}
}
