package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/secret"
)

// StreamConfig says whose revocations are followed. Issuer and APIKey are
// required.
type StreamConfig struct {
	// Issuer is the URL of the Doorward server, as in [Config].
	Issuer string

	// APIKey is a key of that server (`doorward apikey create`) with the scope
	// doorward:revocations; and doorward:introspect, if the guard shall take API
	// keys or have strict routes. It is never printed.
	APIKey string

	// MaxSilence is how old what the stream told may become before it is stale;
	// zero means 15 seconds, the time of three heartbeats. At least 6 seconds.
	MaxSilence time.Duration

	// RefuseWhenStale has requests refused with 503 UNAVAILABLE while the stream
	// is stale, and until it was current for the first time. Otherwise they go
	// on, by what was known last, and sessions that ended meanwhile are believed
	// until their access tokens expire. OnStale tells in either case.
	RefuseWhenStale bool

	// OnStale is called when the stream becomes stale, and when it is current
	// again. Before it was current for the first time, it becomes stale after
	// MaxSilence. Nil means that [Stream.Status] is all there is.
	OnStale func(StreamStatus)

	// OnError is told of everything that goes wrong: a connection that is
	// refused or ends, an answer that is no stream. It is mended by waiting,
	// unless the key is at fault. Nil means nobody is.
	OnError func(error)

	// Client makes the requests; nil means one of its own. It must have no
	// Timeout. It follows no redirect to another origin.
	Client *http.Client
}

// String tells no secret.
func (c StreamConfig) String() string { return fmt.Sprintf("guard.StreamConfig{Issuer: %q}", c.Issuer) }

// GoString tells no secret.
func (c StreamConfig) GoString() string { return c.String() }

// LogValue tells no secret.
func (c StreamConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// StreamStatus is how a [Stream] is getting on.
type StreamStatus struct {
	Connected bool          // a stream is open and was current since it was opened
	Stale     bool          // Silence is longer than MaxSilence
	Silence   time.Duration // since it was last known that all endings are known here
	Endings   int           // that are remembered
	Position  string        // of the last one in the server's log; empty for none
	Opened    int64         // streams that were opened, since the beginning
	Err       error         // why the last stream ended, if none is open
}

const (
	defaultSilence = 15 * time.Second
	minSilence     = 6 * time.Second // a heartbeat, and a second for it to come
	// steady is how long a stream, or an attempt at one, must have lasted for the
	// next one to come at once.
	steady = 10 * time.Second
	// deadAfter is how long nothing at all may come before the connection is
	// given up: two heartbeats and a half.
	deadAfter = 12500 * time.Millisecond

	// What the server says an ending matters for is believed within these bounds.
	minKeep     = time.Minute
	maxKeep     = 25 * time.Hour
	defaultKeep = time.Hour

	firstReconnect = 100 * time.Millisecond
	maxReconnect   = 15 * time.Second
	keysAgain      = 500 * time.Millisecond // another node may not have had them yet
)

// Stream follows the revocations of a Doorward server: it is the [Revocations]
// of a guard, and its [Introspector].
//
// An ending is known here some milliseconds after it was acknowledged; see
// docs/operations.md for the bound. It is remembered for as long as an access
// token could name it. When the connection fails, it is opened again, with a
// pause that grows to 15 seconds, and goes on from where it was. It also tells
// the guard's [RemoteKeys] at once that the issuer's keys have changed.
type Stream struct {
	cfg    StreamConfig
	key    secret.Text
	client *http.Client
	stream *url.URL
	ask    *url.URL

	size  atomic.Int64 // of ended, so that the usual case, none, takes no lock
	known atomic.Int64 // when all endings were known here: nanoseconds after begun; below zero for never
	life  atomic.Int64 // of an access token, in nanoseconds; zero where the server does not tell it

	mu       sync.RWMutex
	ended    map[string]learned
	keep     time.Duration
	position string
	open     bool
	stale    bool // as OnStale was told
	opened   int64
	err      error
	keys     []KeySource

	begun   time.Time
	current chan struct{} // closed when it was current for the first time
	once    sync.Once
	stop    context.CancelFunc
	done    chan struct{}
}

// learned is an ending and when it was learned, on the clock that only runs.
type learned struct {
	Ending
	at time.Time
}

// NewStream begins to follow the revocations of a server, until ctx ends or
// [Stream.Close]. It does not wait for the server; see [Stream.Ready].
func NewStream(ctx context.Context, c StreamConfig) (*Stream, error) {
	issuer, err := secureURL("issuer", c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if c.APIKey = strings.TrimSpace(c.APIKey); c.APIKey == "" {
		return nil, errors.New("guard: a stream needs an API key with the scope doorward:revocations")
	}
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("guard: the API key of the stream has characters that no key has")
	}
	if c.MaxSilence == 0 {
		c.MaxSilence = defaultSilence
	}
	if c.MaxSilence < minSilence {
		return nil, fmt.Errorf("guard: a stream that says something every 5 seconds cannot be stale after %s", c.MaxSilence)
	}
	if c.Client == nil {
		c.Client = ownClient()
	}
	if c.Client.Timeout != 0 {
		return nil, errors.New("guard: the Client of a stream must have no Timeout: the stream has no end")
	}
	at := func(path string) *url.URL {
		return &url.URL{Scheme: issuer.Scheme, Host: issuer.Host, Path: strings.TrimSuffix(issuer.Path, "/") + path}
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Stream{
		cfg: c, key: secret.New(c.APIKey), client: sameOriginClient(c.Client),
		stream: at("/revocations"), ask: at("/auth/introspect"),
		ended: make(map[string]learned), keep: defaultKeep,
		begun: time.Now(), current: make(chan struct{}), stop: stop, done: make(chan struct{}),
	}
	s.cfg.APIKey = ""
	s.known.Store(-1)
	go s.run(ctx)
	return s, nil
}

// ownClient keeps more connections to the issuer than the default does, for
// routes that are strict.
func ownClient() *http.Client {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return &http.Client{}
	}
	t := base.Clone()
	t.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: t}
}

// Ready returns nil once all endings that still matter are known here, or an
// error when ctx ends before.
func (s *Stream) Ready(ctx context.Context) error {
	select {
	case <-s.current:
		return nil
	case <-s.done:
		return errClosed
	case <-ctx.Done():
		if err := s.Status().Err; err != nil {
			return fmt.Errorf("%w; the last try: %w", context.Cause(ctx), err)
		}
		return context.Cause(ctx)
	}
}

var errClosed = errors.New("the stream of revocations was closed")

// Close ends the stream and returns when that is done. What is known stays
// known, and becomes stale.
func (s *Stream) Close() {
	s.stop()
	<-s.done
}

// Revoked implements [Revocations].
func (s *Stream) Revoked(id string) (*Ending, error) {
	if s.cfg.RefuseWhenStale {
		if silence, ever := s.silence(); !ever || silence > s.cfg.MaxSilence {
			return nil, fmt.Errorf("the stream of revocations has been silent for %s, and RefuseWhenStale is set", silence.Round(time.Millisecond))
		}
	}
	if s.size.Load() == 0 {
		return nil, nil
	}
	s.mu.RLock()
	end, ok := s.ended[id]
	s.mu.RUnlock()
	if !ok {
		return nil, nil
	}
	return &end.Ending, nil
}

// silence returns for how long it has not been known that all endings are known
// here, and whether it ever was.
func (s *Stream) silence() (silence time.Duration, ever bool) {
	since := time.Since(s.begun)
	if known := s.known.Load(); known >= 0 {
		return since - time.Duration(known), true
	}
	return since, false
}

// Status returns how the stream is getting on, for a metric or a page of health.
func (s *Stream) Status() StreamStatus {
	silence, _ := s.silence()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.status(silence)
}

func (s *Stream) status(silence time.Duration) StreamStatus {
	return StreamStatus{
		Connected: s.open, Stale: silence > s.cfg.MaxSilence, Silence: silence,
		Endings: len(s.ended), Position: s.position, Opened: s.opened, Err: s.err,
	}
}

// accessLife returns for how long the server takes an access token, counted from
// when it was issued; zero if that is not known.
func (s *Stream) accessLife() time.Duration { return time.Duration(s.life.Load()) }

// attach has keys fetched again when the issuer's have changed.
func (s *Stream) attach(keys KeySource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, keys)
}

// run opens one stream after the other until ctx ends.
func (s *Stream) run(ctx context.Context) {
	defer close(s.done)
	watch, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { s.watch(watch) })
	failures := 0
	for ctx.Err() == nil {
		begun := time.Now()
		err := s.follow(ctx)
		s.mu.Lock()
		s.open, s.err = false, err
		s.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) >= steady {
			failures = 0
		}
		if s.cfg.OnError != nil {
			s.cfg.OnError(fmt.Errorf("the stream of revocations: %w", err))
		}
		pause := min(firstReconnect<<min(failures, 8), maxReconnect)
		if refused, ok := errors.AsType[*refusedStream](err); ok {
			pause = max(pause, refused.wait)
		}
		failures++
		// From half to all of it: those that were cut off together do not come
		// back together.
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
		}
	}
}

// refusedStream is an answer that is no stream.
type refusedStream struct {
	status int
	detail string
	wait   time.Duration
}

func (r *refusedStream) Error() string {
	text := statusError(r.status).Error()
	if r.detail != "" {
		text += ": " + r.detail
	}
	switch r.status {
	case http.StatusUnauthorized:
		text += "; see that the API key is whole, and was neither revoked nor expired: doorward apikey list"
	case http.StatusForbidden:
		text += "; the API key needs the scope doorward:revocations"
	}
	return text
}

// keyWait is the pause after an answer that blames the key: it does not mend
// itself, but somebody may give the key what it lacks, or revive the account.
const keyWait = maxReconnect

// request returns a request with the key.
func (s *Stream) request(ctx context.Context, method string, where *url.URL, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, where.String(), body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.key.Reveal())
	r.Header.Set("User-Agent", "doorward-guard")
	return r, nil
}

// follow opens one stream and reads it to its end, and says why it ended.
func (s *Stream) follow(life context.Context) error {
	ctx, cancel := context.WithCancelCause(life)
	defer cancel(nil)
	r, err := s.request(ctx, http.MethodGet, s.stream, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Cache-Control", "no-cache")
	s.mu.RLock()
	last := s.position
	s.mu.RUnlock()
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	alive := time.AfterFunc(deadAfter, func() { cancel(fmt.Errorf("nothing came for %s", deadAfter)) })
	defer alive.Stop()
	resp, err := s.client.Do(r)
	if err != nil {
		return because(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return refusedBy(resp)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		return &refusedStream{status: resp.StatusCode, detail: fmt.Sprintf("the answer is %.100q and no event stream: is the issuer a Doorward server?", resp.Header.Get("Content-Type")), wait: keyWait}
	}
	reading := reading{stream: s, life: life, resumes: last != ""}
	for events := newEventReader(resp.Body); ; {
		ev, err := events.next()
		if errors.Is(err, io.EOF) {
			err = errors.New("the server ended it")
		}
		if err == nil {
			alive.Reset(deadAfter)
			err = reading.take(ev)
		}
		if err != nil {
			return because(ctx, err)
		}
	}
}

// because prefers why a context ended to what followed from it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// refusedBy says why there is no stream.
func refusedBy(resp *http.Response) error {
	refused := &refusedStream{status: resp.StatusCode, detail: publicDetail(resp.Body)}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && after > 0 {
			refused.wait = min(time.Duration(after)*time.Second, maxReconnect)
		}
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		refused.wait = keyWait
	}
	return refused
}

// publicDetail returns the code and the sentence of a problem (RFC 9457), if the
// answer is one.
func publicDetail(body io.Reader) string {
	var problem struct{ Code, Detail, Instance string }
	data, err := io.ReadAll(io.LimitReader(body, 4<<10))
	if err != nil || json.Unmarshal(data, &problem) != nil || problem.Code == "" {
		return ""
	}
	return fmt.Sprintf("%.60s, %.200q (%.40s)", problem.Code, problem.Detail, problem.Instance)
}

// watch tells of staleness and forgets endings.
func (s *Stream) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.tellStale()
		if n%60 == 0 {
			s.forget()
		}
	}
}

// tellStale calls OnStale if it has something new to tell.
func (s *Stream) tellStale() {
	silence, _ := s.silence()
	s.mu.Lock()
	status := s.status(silence)
	changed := status.Stale != s.stale
	s.stale = status.Stale
	s.mu.Unlock()
	if changed && s.cfg.OnStale != nil {
		s.cfg.OnStale(status)
	}
}

// forget drops the endings that no access token can name any more.
func (s *Stream) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, end := range s.ended {
		if time.Since(end.at) > s.keep {
			delete(s.ended, id)
		}
	}
	s.size.Store(int64(len(s.ended)))
}
