//go:build unix

package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/server"
)

// childConfig, in the environment, makes the test binary a node instead.
const childConfig = "FLEET_NODE"

// Guarded is a route of every node that only its guard stands before: what it
// needs is in the node's memory.
const Guarded = "/api/profile"

// Config says what a node is. All nodes of a fleet have the same Store,
// MasterKey and Issuer.
type Config struct {
	Name      string
	Store     string // "sqlite:PATH" or "postgres://…"
	MasterKey string
	Issuer    string

	AccessLife time.Duration
	IdleLife   time.Duration

	// At, where it is not zero, is where the node's clock stands, in
	// milliseconds since 1970; SetClock moves it. Otherwise the clock runs, and
	// is off by Skew.
	At   int64
	Skew time.Duration

	// Broken names a way to be wrong, of those that were given to Main.
	Broken string
}

// Broken are stores with one fault each, for tests that must notice it.
type Broken map[string]func(server.Store) server.Store

// Main makes the process a node, and does not return, where it was started to
// be one. TestMain calls it first.
func Main(broken Broken) {
	text := os.Getenv(childConfig)
	if text == "" {
		return
	}
	if err := runChild(text, broken); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// clock is that of a node.
type clock struct {
	at   atomic.Int64 // where it stands, in ms; zero if it runs
	skew time.Duration
}

func (c *clock) now() time.Time {
	if at := c.at.Load(); at != 0 {
		return time.UnixMilli(at)
	}
	return time.Now().Add(c.skew)
}

func runChild(text string, broken Broken) error {
	var cfg Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	clock := &clock{skew: cfg.Skew}
	clock.at.Store(cfg.At)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

	store, err := Open(ctx, cfg.Store)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // the process ends
	if cfg.Broken != "" {
		store = broken[cfg.Broken](store)
	}
	srv, err := server.New(ctx, cfg.server(store, clock.now, log))
	if err != nil {
		return err
	}
	defer srv.Close()
	mux := http.NewServeMux()
	mux.Handle("/", srv)
	mux.Handle(Guarded, srv.Guard().Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, cfg.Name)
	})))
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to give up
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go obey(clock)
	context.AfterFunc(ctx, srv.EndStreams) // or the drain would wait for them
	return server.Serve(ctx, l, mux, log)
}

// obey does what the parent says, and ends the process when the parent has.
func obey(clock *clock) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		at, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			break
		}
		clock.at.Store(at)
		fmt.Println("set")
	}
	os.Exit(1)
}

func (c Config) server(store server.Store, now func() time.Time, log *slog.Logger) server.Config {
	if c.At != 0 {
		store = struct{ server.Store }{store} // without a clock of its own
	}
	return server.Config{
		Store: store, MasterKey: c.MasterKey, Issuer: c.Issuer, Node: c.Name,
		AccessLife: c.AccessLife, IdleLife: c.IdleLife,
		// Tests give every user a network of their own, so that what is counted
		// by network does not join them.
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Now:            now, Log: log,
	}
}

// Node is a server in a process of its own. Its methods may be called by
// several goroutines.
type Node struct {
	t    testing.TB
	name string
	url  atomic.Pointer[string]

	mu     sync.Mutex
	cfg    Config
	cmd    *exec.Cmd // nil while there is none
	in     io.WriteCloser
	out    *bufio.Reader
	log    tail
	frozen bool
}

// Start starts a node, which ends with the test.
func Start(t testing.TB, cfg Config) *Node {
	t.Helper()
	n := &Node{t: t, name: cfg.Name, cfg: cfg}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("%s said last:\n%s", cfg.Name, n.log.String())
		}
	})
	return n
}

// URL is where the node listens, or did while it ran.
func (n *Node) URL() string { return *n.url.Load() }

// Name is what the node is called.
func (n *Node) Name() string { return n.name }

// Start starts the node again, at another port. It returns when it listens.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	text, err := json.Marshal(n.cfg)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0]) //nolint:noctx // it is killed, not given up
	cmd.Env = append(os.Environ(), childConfig+"="+string(text))
	cmd.Stderr = &n.log
	if n.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.out = bufio.NewReader(out)
	line, err := n.out.ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		return fmt.Errorf("%s did not start: %w\n%s", n.cfg.Name, err, n.log.String())
	}
	n.cmd = cmd
	url := "http://" + strings.TrimSpace(line)
	n.url.Store(&url)
	return nil
}

// Kill ends the node as kill -9 does.
func (n *Node) Kill() { n.end(syscall.SIGKILL) }

// Stop asks the node to end, and returns when it has.
func (n *Node) Stop() { n.end(syscall.SIGTERM) }

func (n *Node) end(how syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(how)
	if n.frozen {
		_ = n.cmd.Process.Signal(syscall.SIGCONT)
		n.frozen = false
	}
	_ = n.cmd.Wait() // it was killed, and says so
	n.cmd = nil
}

// Freeze stops the process where it stands, with all that it holds; Thaw lets
// it go on.
func (n *Node) Freeze() { n.freeze(true) }

// Thaw undoes Freeze.
func (n *Node) Thaw() { n.freeze(false) }

func (n *Node) freeze(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil || n.frozen == on {
		return
	}
	n.frozen = on
	how := syscall.SIGCONT
	if on {
		how = syscall.SIGSTOP
	}
	_ = n.cmd.Process.Signal(how)
}

// SetClock puts the clock of a node whose clock stands, now and for when it
// starts again. It returns when the node goes by it.
func (n *Node) SetClock(at time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cfg.At = at.UnixMilli()
	if n.cmd == nil {
		return nil
	}
	if _, err := fmt.Fprintln(n.in, n.cfg.At); err != nil {
		return err
	}
	_, err := n.out.ReadString('\n')
	return err
}

// tail keeps the last of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 16 << 10

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if extra := len(w.text) - tailSize; extra > 0 {
		w.text = append(w.text[:0], w.text[extra:]...)
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}
