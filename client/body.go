package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// maxBody is how much of a body is kept to be sent again, in bytes, where the
// request has no GetBody.
const maxBody = 64 << 10

// bodyWait is how long after an answer a body may still be on its way out.
const bodyWait = time.Second

// tape keeps what goes by of a body that cannot be made anew.
type tape struct {
	io.ReadCloser
	length int64 // as the request declares it; -1 for unknown

	mu    sync.Mutex
	kept  []byte
	whole bool          // all of it was kept
	over  bool          // it is longer than what is kept
	done  chan struct{} // closed when it was read or closed
	once  sync.Once
}

// newTape returns a tape of the request's body, or nil where there is a better
// way to send it again.
func newTape(r *http.Request) *tape {
	if r.Body == nil || r.Body == http.NoBody || r.GetBody != nil {
		return nil
	}
	return &tape{ReadCloser: r.Body, length: r.ContentLength, done: make(chan struct{})}
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over = t.over || len(t.kept)+n > maxBody; t.over {
		t.kept = nil
	} else {
		t.kept = append(t.kept, p[:n]...)
	}
	// Who declared a length may not read on to the end.
	if err == io.EOF || t.length > 0 && int64(len(t.kept)) == t.length { //nolint:errorlint // io.Reader's rule
		t.whole = !t.over
	}
	if t.whole || t.over || err != nil {
		t.once.Do(func() { close(t.done) })
	}
	return n, err
}

func (t *tape) Close() error {
	t.once.Do(func() { close(t.done) })
	return t.ReadCloser.Close()
}

// again returns the body of the second request. An answer can come before the
// body is out; it is waited for, for a moment.
func again(ctx context.Context, r *http.Request, t *tape) (io.ReadCloser, error) {
	if t == nil {
		if r.GetBody != nil && r.Body != nil && r.Body != http.NoBody {
			return r.GetBody()
		}
		return r.Body, nil
	}
	_ = sleep(ctx, bodyWait, t.done)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.whole {
		return nil, ErrBody
	}
	return io.NopCloser(bytes.NewReader(t.kept)), nil
}

// sleep waits for d, for ctx, whose error it returns, or until done is closed.
func sleep(ctx context.Context, d time.Duration, done <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
