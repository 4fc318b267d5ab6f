package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
)

// Bounds of the stream of revocations.
const (
	heartbeatEvery = 5 * time.Second
	// writeWithin is how long a reader may take for what it is sent. Nothing is
	// kept for one that is slow: it is cut off, and resumes when it can.
	writeWithin = 10 * time.Second
	// streamsPerKey bounds the streams of one key on one node.
	streamsPerKey = 2000
	retryStream   = 10 * time.Second
	streamPage    = 256 // entries in one write
)

// streams counts the streams that are open, by key, and ends them all.
type streams struct {
	mu   sync.Mutex
	open map[string]int
	all  int
	most int
	over chan struct{} // closed when all are to end
	once sync.Once
}

func newStreams(most int) *streams {
	if most <= 0 {
		most = streamsPerKey
	}
	return &streams{open: make(map[string]int), most: most, over: make(chan struct{})}
}

func (s *streams) enter(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key] >= s.most {
		return false
	}
	s.open[key]++
	s.all++
	return true
}

func (s *streams) leave(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.open[key]--; s.open[key] == 0 {
		delete(s.open, key)
	}
}

// EndStreams ends all streams of revocations and takes no new ones, so that a
// server which is going down need not wait for them.
func (a *API) EndStreams() { a.streams.once.Do(func() { close(a.streams.over) }) }

// Streams returns how many streams of revocations are open.
func (a *API) Streams() int {
	a.streams.mu.Lock()
	defer a.streams.mu.Unlock()
	return a.streams.all
}

// revocations is GET /revocations: what ended, as it ends, as server-sent events.
// docs/api.md describes them.
func (a *API) revocations(w http.ResponseWriter, r *http.Request) error {
	p, err := a.machine(r, apikey.ScopeRevocations)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		streamHeader(w)
		return nil
	}
	select {
	case <-a.streams.over:
		d := doorward.NewDenial(doorward.Unavailable, a.now(), doorward.Reason{Check: "shutdown", Text: "this node is going down", Next: "none: another node answers, or this one when it is back"})
		d.RetryAfter = retryUnknown
		return d
	default:
	}
	if !a.streams.enter(p.Subject) {
		d := doorward.NewDenial(doorward.RateLimited, a.now(), doorward.Reason{
			Check: "streams", Text: fmt.Sprintf("the API key %s has %d streams open on this node, as many as one may", p.Subject, a.streams.most),
			Next:  "give programs keys of their own, and see whether one opens streams and does not close them",
			Token: doorward.TokenRef{ID: p.Subject},
		})
		d.RetryAfter = retryStream
		d.Limit = &doorward.Limit{Name: "revocation-streams", Quota: a.streams.most, Reset: retryStream}
		return d
	}
	defer a.streams.leave(p.Subject)

	s := &stream{recent: a.auth.Recent(), w: w, rc: http.NewResponseController(w), key: p.Subject, over: a.streams.over, now: a.now}
	// What is sent by hand sets its own limits, write by write: the server's are
	// for requests that come to an end. A connection that knows no limits has
	// none to lift.
	if err := s.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	ctx := r.Context()
	if !p.ExpiresAt.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.ExpiresAt.Sub(a.now()))
		defer cancel()
	}
	streamHeader(w)
	// However it ends, the answer has begun; the client sees that and comes back.
	_ = s.run(ctx, r.Header.Get("Last-Event-ID"))
	return nil
}

func streamHeader(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back until a buffer is full
}

// revocationLog is the part of the log of revocations that still matters: an
// [auth.Recent].
type revocationLog interface {
	Life() time.Duration
	Keep() time.Duration
	Begin() int64
	Find(position string) (place int64, ok bool)
	After(place int64, limit int) (entries []auth.Revocation, next int64, grown <-chan struct{})
	Silence() time.Duration
}

// stream is one reader of the log.
type stream struct {
	recent revocationLog
	w      http.ResponseWriter
	rc     *http.ResponseController
	key    string // the id of its API key
	over   <-chan struct{}
	now    func() time.Time

	position string // of the last entry that was sent
	buf      []byte
}

// begun is the data of the first event, "resumed" or "snapshot".
type begun struct {
	Life      int64 `json:"life"`      // seconds that an access token is taken for, counted from `iat`
	Keep      int64 `json:"keep"`      // seconds that an ending matters after it was learned
	Heartbeat int64 `json:"heartbeat"` // seconds from one to the next
}

// beat is the data of the events "current" and "heartbeat".
type beat struct {
	Time     time.Time `json:"time"`
	Position string    `json:"position"` // of the last entry that the reader was sent
	// Silence is how many milliseconds ago this node last knew that the reader
	// was sent the whole log: how old is what the reader knows.
	Silence int64 `json:"silence"`
}

// ending is the data of the event "revocation".
type ending struct {
	Kind    auth.RevocationKind `json:"kind"`
	Subject string              `json:"subject"`
	Session string              `json:"sid,omitempty"` // the subject, where that is a session
	At      time.Time           `json:"at"`
	Reason  string              `json:"reason,omitempty"`
	By      string              `json:"by,omitempty"`
}

func (s *stream) run(ctx context.Context, last string) error {
	place, resumed := s.recent.Find(last)
	first := "resumed"
	if resumed {
		s.position = last
	} else {
		first, place = "snapshot", s.recent.Begin()
	}
	s.event(first, "", begun{int64(s.recent.Life().Seconds()), int64(s.recent.Keep().Seconds()), int64(heartbeatEvery.Seconds())})
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	more := make(chan struct{}) // stands for "there is more": closed
	close(more)
	var known time.Time // when the reader had all of it
	for due := "current"; ; {
		asOf := time.Now().Add(-s.recent.Silence()) // before the look: what comes in between makes it no later
		entries, next, grown := s.recent.After(place, streamPage)
		revoked := false
		for _, entry := range entries {
			s.revocation(entry)
			revoked = revoked || entry.Kind == auth.RevokedAPIKey && entry.Subject == s.key
		}
		if place = next; len(entries) == streamPage {
			grown = more
		} else {
			known = asOf
		}
		if due != "" && !known.IsZero() {
			s.beat(due, known)
			due = ""
		}
		if err := s.flush(); err != nil || revoked {
			return err
		}
		select {
		case <-heartbeat.C:
			if due == "" {
				due = "heartbeat"
			}
		case <-s.over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		}
	}
}

func (s *stream) revocation(entry auth.Revocation) {
	id := ""
	if entry.Seq > 0 {
		id = entry.Position()
		s.position = id
	}
	e := ending{Kind: entry.Kind, Subject: entry.Subject, At: entry.At.UTC(), Reason: entry.Reason, By: entry.By}
	if entry.Kind == auth.RevokedSession {
		e.Session = entry.Subject
	}
	s.event("revocation", id, e)
}

// beat says how current the reader is, who had the whole log when it was known.
func (s *stream) beat(kind string, known time.Time) {
	s.event(kind, "", beat{s.now().UTC(), s.position, time.Since(known).Milliseconds()})
}

// event adds an event to what is to be written.
func (s *stream) event(kind, id string, data any) {
	text, err := json.Marshal(data)
	if err != nil { // only our own structs of strings and numbers come here
		panic(err)
	}
	if id != "" {
		s.buf = fmt.Appendf(s.buf, "id: %s\n", id)
	}
	s.buf = fmt.Appendf(s.buf, "event: %s\ndata: %s\n\n", kind, text)
}

// flush writes what was added, within the time that a reader has for it.
func (s *stream) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(s.buf); err != nil {
		return err
	}
	s.buf = s.buf[:0]
	return s.rc.Flush()
}
