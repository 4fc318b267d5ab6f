package fleet

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Wire is a way to an address that can be cut, as a network is: nothing gets
// through, nothing comes back, and neither end is told.
type Wire struct {
	to string
	l  net.Listener

	mu    sync.Mutex
	whole *sync.Cond
	cut   bool
	ended bool
	conns map[net.Conn]bool
}

// NewWire makes a way to an address, which ends with the test.
func NewWire(t testing.TB, to string) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to give up
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{to: to, l: l, conns: map[net.Conn]bool{}}
	w.whole = sync.NewCond(&w.mu)
	go w.accept()
	t.Cleanup(w.close)
	return w
}

// Addr is this end of it.
func (w *Wire) Addr() string { return w.l.Addr().String() }

// Cut lets nothing through any more; Mend does again, and what was sent
// meanwhile arrives.
func (w *Wire) Cut() { w.set(true) }

// Mend undoes Cut.
func (w *Wire) Mend() { w.set(false) }

func (w *Wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	w.whole.Broadcast()
}

// pass waits until something can get through, and reports false if nothing ever
// will.
func (w *Wire) pass() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.cut && !w.ended {
		w.whole.Wait()
	}
	return !w.ended
}

func (w *Wire) accept() {
	for {
		near, err := w.l.Accept()
		if err != nil {
			return
		}
		go w.join(near)
	}
}

func (w *Wire) join(near net.Conn) {
	defer near.Close() //nolint:errcheck // both ends are told by it
	if !w.pass() {
		return
	}
	far, err := net.Dial("tcp", w.to) //nolint:noctx // it is an address of this machine
	if err != nil {
		return
	}
	defer far.Close() //nolint:errcheck // likewise
	w.mu.Lock()
	w.conns[near], w.conns[far] = true, true
	ended := w.ended
	w.mu.Unlock()
	if !ended {
		done := make(chan struct{}, 2)
		for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
			go func() {
				w.carry(way[1], way[0])
				done <- struct{}{}
			}()
		}
		<-done // one end has closed: so does the other
	}
	w.mu.Lock()
	delete(w.conns, near)
	delete(w.conns, far)
	w.mu.Unlock()
}

func (w *Wire) carry(to io.Writer, from io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if !w.pass() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *Wire) close() {
	_ = w.l.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.whole.Broadcast()
	for c := range w.conns {
		_ = c.Close()
	}
}
