package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

// soak tortures for minutes rather than for seconds.
var soak = os.Getenv("SOAK") != ""

// TestTorture lets programs, each with many goroutines and some sharing a file,
// call a real server over a network that loses, delays, doubles and reorders.
// Tokens live for 5 seconds. The server is restarted all the time, and its clock
// is 10 minutes behind; those of the programs are right, or 10 minutes ahead or
// behind. One program is killed now and then, and calls a service whose clock
// is so far ahead that it refuses each token before it is to be renewed. Nobody
// is signed out, no call ends in a 401, none is sent more than twice, and no
// refresh token has two successors.
func TestTorture(t *testing.T) {
	length, killEvery := 6*time.Second, 2*time.Second
	switch {
	case soak:
		length, killEvery = 3*time.Minute, 10*time.Second
	case testing.Short():
		length, killEvery = 2*time.Second, time.Second
	}
	p := newPress(t)
	shared, alone := filepath.Join(t.TempDir(), "shared.json"), filepath.Join(t.TempDir(), "alone.json")
	p.login(t, shared, "user-0@example.com")
	p.login(t, alone, "user-1@example.com")
	begin := func(in tortured) *child {
		in.Issuer = p.url
		args, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		return start(t, "torture", string(args))
	}
	victim := tortured{File: alone, Path: "/api/ahead"}
	all := []*child{begin(victim)}
	for _, skew := range []time.Duration{0, 0, 10 * time.Minute, -10 * time.Minute} {
		all = append(all, begin(tortured{File: shared, Path: "/api/echo", Skew: skew}))
	}

	over := time.After(length)
	kill, restart := time.NewTicker(killEvery), time.NewTicker(1500*time.Millisecond)
	defer kill.Stop()
	defer restart.Stop()
	kills := 0
	for running := true; running; {
		select {
		case <-over:
			running = false
		case <-restart.C:
			p.stop(t)
			p.start(t)
		case <-kill.C:
			all[0].kill(t)
			all[0] = begin(victim)
			kills++
		}
	}
	var sum tally
	for _, c := range all {
		c.in.Close()
		var one tally
		if err := json.Unmarshal([]byte(c.line(t)), &one); err != nil {
			t.Fatal(err)
		}
		c.end(t)
		sum.add(one)
	}
	rotated, repeated := p.rotations(t)
	t.Logf("%d calls: %d answered, %d mended, %d whose answer the network lost, %d failed for now; at most %d sends; %d refreshes asked, %d rotated, %d answered again; %d restarts, %d kills",
		sum.Calls, sum.OK, sum.Mended, sum.Lost, sum.Temporary, sum.Sends, sum.Refreshes, rotated, repeated, p.restarts, kills)
	if len(sum.Faults) > 0 || sum.Sends > 2 || sum.OK == 0 || rotated == 0 || soak && sum.Mended == 0 {
		t.Errorf("%d faults: %s", len(sum.Faults), strings.Join(sum.Faults[:min(5, len(sum.Faults))], "\n"))
	}
}

// press is a server that is restarted on the same store and address.
type press struct {
	url      string
	addr     string
	path     string
	key      string
	restarts int

	http   *http.Server
	server *server.Server
	store  *sqlite.Store
	live   sync.WaitGroup // requests

	mu         sync.Mutex
	successors map[string]map[string]int // of each refresh token, how often each was given out
}

func newPress(t *testing.T) *press {
	t.Helper()
	p := &press{
		path: filepath.Join(t.TempDir(), "doorward.db"), key: secret.NewMasterKey().Reveal(), addr: "127.0.0.1:0",
		successors: map[string]map[string]int{},
	}
	p.start(t)
	t.Cleanup(func() { p.stop(t) })
	for i := range 2 {
		body := fmt.Sprintf(`{"email":"user-%d@example.com","password":%q}`, i, password)
		resp, err := http.Post(p.url+"/auth/signup", "application/json", strings.NewReader(body))
		if err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	return p
}

func serverTime() time.Time { return time.Now().Add(-10 * time.Minute) }

func (p *press) start(t *testing.T) {
	t.Helper()
	var err error
	if p.store, err = sqlite.Open(context.Background(), p.path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.addr, p.url = l.Addr().String(), "http://"+l.Addr().String()
	if p.server, err = server.New(context.Background(), server.Config{
		Store: p.store, MasterKey: p.key, Issuer: p.url, Signup: true, AccessLife: 5 * time.Second,
		Now: serverTime,
		Log: slog.New(slog.DiscardHandler),
	}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", p.server)
	mux.Handle("/auth/refresh", p.noting(p.server))
	mux.Handle("/api/echo", p.server.Guard().Handler(http.HandlerFunc(me)))
	ahead, err := guard.New(guard.Config{
		Issuer: p.url, Audience: []string{p.url}, Now: func() time.Time { return serverTime().Add(32 * time.Second) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/api/ahead", ahead.Handler(http.HandlerFunc(me)))
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.live.Add(1)
		defer p.live.Done()
		mux.ServeHTTP(w, r)
	})
	p.http = &http.Server{Handler: counted, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = p.http.Serve(l) }()
}

func (p *press) stop(t *testing.T) {
	t.Helper()
	_ = p.http.Close() // whatever is on its way is cut off
	p.live.Wait()
	p.server.Close()
	if err := p.store.Close(); err != nil {
		t.Error(err)
	}
	p.restarts++
}

// noting notes which refresh token was given out for which.
func (p *press) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		out := httptest.NewRecorder()
		next.ServeHTTP(out, r)
		var in, got struct{ RefreshToken string }
		if out.Code == http.StatusOK && json.Unmarshal(body, &in) == nil && json.Unmarshal(out.Body.Bytes(), &got) == nil {
			p.mu.Lock()
			if p.successors[in.RefreshToken] == nil {
				p.successors[in.RefreshToken] = map[string]int{}
			}
			p.successors[in.RefreshToken][got.RefreshToken]++
			p.mu.Unlock()
		}
		maps.Copy(w.Header(), out.Header())
		w.WriteHeader(out.Code)
		_, _ = w.Write(out.Body.Bytes())
	})
}

// rotations returns how many refresh tokens were used, and how often one was
// used again. Each may have one successor.
func (p *press) rotations(t *testing.T) (rotated, repeated int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, given := range p.successors {
		rotated++
		for _, n := range given {
			repeated += n - 1
		}
		if len(given) != 1 {
			t.Errorf("a refresh token has %d successors", len(given))
		}
	}
	return rotated, repeated
}

// login signs in one of the users into a file.
func (p *press) login(t *testing.T, path, email string) {
	t.Helper()
	s, err := client.New(client.Config{Issuer: p.url, Store: client.File(path)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Login(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
}

// tortured says what a program of the torture does.
type tortured struct {
	File, Issuer, Path string
	Skew               time.Duration
}

// tally is what it reports.
type tally struct {
	Calls, OK, Mended, Lost, Temporary, Refreshes, Sends int
	Faults                                               []string
}

func (a *tally) add(b tally) {
	a.Calls += b.Calls
	a.OK += b.OK
	a.Mended += b.Mended
	a.Lost += b.Lost
	a.Temporary += b.Temporary
	a.Refreshes += b.Refreshes
	a.Sends = max(a.Sends, b.Sends)
	a.Faults = append(a.Faults, b.Faults...)
}

// tortureChild calls with many goroutines until its standard input ends.
func tortureChild(args []byte) error {
	var in tortured
	if err := json.Unmarshal(args, &in); err != nil {
		return err
	}
	var mu sync.Mutex
	var sum tally
	fault := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		sum.Faults = append(sum.Faults, fmt.Sprintf(format, args...))
	}
	chaos := &chaos{sends: map[string]int{}}
	s, err := client.New(client.Config{
		Issuer: in.Issuer, Store: client.File(in.File), Transport: chaos, Timeout: 2 * time.Second,
		OnEnd:   func(e *client.Error) { fault("ended: %v", e) },
		OnFault: func(err error) { fault("%v", err) },
	})
	if err != nil {
		return err
	}
	client.SetClock(s, func() time.Time { return time.Now().Add(in.Skew) })

	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				one, err := callOnce(s, in.Issuer+in.Path, fmt.Sprintf("%d-%d", g, i))
				if err != nil {
					fault("%v", err)
				}
				mu.Lock()
				sum.add(one)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, n := range chaos.sends {
		sum.Sends = max(sum.Sends, n)
		if n == 2 {
			sum.Mended++
		}
	}
	sum.Refreshes = int(chaos.refreshes.Load())
	return json.NewEncoder(os.Stdout).Encode(sum)
}

// callOnce makes one call, and returns an error if it did not end as it may.
func callOnce(s *client.Session, url, id string) (tally, error) {
	one := tally{Calls: 1}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, plain{strings.NewReader(id)})
	if err != nil {
		return one, err
	}
	r.Header.Set("Call", id)
	resp, err := s.Client().Do(r)
	var e *client.Error
	switch {
	case errors.As(err, &e) && e.Temporary():
		one.Temporary++
		return one, nil
	case errors.As(err, &e):
		return one, err
	case err != nil:
		one.Lost++
		return one, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		one.Lost++
	case resp.StatusCode == http.StatusServiceUnavailable:
		one.Temporary++
	case resp.StatusCode != http.StatusOK || !strings.HasSuffix(string(body), " "+id):
		return one, fmt.Errorf("call %s: %d %s", id, resp.StatusCode, body)
	default:
		one.OK++
	}
	return one, nil
}

// chaos is a bad network.
type chaos struct {
	refreshes atomic.Int64
	mu        sync.Mutex
	sends     map[string]int
}

var errChaos = errors.New("lost")

func (c *chaos) RoundTrip(r *http.Request) (*http.Response, error) {
	if id := r.Header.Get("Call"); id != "" {
		c.mu.Lock()
		c.sends[id]++
		c.mu.Unlock()
	}
	if r.URL.Path == "/auth/refresh" {
		c.refreshes.Add(1)
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	if rand.IntN(100) < 3 {
		return nil, errChaos // before it arrives
	}
	if rand.IntN(100) < 5 {
		go func() { // twice, and whichever comes first
			if resp, err := c.deliver(r, body); err == nil {
				resp.Body.Close()
			}
		}()
	}
	resp, err := c.deliver(r, body)
	if err == nil && rand.IntN(100) < 10 {
		resp.Body.Close()
		return nil, errChaos // after the server acted
	}
	return resp, err
}

// deliver takes a while, so that others overtake, and leaves some time between
// calls.
func (c *chaos) deliver(r *http.Request, body []byte) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.GetBody = nil
	pause := rand.N(20 * time.Millisecond)
	if rand.IntN(20) == 0 {
		pause *= 10
	}
	wait := time.NewTimer(pause)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	return http.DefaultTransport.RoundTrip(out)
}
