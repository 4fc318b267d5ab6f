// Command server is a real Doorward server for the tests of the clients: with
// a store of its own, a clock that a test moves on, and routes to be let
// through to. It prints its URL, and ends when its standard input does.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

func main() {
	life := flag.Duration("access-life", 15*time.Minute, "life of an access token")
	flag.Parse()
	if err := run(context.Background(), *life); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, life time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whoever started us is gone, or done
		cancel()
	}()
	dir, err := os.MkdirTemp("", "doorward")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store, err := sqlite.Open(ctx, filepath.Join(dir, "doorward.db"))
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var offset atomic.Int64
	issuer := "http://" + l.Addr().String()
	srv, err := server.New(ctx, server.Config{
		Store: store, MasterKey: secret.NewMasterKey().Reveal(), Issuer: issuer, AccessLife: life, Signup: true,
		Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	defer srv.Close()

	mux := http.NewServeMux()
	mux.Handle("/", srv)
	mux.HandleFunc("POST /test/advance", func(_ http.ResponseWriter, r *http.Request) {
		by, _ := time.ParseDuration(r.FormValue("by")) // a test that says nothing moves nothing
		offset.Add(int64(by))
	})
	mux.Handle("/api/echo", srv.Guard().Handler(http.HandlerFunc(echo)))
	mux.Handle("/api/scoped", srv.Guard().Require("nobody:has")(http.HandlerFunc(echo)))
	var feed feed
	mux.HandleFunc("POST /test/publish", func(_ http.ResponseWriter, r *http.Request) { feed.publish(r.FormValue("data")) })
	mux.Handle("GET /api/events", srv.Guard().Handler(&feed))

	fmt.Println(issuer)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// echo tells what arrived.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender is gone
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"method": r.Method, "contentType": r.Header.Get("Content-Type"), "body": string(body),
	})
}

// feed is a stream of events that are numbered from 1, and resumed by number.
type feed struct {
	mu     sync.Mutex
	events []string
	wake   chan struct{}
}

func (f *feed) publish(data string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, data)
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// after returns the events behind the first n, or how to wait for one.
func (f *feed) after(n int) ([]string, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n < len(f.events) {
		return f.events[n:], nil
	}
	if f.wake == nil {
		f.wake = make(chan struct{})
	}
	return nil, f.wake
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	_ = out.Flush() // a failure is the connection's, and shows in its context
	n, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	for {
		events, wake := f.after(n)
		for _, data := range events {
			n++
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n, data)
		}
		_ = out.Flush()
		if wake == nil {
			continue
		}
		select {
		case <-wake:
		case <-r.Context().Done():
			return
		}
	}
}
