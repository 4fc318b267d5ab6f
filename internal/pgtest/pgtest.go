// Package pgtest starts PostgreSQL servers for tests, from the binaries that are
// installed. They listen on a port of 127.0.0.1 and keep their data in a
// temporary directory. Whatever becomes of the test process, its servers end
// with it and leave nothing behind.
//
// Most tests need a database and nothing else: [Database]. Those that stop and
// fail over make clusters of their own: [New].
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// User is the superuser of every cluster, and Password is theirs: a test can
// look for it where no password may be.
const (
	User     = "postgres"
	Password = "pgtest-password-5e6f"
)

// ErrNone says that PostgreSQL is not installed.
var ErrNone = errors.New("PostgreSQL is not installed (looked for initdb by pg_config, in /usr/lib/postgresql and in PATH)")

// Installed reports whether there is a PostgreSQL. Where CI is set in the
// environment, and nothing may be skipped, it is an error that there is none.
func Installed() (bool, error) {
	if _, err := binaries(); err == nil {
		return true, nil
	}
	if os.Getenv("CI") != "" {
		return false, ErrNone
	}
	return false, nil
}

// Need skips a test where there is no PostgreSQL, or fails it; see [Installed].
func Need(t testing.TB) {
	t.Helper()
	if there, err := Installed(); err != nil {
		t.Fatal(err)
	} else if !there {
		t.Skip("skipped: ", ErrNone)
	}
}

// OfProcess returns the cluster of this test process, which is started when it is
// first asked for. Nobody may stop it.
var OfProcess = sync.OnceValues(func() (*Cluster, error) { return New() })

// Database makes an empty database in the cluster of this process and returns its
// URL. Without PostgreSQL it skips the test, or fails it.
func Database(t testing.TB) string {
	t.Helper()
	Need(t)
	c, err := OfProcess()
	if err != nil {
		t.Fatal(err)
	}
	u, err := c.CreateDatabase(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Start makes a cluster for one test; see [New].
func Start(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	Need(t)
	c, err := New(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Cluster is one PostgreSQL server with its data. Its methods are for one
// goroutine at a time.
type Cluster struct {
	dir       string // of everything; removed in the end
	port      int
	settings  []string
	process   *exec.Cmd
	ended     chan struct{} // closed when process has ended
	watch     io.Closer     // the end of it is the end of the cluster
	databases atomic.Int64
}

// New makes a cluster and starts it. Settings are those of postgresql.conf:
// "max_connections=20". Unless they say otherwise, it does not wait for the
// disk: what was committed outlives the server's end, and not the machine's.
func New(settings ...string) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c, err := newCluster(settings)
	if err != nil {
		return nil, err
	}
	secret := filepath.Join(c.dir, "password")
	err = os.WriteFile(secret, []byte(Password), 0o644) //nolint:gosec // it is no secret, and another user reads it
	if err == nil {
		err = c.run(bin, "initdb", "--pgdata", c.data(), "--username", User, "--pwfile", secret, "--auth", "scram-sha-256",
			"--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	}
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func newCluster(settings []string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, port: freePort(), settings: settings}
	if c.watch, err = watch(dir); err == nil {
		err = give(dir)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// watch starts a process that outlives this one. When this one ends, however it
// does, or closes what watch returns, it ends the server in dir and removes dir.
func watch(dir string) (io.Closer, error) {
	cmd := exec.CommandContext(context.Background(), "sh", "-c", `cat >/dev/null
		if read -r pid < "$1/data/postmaster.pid"; then
			kill -QUIT "$pid"
			for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 0.1; done
		fi
		rm -rf "$1"`, "sh", dir)
	detach(cmd)
	w, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return watcher{w, cmd}, nil
}

type watcher struct {
	io.Closer
	cmd *exec.Cmd
}

func (w watcher) Close() error {
	_ = w.Closer.Close()
	return w.cmd.Wait()
}

// freePort returns one that nobody listens on, below those that the system
// gives to connections: a cluster that is down must get its own back.
func freePort() int {
	for {
		port := 10_000 + rand.IntN(20_000)
		if l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// Dir is the data directory.
func (c *Cluster) Dir() string { return c.data() }

// Addr is where the cluster listens.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// URL is that of a database, with the password.
func (c *Cluster) URL(database string) string { return URL(database, c) }

// URL is that of a database which is on whichever of these clusters takes
// writes.
func URL(database string, clusters ...*Cluster) string {
	hosts := make([]string, len(clusters))
	for i, c := range clusters {
		hosts[i] = c.Addr()
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, Password), Host: strings.Join(hosts, ","), Path: "/" + database}
	if len(hosts) > 1 {
		u.RawQuery = "target_session_attrs=read-write"
	}
	return u.String()
}

// PID is that of the server's first process, the parent of all others.
func (c *Cluster) PID() int { return c.process.Process.Pid }

const startTime = time.Minute // for a machine that does much else

// Start starts a cluster that is down, and returns once it answers.
func (c *Cluster) Start() error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the server has its own
	args := []string{"-D", c.data(), "-p", strconv.Itoa(c.port), "-k", "", "-c", "listen_addresses=127.0.0.1",
		"-c", "fsync=off", "-c", "max_connections=200", "-c", "max_wal_size=1GB"}
	for _, s := range c.settings {
		args = append(args, "-c", s)
	}
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	demote(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	c.process, c.ended = cmd, ended
	return c.wait(startTime, "start", func(ctx context.Context) error { return c.Exec(ctx, "postgres", "SELECT 1") })
}

// wait tries until it succeeds, the server ends, or time is up.
func (c *Cluster) wait(most time.Duration, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-c.ended:
			return fmt.Errorf("pgtest: PostgreSQL ended when it was to %s:\n%s", what, c.Log())
		case <-ctx.Done():
			return fmt.Errorf("pgtest: PostgreSQL did not %s within %v: %w\n%s", what, most, err, c.Log())
		}
	}
}

func (c *Cluster) logPath() string { return filepath.Join(c.dir, "log") }

// Log returns what the server wrote, the last of it if that is much.
func (c *Cluster) Log() string {
	text, err := os.ReadFile(c.logPath())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-20_000):])
}

// How a server is told to stop.
const (
	Fast      = syscall.SIGINT  // it ends what is under way, and writes everything down
	Immediate = syscall.SIGQUIT // it drops everything, and recovers when it starts again
)

// Stop stops the server, [Fast] or [Immediate], and returns once it is down.
func (c *Cluster) Stop(how os.Signal) error {
	if err := c.process.Process.Signal(how); err != nil {
		return err
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(startTime):
		return fmt.Errorf("pgtest: PostgreSQL did not stop within %v:\n%s", startTime, c.Log())
	}
}

// Kill ends all processes of the server at once, as kill -9 does.
func (c *Cluster) Kill() error {
	if err := killAll(c.PID()); err != nil {
		return err
	}
	<-c.ended
	// So that nobody takes another process of that number for it.
	return os.Remove(filepath.Join(c.data(), "postmaster.pid"))
}

// Close stops the server and removes its data.
func (c *Cluster) Close() {
	if c.watch != nil {
		_ = c.watch.Close()
	}
	if c.ended != nil {
		<-c.ended
	}
	_ = os.RemoveAll(c.dir) // the watch may not have begun
}

// Exec runs statements in a database.
func (c *Cluster) Exec(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, c.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// CreateDatabase makes an empty database and returns its URL.
func (c *Cluster) CreateDatabase(ctx context.Context) (string, error) {
	name := "test" + strconv.FormatInt(c.databases.Add(1), 10)
	return c.URL(name), c.Exec(ctx, "postgres", "CREATE DATABASE "+name)
}

// Standby makes a standby of the cluster and starts it. From when it returns,
// no commit of the cluster is answered before the standby has it on its disk.
// The test closes it.
func (c *Cluster) Standby() (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s, err := newCluster(c.settings)
	if err != nil {
		return nil, err
	}
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s", c.port, User, Password)
	err = s.run(bin, "pg_basebackup", "--pgdata", s.data(), "--dbname", from, "--write-recovery-conf", "--wal-method", "stream",
		"--checkpoint", "fast", "--no-sync")
	if err == nil {
		err = s.Start()
	}
	if err == nil {
		err = c.waitForStandby()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (c *Cluster) waitForStandby() error {
	ctx := context.Background()
	if err := c.Exec(ctx, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'"); err != nil {
		return err
	}
	if err := c.Exec(ctx, "postgres", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	// Division by zero while there is none.
	return c.wait(startTime, "have a synchronous standby", func(ctx context.Context) error {
		return c.Exec(ctx, "postgres", "SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
	})
}

// Promote makes a primary of a standby, and returns once it takes writes. It
// waits for no standby of its own.
func (c *Cluster) Promote() error {
	ctx := context.Background()
	if err := c.Exec(ctx, "postgres", "SELECT pg_promote(true, 60)"); err != nil {
		return err
	}
	return c.wait(startTime, "take writes", func(ctx context.Context) error {
		return c.Exec(ctx, "postgres", "SELECT 1 / (NOT pg_is_in_recovery())::int")
	})
}

// run runs a program of PostgreSQL's to its end.
func (c *Cluster) run(bin, name string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), filepath.Join(bin, name), args...)
	cmd.Dir = c.dir
	demote(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: %s: %w\n%s", name, err, out)
	}
	return nil
}

// binaries returns the directory of PostgreSQL's programs, the newest version
// where there are several.
var binaries = sync.OnceValues(func() (string, error) {
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(debian, func(a, b string) int { return version(b) - version(a) })
	dirs = append(dirs, debian...)
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", ErrNone
})
