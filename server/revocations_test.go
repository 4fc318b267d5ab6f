package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/server"
)

// sse is one event as it came.
type sse struct {
	id, kind string
	data     map[string]any
}

// listener reads a stream of revocations.
type listener struct {
	*testing.T
	events chan sse      // closed with the stream
	stop   func()        //
	status int           //
	header http.Header   //
	ended  chan struct{} // closed with the stream
}

func (h *house) listen(t *testing.T, client *http.Client, url, key, last string) *listener {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/revocations", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{T: t, events: make(chan sse, 10_000), stop: stop, status: resp.StatusCode, header: resp.Header, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		defer close(l.events)
		defer resp.Body.Close()
		var e sse
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				_ = json.Unmarshal([]byte(value), &e.data)
			case "":
				l.events <- e
				e = sse{}
			}
		}
	}()
	return l
}

// next returns the next event of a kind; others before it are passed over, but
// for heartbeats there must be none.
func (l *listener) next(kind string) sse {
	l.Helper()
	for deadline := time.After(eventually); ; {
		select {
		case e, ok := <-l.events:
			if !ok {
				l.Fatalf("the stream ended before %q came", kind)
			}
			if e.kind == kind {
				return e
			}
			if e.kind != "heartbeat" {
				l.Fatalf("got %+v, want %q", e, kind)
			}
		case <-deadline:
			l.Fatalf("%q did not come", kind)
		}
	}
}

// subject passes over all events until one about the subject comes that has a
// position.
func (l *listener) subject(subject string) sse {
	l.Helper()
	for {
		if e := l.next("revocation"); e.data["subject"] == subject && e.id != "" {
			return e
		}
	}
}

func (l *listener) over() {
	l.Helper()
	select {
	case <-l.ended:
	case <-time.After(eventually):
		l.Fatal("the stream did not end")
	}
}

// signIn signs a new user in and returns the session and its refresh token.
func (h *house) signIn(t *testing.T, email string) (sid, refresh string) {
	t.Helper()
	h.act(t, []string{"user", email})
	h.run(t, `POST /auth/login

{"email":"`+email+`","password":"${password}"}
---
200
{"refreshToken":"=refresh","accessToken":"=access"}
===
GET /auth/me
Authorization: Bearer ${access}
---
200
{"session":{"sid":"=sid"}}`)
	return h.vars["sid"], h.vars["refresh"]
}

func (h *house) signOut(t *testing.T, refresh string) {
	t.Helper()
	h.vars["refresh"] = refresh
	h.run(t, "POST /auth/logout\n\n{\"refreshToken\":\"${refresh}\"}\n---\n204")
}

func TestStream(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key := h.apiKey(t, "guard", "720h", "doorward:revocations")
	sid1, refresh1 := h.signIn(t, "a@example.com")
	h.signOut(t, refresh1)

	l := h.listen(t, h.web.Client(), h.web.URL, key, "")
	if l.status != 200 || l.header.Get("Content-Type") != "text/event-stream" || l.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", l.status, l.header)
	}
	begin := l.next("snapshot")
	if begin.data["keep"].(float64) != 1800 || begin.data["heartbeat"].(float64) != 5 || begin.id != "" {
		t.Errorf("%+v", begin)
	}
	// All that still matters, then word that this was all.
	for kind := "revocation"; ; {
		e := <-l.events
		if e.kind == "current" {
			break
		}
		if e.kind != kind {
			t.Fatalf("%+v", e)
		}
	}

	// The next to end is told, by whom and why; again with its position.
	sid2, refresh2 := h.signIn(t, "b@example.com")
	h.signOut(t, refresh2)
	e := l.subject(sid2)
	if e.data["kind"] != "session" || e.data["reason"] != "logout" || e.data["by"] != "user" {
		t.Errorf("%+v", e)
	}
	// What an operator ends beside the server comes too.
	sid3, _ := h.signIn(t, "c@example.com")
	h.act(t, []string{"suspend", "c@example.com"})
	if e := l.subject(sid3); e.data["reason"] != "suspended" || e.data["by"] != "operator" {
		t.Errorf("%+v", e)
	}
	h.operate(t, func(ctx context.Context, a *auth.Auth) error {
		if err := a.Keys().Load(ctx); err != nil {
			return err
		}
		return a.Keys().Rotate(ctx, "access", true)
	})
	for l.next("revocation").data["kind"] != "keys" {
	}

	// It goes on from where it was; what came before is not told again.
	r := h.listen(t, h.web.Client(), h.web.URL, key, e.id)
	r.next("resumed")
	for subject := any(nil); subject != sid3; {
		if subject = r.next("revocation").data["subject"]; subject == sid1 {
			t.Errorf("after %s came what was before", e.id)
		}
	}
	// A position that there never was gets everything.
	for _, unknown := range []string{"999999-00000000", strings.TrimRight(e.id, "0123456789abcdef") + "00000000", "0", "nonsense", "-1", ""} {
		s := h.listen(t, h.web.Client(), h.web.URL, key, unknown)
		s.next("snapshot")
		s.subject(sid1)
		s.subject(sid2)
		s.stop()
	}
}

// An id of one node is good at another: both read one log.
func TestStreamResumesElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key := h.apiKey(t, "guard", "720h", "doorward:revocations")
	store, err := openStore(t.Context(), h.place)
	if err != nil {
		t.Fatal(err)
	}
	cfg := h.settings()
	cfg.Store = store
	other, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(other)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		other.Close()
		store.Close()
	})
	sid1, refresh1 := h.signIn(t, "a@example.com")
	sid2, refresh2 := h.signIn(t, "b@example.com")

	l := h.listen(t, h.web.Client(), h.web.URL, key, "")
	far := h.listen(t, web.Client(), web.URL, key, "")
	h.signOut(t, refresh1)
	l.next("snapshot")
	far.next("snapshot")
	find := func(l *listener, subject string) sse {
		for e := range l.events {
			if e.data["subject"] == subject && e.id != "" {
				return e
			}
		}
		t.Fatal("the stream ended")
		return sse{}
	}
	here, there := find(l, sid1), find(far, sid1)
	if here.id != there.id {
		t.Errorf("%s here, %s there", here.id, there.id)
	}
	h.signOut(t, refresh2)
	find(far, sid2)
	r := h.listen(t, web.Client(), web.URL, key, here.id)
	r.next("resumed")
	find(r, sid2)
}

// The server's own limits of time are for requests that come to an end.
func TestStreamOutlivesTimeouts(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){
		"HTTP/1.1": (*httptest.Server).Start,
		"HTTP/2":   func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			key := h.apiKey(t, "guard", "720h", "doorward:revocations")
			web := httptest.NewUnstartedServer(h.server)
			web.Config.ReadTimeout, web.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
			start(web)
			t.Cleanup(func() { h.server.EndStreams(); web.Close() })
			l := h.listen(t, web.Client(), web.URL, key, "")
			l.next("snapshot")
			beat := sse{}
			for beat.kind != "heartbeat" { // 5 seconds: the limits are long over
				var ok bool
				if beat, ok = <-l.events; !ok {
					t.Fatal("the stream was cut off")
				}
			}
			at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(beat.data["time"]))
			if silence := beat.data["silence"].(float64); err != nil || time.Since(at) > time.Minute || silence < 0 || silence > 60_000 {
				t.Errorf("%+v, %v", beat, err)
			}
			sid, refresh := h.signIn(t, "a@example.com")
			h.signOut(t, refresh)
			l.subject(sid)
		})
	}
}

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key := h.apiKey(t, "guard", "720h", "doorward:revocations")
	other := h.apiKey(t, "other", "720h", "doorward:revocations")
	client := &http.Client{Transport: &http.Transport{}}
	mine, theirs := h.listen(t, client, h.web.URL, key, ""), h.listen(t, client, h.web.URL, other, "")
	h.revoke(t, key)
	mine.over()
	var last sse
	for e := range mine.events {
		last = e
	}
	if last.kind != "revocation" || last.data["kind"] != "apikey" {
		t.Errorf("the last event is %+v", last)
	}
	brief := h.apiKey(t, "brief", "1s", "doorward:revocations")
	h.listen(t, client, h.web.URL, brief, "").over()
	if l := h.listen(t, client, h.web.URL, key, ""); l.status != http.StatusUnauthorized {
		t.Errorf("with a revoked key: %d", l.status)
	}
	h.server.EndStreams()
	theirs.over()
	l := h.listen(t, client, h.web.URL, other, "")
	if l.status != http.StatusServiceUnavailable || l.header.Get("Retry-After") == "" || l.header.Get(doorward.DenialHeader) == "" {
		t.Errorf("going down: %d %v", l.status, l.header)
	}
}

// A server that is told to stop does so, whoever listens.
func TestStreamDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key := h.apiKey(t, "guard", "720h", "doorward:revocations")
	web := httptest.NewServer(h.server)
	web.Config.RegisterOnShutdown(h.server.EndStreams)
	l := h.listen(t, web.Client(), web.URL, key, "")
	l.next("snapshot")
	ctx, cancel := context.WithTimeout(t.Context(), eventually)
	defer cancel()
	if err := web.Config.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	l.over()
}

// Those who listen cost the store nothing.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	streams := 200
	if testing.Short() {
		streams = 20
	}
	key := h.apiKey(t, "guard", "720h", "doorward:revocations")
	client := &http.Client{Transport: &http.Transport{}}
	var all []*listener
	for range streams {
		l := h.listen(t, client, h.web.URL, key, "")
		l.next("snapshot")
		all = append(all, l)
	}
	sid, refresh := h.signIn(t, "a@example.com")
	looked := h.broken.looks.Load()
	h.signOut(t, refresh)
	acknowledged := time.Now()
	for _, l := range all {
		for e := range l.events {
			if e.data["subject"] == sid && e.id != "" {
				break
			}
		}
	}
	t.Logf("the last of %d streams had it after %v", streams, time.Since(acknowledged))
	if n := h.broken.looks.Load() - looked; n > int64(streams/10) {
		t.Errorf("%d looks into the store for %d streams", n, streams)
	}
}
