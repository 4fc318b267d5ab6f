package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

const (
	streamIssuer = "https://auth.example.com"
	streamKey    = "dwk_hunter2hunter2hunter2"
)

// wire is a server of streams in the same bubble of time: each request is
// answered by the next of the answers, or by the last.
type wire struct {
	mu       sync.Mutex
	answers  []answerer
	requests []*http.Request
	at       []time.Time
}

type answerer func(*line) *http.Response

// line is what an answer is written on.
type line struct {
	*io.PipeWriter
	r *http.Request
}

// say writes events; a server whose reader is gone has nothing to say.
func (l *line) say(events ...string) {
	for _, e := range events {
		if _, err := io.WriteString(l, e); err != nil {
			return
		}
	}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests, w.at = append(w.requests, r), append(w.at, time.Now())
	answer := w.answers[min(len(w.requests), len(w.answers))-1]
	w.mu.Unlock()
	if answer == nil {
		return nil, errors.New("connection refused")
	}
	reader, writer := io.Pipe()
	context.AfterFunc(r.Context(), func() { writer.CloseWithError(r.Context().Err()) })
	resp := answer(&line{writer, r})
	if resp.Body == nil {
		resp.Body = reader
	}
	return resp, nil
}

func (w *wire) asked() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests
}

func streamed(speak func(*line)) answerer {
	return func(l *line) *http.Response {
		go speak(l)
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}}
	}
}

func refuses(status int, fields ...string) answerer {
	return func(*line) *http.Response {
		h := http.Header{}
		for i := 0; i < len(fields); i += 2 {
			h.Set(fields[i], fields[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(
			`{"code":"API_KEY_INVALID","detail":"The API key is not valid","instance":"dn_1"}`))}
	}
}

func snapshotEvent() string {
	return "event: snapshot\ndata: {\"keep\":600,\"heartbeat\":5}\n\n"
}
func resumedEvent() string { return "event: resumed\ndata: {\"keep\":600,\"heartbeat\":5}\n\n" }
func endedEvent(id, kind, subject string) string {
	return "id: " + id + "\nevent: revocation\ndata: {\"kind\":\"" + kind + "\",\"subject\":\"" + subject +
		"\",\"at\":\"2026-06-01T12:00:00Z\",\"reason\":\"logout\",\"by\":\"user\"}\n\n"
}
func currentEvent() string { return beatEvent("current", 0) }
func beatEvent(kind string, silence time.Duration) string {
	return fmt.Sprintf("event: %s\ndata: {\"time\":\"2026-06-01T12:00:00Z\",\"position\":\"\",\"silence\":%d}\n\n", kind, silence.Milliseconds())
}

// beats goes on with a heartbeat every 5 seconds.
func (l *line) beats() {
	for {
		select {
		case <-time.After(5 * time.Second):
			l.say(beatEvent("heartbeat", 0))
		case <-l.r.Context().Done():
			return
		}
	}
}

func follow(t *testing.T, w *wire, change ...func(*StreamConfig)) *Stream {
	t.Helper()
	c := StreamConfig{Issuer: streamIssuer, APIKey: streamKey, Client: &http.Client{Transport: w}}
	for _, f := range change {
		f(&c)
	}
	s, err := NewStream(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func wantEnded(t *testing.T, s *Stream, want bool, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if end, err := s.Revoked(id); (end != nil) != want || err != nil {
			t.Errorf("%s: %+v, %v, want ended %v", id, end, err, want)
		}
	}
}

func TestStreamFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		say := make(chan string)
		w := &wire{answers: []answerer{streamed(func(l *line) {
			l.say(": hello\n\n", snapshotEvent(), endedEvent("1-a", "session", "s1"), endedEvent("2-b", "apikey", "k1"), currentEvent())
			for e := range say {
				l.say(e)
			}
			l.beats()
		})}}
		s := follow(t, w)
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, s, true, "s1", "k1")
		wantEnded(t, s, false, "s2", "")
		if r := w.asked()[0]; r.URL.String() != streamIssuer+"/revocations" || r.Header.Get("Authorization") != "Bearer "+streamKey ||
			r.Header.Get("Accept") != "text/event-stream" || r.Header.Get("Last-Event-ID") != "" {
			t.Errorf("%v %v", r.URL, r.Header)
		}
		end, _ := s.Revoked("s1")
		if got := end.text("it ended"); got != "it ended at 2026-06-01T12:00:00Z by the user (logout)" {
			t.Error(got)
		}
		// What a later version says besides is passed over; what is said twice
		// does no harm.
		say <- "event: weather\ndata: rain\n\n" + endedEvent("3-c", "planet", "p") + endedEvent("4-d", "session", "s2") + endedEvent("4-d", "session", "s2")
		close(say)
		synctest.Wait()
		wantEnded(t, s, true, "s2")
		time.Sleep(10*time.Minute - time.Second)
		wantEnded(t, s, true, "s1", "s2")
		if got := s.Status(); !got.Connected || got.Stale || got.Silence > 5*time.Second || got.Endings != 3 || got.Position != "4-d" || got.Opened != 1 || got.Err != nil {
			t.Errorf("%+v", got)
		}
		// What no token can name any more is forgotten.
		time.Sleep(2 * time.Minute)
		wantEnded(t, s, false, "s1", "s2")
		if len(w.asked()) != 1 {
			t.Errorf("%d requests", len(w.asked()))
		}
		s.Close()
		if got := s.Status(); got.Connected {
			t.Errorf("%+v", got)
		}
	})
}

func TestStreamResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drop := func(events ...string) answerer {
			return streamed(func(l *line) { l.say(events...); l.Close() })
		}
		w := &wire{answers: []answerer{
			drop(snapshotEvent(), endedEvent("7-a", "session", "s1"), currentEvent()),
			drop(resumedEvent(), endedEvent("8-b", "session", "s2")), // ends before it is current
			nil,                                   // no connection
			drop(snapshotEvent(), currentEvent()), // the log is another now
			streamed(func(l *line) { l.say(snapshotEvent(), currentEvent()); l.beats() }),
		}}
		var errs []error
		s := follow(t, w, func(c *StreamConfig) { c.OnError = func(err error) { errs = append(errs, err) } })
		time.Sleep(10 * time.Second)
		wantEnded(t, s, true, "s1", "s2")
		var last []string
		for _, r := range w.asked() {
			last = append(last, r.Header.Get("Last-Event-ID"))
		}
		if got := strings.Join(last, " "); got != " 7-a 8-b 8-b " {
			t.Errorf("resumed from %q", got)
		}
		if len(errs) != 4 {
			t.Errorf("%d errors: %v", len(errs), errs)
		}
		if got := s.Status(); !got.Connected || got.Opened != 4 {
			t.Errorf("%+v", got)
		}
	})
}

// However a server misbehaves, it is left alone for a while and tried again, and
// what was known stays known.
func TestStreamMistrusts(t *testing.T) {
	good := streamed(func(l *line) {
		l.say(snapshotEvent(), endedEvent("1-a", "session", "s1"), currentEvent())
		l.Close()
	})
	for name, tc := range map[string]struct {
		answer answerer
		want   string
	}{
		"no connection":      {nil, "connection refused"},
		"refused key":        {refuses(401), "neither revoked nor expired"},
		"no scope":           {refuses(403), "doorward:revocations"},
		"another server":     {refuses(404), "404 Not Found"},
		"limited":            {refuses(429, "Retry-After", "7"), "429"},
		"unavailable":        {refuses(503, "Retry-After", "7"), "503"},
		"a redirect to evil": {refuses(302, "Location", "https://evil.example/revocations"), "another origin"},
		"a page": {func(*line) *http.Response {
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: http.NoBody}
		}, "no event stream"},
		"nothing at all": {streamed(func(*line) {}), "nothing came for"},
		"comments alone": {streamed(func(l *line) {
			for {
				select {
				case <-time.After(time.Second):
					l.say(": x\n")
				case <-l.r.Context().Done():
					return
				}
			}
		}), "nothing came for"},
		"garbage":             {streamed(func(l *line) { l.say("\x00\xFF<html>\n\n\n:::\n\ndata\n\n") }), "begins with"},
		"an oversized line":   {streamed(func(l *line) { l.say(strings.Repeat("x", maxEventLine+1)) }), "too long"},
		"an oversized event":  {streamed(func(l *line) { l.say(strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 70)) }), "too long"},
		"no beginning":        {streamed(func(l *line) { l.say(currentEvent()) }), "begins with"},
		"an unasked resume":   {streamed(func(l *line) { l.say("event: resumed\ndata: {\n\n") }), "not JSON"},
		"a beginning again":   {streamed(func(l *line) { l.say(snapshotEvent(), snapshotEvent()) }), "second time"},
		"a heartbeat at once": {streamed(func(l *line) { l.say(snapshotEvent(), beatEvent("heartbeat", 0)) }), "before the beginning was over"},
		"current again":       {streamed(func(l *line) { l.say(snapshotEvent(), currentEvent(), currentEvent()) }), "says again"},
		"no JSON":             {streamed(func(l *line) { l.say(snapshotEvent(), "event: revocation\ndata: x\n\n") }), "not JSON"},
		"no subject":          {streamed(func(l *line) { l.say(snapshotEvent(), "event: revocation\ndata: {}\n\n") }), "names nothing"},
		"a long subject":      {streamed(func(l *line) { l.say(snapshotEvent(), endedEvent("1", "session", strings.Repeat("x", 300))) }), "too long a name"},
		"no beat":             {streamed(func(l *line) { l.say(snapshotEvent(), "event: current\ndata: [\n\n") }), "not JSON"},
		"cut in an event": {streamed(func(l *line) {
			l.say(snapshotEvent(), "event: revocation\ndata: {\"kind\":\"session\",\"subject\":\"s9\"}\n")
			l.Close()
		}), "the server ended it"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{answers: []answerer{good, tc.answer}}
				var mu sync.Mutex
				var errs []string
				s := follow(t, w, func(c *StreamConfig) {
					c.OnError = func(err error) { mu.Lock(); defer mu.Unlock(); errs = append(errs, err.Error()) }
				})
				begun := time.Now()
				time.Sleep(2 * time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if len(errs) < 2 || !strings.Contains(errs[1], tc.want) || strings.Contains(strings.Join(errs, " "), "hunter2") {
					t.Errorf("reported %q, want %q", errs, tc.want)
				}
				wantEnded(t, s, true, "s1")
				wantEnded(t, s, false, "s9")
				if n := len(w.asked()); n < 4 || n > 30 {
					t.Errorf("%d tries in %v", n, time.Since(begun))
				}
				got := s.Status()
				late := got.Stale && got.Silence > time.Minute || name == "current again" // it was, if only just
				if got.Connected || !late || got.Err == nil {
					t.Errorf("%+v", got)
				}
				// An outage of the stream is none of the guard.
				if _, err := s.Revoked("s2"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestStreamWaitsAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []answerer{refuses(503, "Retry-After", "8")}}
		follow(t, w)
		time.Sleep(3 * time.Second)
		if n := len(w.asked()); n != 1 {
			t.Errorf("%d tries within the pause", n)
		}
	})
}

// How old what is known may be is measured, whoever is the one that is silent.
func TestStreamStale(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		t.Run(fmt.Sprint("refuse ", refuse), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []bool
				lag := make(chan time.Duration)
				w := &wire{answers: []answerer{streamed(func(l *line) {
					time.Sleep(time.Second) // the connection takes its time
					l.say(snapshotEvent(), currentEvent())
					for silence := range lag { // the node is cut off from its store
						l.say(beatEvent("heartbeat", silence))
					}
				})}}
				s := follow(t, w, func(c *StreamConfig) {
					c.RefuseWhenStale = refuse
					c.OnStale = func(st StreamStatus) { told = append(told, st.Stale) }
				})
				defer close(lag)
				expect := func(when string, err bool) {
					t.Helper()
					synctest.Wait()
					if _, got := s.Revoked("s"); (got != nil) != (err && refuse) {
						t.Errorf("%s: %v", when, got)
					}
				}
				expect("before the first snapshot", true)
				time.Sleep(2 * time.Second)
				expect("current", false)
				for i := range 3 {
					time.Sleep(5 * time.Second)
					lag <- time.Duration(i+1) * 5 * time.Second
					expect("the node is silent", i == 3)
				}
				time.Sleep(5 * time.Second)
				lag <- 20 * time.Second
				expect("for too long", true)
				if st := s.Status(); !st.Connected || !st.Stale || st.Silence < 20*time.Second {
					t.Errorf("%+v", st)
				}
				lag <- 0
				expect("and back", false)
				time.Sleep(2 * time.Second)
				// A heartbeat that claims an earlier time takes nothing back.
				lag <- time.Hour
				expect("back in time", false)
				if len(told) != 2 || !told[0] || told[1] {
					t.Errorf("OnStale was told %v", told)
				}
			})
		})
	}
}

func TestStreamIsNeverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := follow(t, &wire{answers: []answerer{refuses(401)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "API_KEY_INVALID") {
			t.Error(err)
		}
		s.Close()
		if err := s.Ready(t.Context()); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		s.Close() // again is no harm
	})
}

func TestNewStreamRefuses(t *testing.T) {
	for want, change := range map[string]func(*StreamConfig){
		"want https":      func(c *StreamConfig) { c.Issuer = "http://auth.example.com" },
		"needs an API":    func(c *StreamConfig) { c.APIKey = " \n" },
		"characters that": func(c *StreamConfig) { c.APIKey = "dwk_hunter2\r\nX: y" },
		"no Timeout":      func(c *StreamConfig) { c.Client = &http.Client{Timeout: time.Second} },
		"every 5 seconds": func(c *StreamConfig) { c.MaxSilence = 5 * time.Second },
	} {
		c := StreamConfig{Issuer: streamIssuer, APIKey: streamKey}
		change(&c)
		if s, err := NewStream(t.Context(), c); s != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestStreamKeepsItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []answerer{refuses(403)}}
		s := follow(t, w)
		var log bytes.Buffer
		c := StreamConfig{Issuer: streamIssuer, APIKey: streamKey}
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "pointer", &c)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "pointer", &c)
		fmt.Fprintf(&log, "%v %+v %#v %s %v %+v %#v", c, c, c, c, &c, s.cfg, s.cfg)
		if strings.Contains(log.String(), "hunter2") {
			t.Errorf("printed: %s", &log)
		}
	})
}

// A change of the issuer's keys is known at once, not in five minutes.
func TestStreamTellsOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		change := make(chan string)
		w := &wire{answers: []answerer{streamed(func(l *line) {
			l.say(snapshotEvent(), currentEvent())
			l.say(<-change)
			l.beats()
		})}}
		s := follow(t, w)
		keys := &countedKeys{}
		if _, err := New(Config{Issuer: streamIssuer, Audience: []string{audience}, Keys: keys, Revocations: s}); err != nil {
			t.Fatal(err)
		}
		// What changed before the oldest entry is not known, so a snapshot counts
		// as a change.
		time.Sleep(10 * time.Second)
		first := keys.count()
		change <- endedEvent("1-a", "keys", "kid") + endedEvent("2-b", "keys", "kid2")
		synctest.Wait()
		if keys.count() == first {
			t.Error("the keys are not fetched at once")
		}
		time.Sleep(time.Second)
		if n := keys.count() - first; n < 2 || n > 4 {
			t.Errorf("fetched %d times", n)
		}
	})
}

type countedKeys struct {
	mu        sync.Mutex
	refreshed int
}

func (k *countedKeys) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.refreshed
}

func (k *countedKeys) Keys(context.Context, string) (*verify.KeySet, error) {
	return &verify.KeySet{}, nil
}

func (k *countedKeys) Refresh(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refreshed++
	return nil
}

// A guard with a stream refuses the token of a session that ended.
func TestGuardWithStream(t *testing.T) {
	i := newIssuer(t)
	session := "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	synctestless := &wire{answers: []answerer{streamed(func(l *line) {
		l.say(snapshotEvent(), endedEvent("1-a", "session", session), currentEvent())
		<-l.r.Context().Done()
	})}}
	s := follow(t, synctestless)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := i.guard(t, func(c *Config) { c.Revocations = s })
	_, d := g.Verify(t.Context(), i.token(t, "sid", session))
	if codeOf(d) != doorward.TokenRevoked || !strings.Contains(d.Private.Text, "by the user (logout)") {
		t.Errorf("%+v", d)
	}
	if _, d := g.Verify(t.Context(), i.token(t, "sid", "another")); d != nil {
		t.Errorf("%+v", d)
	}
}

// A server that has its access tokens live shorter from now on forgets endings
// sooner: no token that was issued before may outlive them.
func TestGuardTakesTheShorterLife(t *testing.T) {
	i := newIssuer(t)
	shorter := make(chan struct{})
	begins := func(life string) string {
		return "event: snapshot\ndata: {\"life\":" + life + ",\"keep\":1800,\"heartbeat\":5}\n\n"
	}
	w := &wire{answers: []answerer{
		streamed(func(l *line) {
			l.say(begins("86400"), currentEvent())
			<-shorter
			l.Close()
		}),
		streamed(func(l *line) {
			l.say(begins("300"), currentEvent())
			<-l.r.Context().Done()
		}),
	}}
	s := follow(t, w)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := i.clock.now()
	old := i.token(t, "sid", "s1", "iat", now.Add(-time.Hour).Unix(), "exp", now.Add(time.Hour).Unix())
	g := i.guard(t, func(c *Config) { c.Revocations, c.MaxLife = s, 12*time.Hour })
	if _, d := g.Verify(t.Context(), old); d != nil {
		t.Fatalf("%+v", d)
	}
	close(shorter)
	for s.Status().Opened < 2 {
		time.Sleep(time.Millisecond)
	}
	if _, d := g.Verify(t.Context(), old); codeOf(d) != doorward.TokenExpired {
		t.Errorf("an hour after it was issued, where tokens live for 5 minutes: %+v", d)
	}
	if _, d := g.Verify(t.Context(), i.token(t, "sid", "s1")); d != nil {
		t.Errorf("%+v", d)
	}
}

// However the bytes of a stream are cut up, it has the same events, and none is
// larger than it may be.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(snapshotEvent() + endedEvent("1-a", "session", "s1") + currentEvent()))
	f.Add([]byte("\xEF\xBB\xBFdata: a\r\ndata:b\rdata\n\n:x\n\nid: 1\x00\nevent\n\ndata:  c\n\n"))
	f.Add([]byte("data: " + strings.Repeat("x", maxEventLine)))
	read := func(r io.Reader) (all []event, err error) {
		for events := newEventReader(r); ; {
			e, err := events.next()
			if err != nil {
				return all, err
			}
			all = append(all, e)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := read(bytes.NewReader(data))
		for _, cut := range []io.Reader{iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
			if again, err2 := read(cut); fmt.Sprint(again) != fmt.Sprint(all) || !errors.Is(err2, err) {
				t.Errorf("%v, %v and %v, %v", all, err, again, err2)
			}
		}
		s := &Stream{ended: make(map[string]learned), current: make(chan struct{}), begun: time.Now()}
		reading := reading{stream: s, life: t.Context(), resumes: true}
		for _, e := range all {
			if len(e.data) > maxEventData || strings.Contains(e.id, "\x00") || e.kind == "" {
				t.Errorf("%+v", e)
			}
			if reading.take(e) != nil {
				break
			}
		}
		if s.keep < 0 || s.keep > maxKeep {
			t.Errorf("kept for %v", s.keep)
		}
	})
}
