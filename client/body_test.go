package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/client"
)

// A transport need not read on behind the length that was declared.
func TestBodyReadToItsLength(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		reads := exactly{w.wire}
		s := w.signedIn(t, func(cfg *client.Config) { cfg.Transport = reads })
		w.advance(time.Hour)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuerURL+"/api/me", plain{strings.NewReader("body")})
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 4
		resp, err := s.Client().Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		if calls := w.at("/api/me"); len(calls) != 2 || calls[1].body != "body" {
			t.Errorf("%d calls", len(calls))
		}
	})
}

type exactly struct{ next http.RoundTripper }

func (e exactly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ContentLength > 0 {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, err
		}
		r.Body.Close()
		out := r.Clone(r.Context())
		out.Body = io.NopCloser(strings.NewReader(string(body)))
		r = out
	}
	return e.next.RoundTrip(r)
}

// An answer may come before the body is out. What is still to come is waited
// for, but not for long.
func TestAnswerBeforeTheBody(t *testing.T) {
	for name, c := range map[string]struct {
		late time.Duration
		body string
		want bool
	}{
		"a little late": {500 * time.Millisecond, "body", true},
		"too late":      {5 * time.Second, "body", false},
		"too long":      {0, strings.Repeat("x", 64<<10+1), false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.signedIn(t, func(cfg *client.Config) { cfg.Transport = early{w.wire, new(atomic.Int32)} })
				out, in := io.Pipe()
				go func() {
					time.Sleep(c.late)
					_, _ = io.WriteString(in, c.body)
					in.Close()
				}()
				begin := time.Now()
				status, body, err := call(t, s, "/api/me", out)
				if c.want && (status != http.StatusOK || body != email+" body") || !c.want && !errors.Is(err, client.ErrBody) {
					t.Errorf("%d %s %v", status, body, err)
				}
				if took := time.Since(begin); took > time.Second {
					t.Errorf("after %s", took)
				}
				_ = out.CloseWithError(io.ErrClosedPipe)
				synctest.Wait()
				time.Sleep(c.late)
			})
		})
	}
}

// early refuses the first call before it has read the body, as a server may.
type early struct {
	*wire
	calls *atomic.Int32
}

func (e early) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/api/me" || e.calls.Add(1) > 1 {
		return e.wire.RoundTrip(r)
	}
	go func() {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}()
	return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
}
