//go:build unix

package fleet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

const (
	readyEvery   = 100 * time.Millisecond
	readyTimeout = time.Second
	tryTimeout   = 5 * time.Second // until the first byte of an answer
	maxBody      = 1 << 20
)

// Balancer stands before nodes as a small proxy would. It asks each for /readyz
// and sends requests to those that are ready, in turn; if none is, to any. A
// request goes to another node only where it surely has not arrived.
type Balancer struct {
	URL string

	nodes []*Node
	ready []atomic.Bool
	next  atomic.Uint64
	web   *http.Transport
}

// Balance starts a balancer without nodes: its URL is their issuer. Use sets
// them. It ends with the test.
func Balance(t testing.TB) *Balancer {
	t.Helper()
	b := &Balancer{web: &http.Transport{MaxIdleConnsPerHost: 100, ResponseHeaderTimeout: tryTimeout}}
	srv := httptest.NewServer(b)
	b.URL = srv.URL
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return b
}

// Use begins to send requests to nodes.
func (b *Balancer) Use(ctx context.Context, nodes ...*Node) {
	b.nodes, b.ready = nodes, make([]atomic.Bool, len(nodes))
	for i := range nodes {
		b.ready[i].Store(true)
		go b.watch(ctx, i)
	}
}

// Ready reports whether a node is sent requests.
func (b *Balancer) Ready(i int) bool { return b.ready[i].Load() }

func (b *Balancer) watch(ctx context.Context, i int) {
	for ctx.Err() == nil {
		b.ready[i].Store(b.ask(ctx, b.nodes[i]))
		select {
		case <-time.After(readyEvery):
		case <-ctx.Done():
		}
	}
}

func (b *Balancer) ask(ctx context.Context, n *Node) bool {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := b.web.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	for _, n := range b.order() {
		resp, err := b.send(n, r, body)
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			continue
		}
		if err != nil {
			break
		}
		answer(w, resp)
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

// order is in which order nodes are tried.
func (b *Balancer) order() []*Node {
	var ready, others []*Node
	first := int(b.next.Add(1))
	for i := range b.nodes {
		k := (first + i) % len(b.nodes)
		if b.ready[k].Load() {
			ready = append(ready, b.nodes[k])
		} else {
			others = append(others, b.nodes[k])
		}
	}
	return append(ready, others...)
}

func (b *Balancer) send(n *Node, r *http.Request, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, n.URL()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // it would be sent twice
	req.Header = r.Header.Clone()
	return b.web.RoundTrip(req)
}

func answer(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	rc := http.NewResponseController(w)
	buf := make([]byte, 16<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
			_ = rc.Flush() // a stream comes as it is sent
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // half an answer is none
		}
	}
}
