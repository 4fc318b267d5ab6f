package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/verify"
)

// paper is a log of n entries; when it is read to its end it grows by one each
// second.
type paper struct{ n atomic.Int64 }

func sheets(n int64) *paper {
	p := &paper{}
	p.n.Store(n)
	return p
}

func (p *paper) Life() time.Duration       { return 15 * time.Minute }
func (p *paper) Keep() time.Duration       { return 30 * time.Minute }
func (p *paper) Silence() time.Duration    { return 1500 * time.Millisecond }
func (p *paper) Begin() int64              { return 0 }
func (p *paper) Find(string) (int64, bool) { return 0, false }

func (p *paper) After(place int64, limit int) (entries []auth.Revocation, next int64, grown <-chan struct{}) {
	for next = place; next < p.n.Load() && len(entries) < limit; next++ {
		entries = append(entries, auth.Revocation{Seq: next + 1, Kind: auth.RevokedSession, Subject: fmt.Sprint("s", next)})
	}
	more := make(chan struct{})
	if next == p.n.Load() {
		time.AfterFunc(time.Second, func() { p.n.Add(1); close(more) })
	}
	return entries, next, more
}

// reader takes what is written until it has enough, and then nothing more.
type reader struct {
	http.ResponseWriter // for its header
	enough              int
	got                 strings.Builder
	until               time.Time
}

func (r *reader) SetWriteDeadline(t time.Time) error { r.until = t; return nil }
func (r *reader) Flush()                             {}

func (r *reader) Write(b []byte) (int, error) {
	if r.enough == 0 {
		time.Sleep(time.Until(r.until))
		return 0, os.ErrDeadlineExceeded
	}
	r.enough--
	return r.got.Write(b)
}

func read(p *paper, r *reader) error {
	s := &stream{recent: p, w: r, rc: http.NewResponseController(r), over: make(chan struct{}), now: time.Now}
	return s.run(context.Background(), "")
}

// Nothing is kept for a reader that is slow: it is cut off.
func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{ResponseWriter: httptest.NewRecorder(), enough: 3}
		begun := time.Now()
		if err := read(sheets(100_000), r); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) != writeWithin {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if n := strings.Count(r.got.String(), "event: revocation\n"); n != 3*streamPage {
			t.Errorf("%d entries were written", n)
		}
	})
}

// A reader is current when it was told all that there is, and hears of the time
// even while there is something new all the time.
func TestStreamInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{ResponseWriter: httptest.NewRecorder(), enough: 30}
		_ = read(sheets(streamPage+2), r)
		var kinds []string
		for line := range strings.Lines(r.got.String()) {
			if kind, ok := strings.CutPrefix(line, "event: "); ok {
				kinds = append(kinds, strings.TrimSpace(kind))
			}
		}
		want := "snapshot" + strings.Repeat(" revocation", streamPage+2) + " current"
		if got := strings.Join(kinds, " "); !strings.HasPrefix(got, want) || strings.Count(got, "current") != 1 || strings.Count(got, "heartbeat") < 4 || strings.Count(got, "snapshot") != 1 {
			t.Errorf("%s", got)
		}
		if !strings.Contains(r.got.String(), `"silence":1500}`) {
			t.Error("the silence of the node is not told")
		}
	})
}

// crowd is a reader that is slow, and while it was told that it is current, ten
// thousand end at once.
type crowd struct {
	*reader
	log    *paper
	writes int
}

func (c *crowd) Write(b []byte) (int, error) {
	if c.writes++; c.writes == 2 {
		c.log.n.Add(10_000)
	}
	time.Sleep(2 * time.Second)
	return c.reader.Write(b)
}

// What has not been sent counts as silence.
func TestHeartbeatBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, r := sheets(1), &reader{ResponseWriter: httptest.NewRecorder(), enough: 30}
		c := &crowd{reader: r, log: log}
		s := &stream{recent: log, w: c, rc: http.NewResponseController(c), over: make(chan struct{}), now: time.Now}
		_ = s.run(context.Background(), "")
		beats := regexp.MustCompile(`event: heartbeat\ndata: .*"silence":(\d+)}`).FindAllStringSubmatch(r.got.String(), -1)
		if len(beats) < 5 {
			t.Fatalf("%d heartbeats", len(beats))
		}
		last := 0
		for _, beat := range beats[1:] {
			silence, _ := strconv.Atoi(beat[1])
			if silence <= last {
				t.Errorf("%d ms of silence after %d, though the reader has still not been sent all", silence, last)
			}
			last = silence
		}
	})
}

func TestStreamsPerKey(t *testing.T) {
	s := newStreams(2)
	for i, want := range []bool{true, true, false} {
		if got := s.enter("a"); got != want {
			t.Errorf("the stream %d: %v", i+1, got)
		}
	}
	if !s.enter("b") {
		t.Error("another key is kept out")
	}
	s.leave("a")
	if !s.enter("a") {
		t.Error("a place that was left stays taken")
	}
	if s.all != 3 || len(s.open) != 2 {
		t.Errorf("%+v", s)
	}
	for _, key := range []string{"a", "a", "b"} {
		s.leave(key)
	}
	if s.all != 0 || len(s.open) != 0 {
		t.Errorf("what is left is remembered: %d, %v", s.all, s.open)
	}
}

// anyKey is an issuer for which every key is good for everything.
type anyKey struct{}

func (anyKey) Introspect(_ context.Context, key string) (*doorward.Principal, error) {
	return &doorward.Principal{Kind: doorward.KindKey, Subject: key[4:30], Scopes: apikey.ServerScopes()}, nil
}

func (anyKey) Keys(context.Context, string) (*verify.KeySet, error) { return &verify.KeySet{}, nil }

// Who opens more streams than one key may is told so, and when to try again.
func TestTooManyStreams(t *testing.T) {
	g, err := guard.New(guard.Config{Issuer: "https://a.example", Audience: []string{"a"}, Keys: anyKey{}, Introspector: anyKey{}})
	if err != nil {
		t.Fatal(err)
	}
	a := &API{guard: g, streams: newStreams(1), now: time.Now}
	k, text := apikey.Make("k", nil, time.Now(), 0)
	a.streams.enter(k.ID.String())
	r := httptest.NewRequest(http.MethodGet, "/revocations", nil)
	r.Header.Set("Authorization", "Bearer "+text.Reveal())
	d, ok := errors.AsType[*doorward.Denial](a.revocations(httptest.NewRecorder(), r))
	if !ok || d.Code != doorward.RateLimited || d.RetryAfter != retryStream || d.Limit == nil || d.Limit.Quota != 1 || d.Limit.Name != "revocation-streams" {
		t.Errorf("%+v", d)
	}
	if a.Streams() != 1 {
		t.Errorf("%d streams are counted", a.Streams())
	}
}
