package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/doorward/doorward/internal/secret"
)

// listening begins the line that doorward serve prints when it listens.
const listening = "listening on http://"

// actBare is the least program that serves HTTP, for how fast one can start. It
// is linked into the bench, so what the bench's packages do at the start is in
// its time too.
func actBare(_ io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s%s\n", listening, l.Addr())
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// startRow measures the real command, from its start on a store that exists to
// its first answer, against a program that has nothing to open.
func startRow(ctx context.Context, b *bench) ([]figure, error) {
	command := filepath.Join(b.dir, "doorward")
	build := exec.CommandContext(ctx, "go", "build", "-o", command, "github.com/doorward/doorward/cmd/doorward")
	build.Stderr = b.stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("go build ./cmd/doorward: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	db, err := b.newDatabase(ctx, "start", b.accounts)
	if err != nil {
		return nil, err
	}
	if _, err := db.addSessions(ctx, db.newSessions(1000)); err != nil {
		return nil, err
	}
	if err := writeKey(db.path+".key", db.master); err != nil {
		return nil, err
	}
	serve := []string{"serve", "--store", "sqlite:" + db.path, "--listen", "127.0.0.1:0", "--issuer", issuer, "--log-level", "warn"}
	turns, err := inTurns(b.starts,
		func() (sample, error) { return b.startUp(ctx, command, serve...) },
		func() (sample, error) { return b.startUp(ctx, self, bareRole) })
	if err != nil {
		return nil, err
	}
	return []figure{
		beside("from exec to the first answer", "ms", millis(each(turns[0], sample.wallEach)), millis(each(turns[1], sample.wallEach))).atMost(25),
	}, nil
}

func writeKey(path string, key secret.MasterKey) error {
	return os.WriteFile(path, []byte(key.Reveal()+"\n"), 0o600)
}

// startUp starts a program that says where it listens, waits for its first
// answer, and ends it.
func (b *bench) startUp(ctx context.Context, program string, args ...string) (s sample, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{} // settings of the person who runs this are none of its
	cmd.Stderr = b.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	}()
	address, err := addressOf(out)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	c, err := dial(ctx, address)
	if err != nil {
		return sample{}, err
	}
	defer c.Close() //nolint:errcheck // it was answered
	if _, err := c.exchange(get("/healthz", "")); err != nil {
		return sample{}, err
	}
	return sample{n: 1, wall: time.Since(begun)}, nil
}
