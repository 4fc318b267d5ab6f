package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stack is a running server with all that works for it, as its users meet it.
type stack struct {
	side     string
	address  string
	accounts []string // the addresses of those who can sign in
	server   int      // its process; with its children and the next it is all that the stack uses
	database []int    // processes of a database that has its own
	child    *child   // nil for what is no Doorward
	stop     func() error
}

// metered adds to a sample of some work what the stack's processes used for it,
// those of its database too.
func (s *stack) metered(work func() (sample, error)) func() (sample, error) {
	return func() (sample, error) {
		before, beforeBelow, err := s.used()
		if err != nil {
			return sample{}, err
		}
		out, err := work()
		if err != nil {
			return out, err
		}
		after, afterBelow, err := s.used()
		out.cpu, out.database = after-before, afterBelow-beforeBelow
		return out, err
	}
}

// used returns what the stack has used so far, and how much of that its
// database has.
func (s *stack) used() (all, database time.Duration, err error) {
	if database, err = treeCPU(s.database); err != nil {
		return 0, 0, err
	}
	server, err := treeCPU([]int{s.server})
	return server + database, database, err
}

// signIn signs in on each connection, to another account on each.
func (s *stack) signIn(ctx context.Context, conns []*conn) (access, refresh []string, err error) {
	callers := make([]caller, len(conns))
	for i := range callers {
		callers[i] = &arrival{request: loginRequest(s.accounts[i%len(s.accounts)])}
	}
	_, err = closedLoop(ctx, conns, callers, 0)
	for _, c := range callers {
		access, refresh = append(access, c.(*arrival).access), append(refresh, c.(*arrival).refresh)
	}
	return access, refresh, err
}

// arrival signs in once and keeps what it got.
type arrival struct {
	request         []byte
	access, refresh string
}

func (a *arrival) next() []byte {
	request := a.request
	a.request = nil
	return request
}

func (a *arrival) answered(body []byte) error {
	a.access, a.refresh = member(body, "accessToken"), member(body, "refreshToken")
	if a.access == "" || a.refresh == "" {
		return errors.New("the answer to a login holds no tokens")
	}
	return nil
}

// member returns a string of a JSON object that was written without blanks and
// needs no escapes, as tokens do not; empty where there is none.
func member(body []byte, name string) string {
	_, rest, _ := bytes.Cut(body, []byte(`"`+name+`":"`))
	value, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return ""
	}
	return string(value)
}

// doorwardStack starts a server on a database.
func (b *bench) doorwardStack(ctx context.Context, db *database) (*stack, error) {
	c, err := b.startServer(ctx, db)
	if err != nil {
		return nil, err
	}
	return &stack{
		side: db.kind, address: c.address, accounts: db.emails(),
		server: c.cmd.Process.Pid, database: db.processes, child: c, stop: c.stop,
	}, nil
}

// missing says in a sentence what a part of the bench would need and the
// machine does not have. It is no failure.
type missing string

func (m missing) Error() string { return string(m) }

// expressStack starts the stack of bench/express, with its npm packages
// installed where they are not.
func (b *bench) expressStack(ctx context.Context) (*stack, error) {
	dir, err := b.expressDir(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "node", "server.js", strconv.Itoa(b.accounts), accountPassword)
	cmd.Dir = dir
	cmd.Env = []string{"NODE_ENV=production", "PATH=" + os.Getenv("PATH")}
	cmd.Stderr = b.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &stack{side: sideExpress, server: cmd.Process.Pid, stop: func() error {
		return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	}}
	for i := range b.accounts {
		s.accounts = append(s.accounts, accountEmail(i))
	}
	if s.address, err = addressOf(out); err != nil {
		return nil, errors.Join(fmt.Errorf("bench/express: %w", err), s.stop())
	}
	return s, nil
}

// expressDir returns the directory of the Express stack, ready to run.
func (b *bench) expressDir(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", missing("Express was not measured: there is no Node here.")
	}
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/doorward/doorward/bench")
	list.Stderr = b.stderr
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "express")
	switch fresh, err := installed(dir); {
	case err != nil:
		return "", err
	case fresh:
		return dir, nil
	case b.offline:
		return "", missing("Express was not measured: its npm packages are not installed; `make deps` does that.")
	}
	// No scripts: bcrypt brings what it would build.
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir, install.Stdout, install.Stderr = dir, b.stderr, b.stderr
	if err := install.Run(); err != nil {
		return "", missing(fmt.Sprintf("Express was not measured: npm ci in %s failed (%v).", dir, err))
	}
	return dir, nil
}

// installed reports whether the packages are as the lock file has them.
func installed(dir string) (bool, error) {
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return false, err
	}
	done, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && !done.ModTime().Before(lock.ModTime()), err
}

// addressOf reads the line in which a program says where it listens, and lets
// it go on printing.
func addressOf(out io.Reader) (string, error) {
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("it does not say where it listens: %w", err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(line), listening)
	if !ok {
		return "", fmt.Errorf("it says %q", line)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the program
	return address, nil
}

// compareRow measures the same requests on each stack, in turns.
func compareRow(ctx context.Context, b *bench) (figures []figure, err error) {
	var stacks []*stack
	defer func() {
		for _, s := range stacks {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, start := range []func(context.Context) (*stack, error){b.postgresStack, b.sqliteStack, b.expressStack} {
		s, err := start(ctx)
		if m := missing(""); errors.As(err, &m) {
			b.skip(m)
			continue
		} else if err != nil {
			return nil, err
		}
		stacks = append(stacks, s)
	}
	var works []func() (sample, error)
	for _, s := range stacks {
		conns, hangUp, err := dialAll(ctx, s.address, b.crowded)
		if err != nil {
			return nil, err
		}
		defer hangUp()
		access, refresh, err := s.signIn(ctx, conns)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.side, err)
		}
		for _, w := range b.workloads(ctx, s, conns, access, refresh) {
			works = append(works, func() (sample, error) {
				out, err := s.metered(w)()
				if err != nil {
					err = fmt.Errorf("%s: %w", s.side, err)
				}
				return out, err
			})
		}
	}
	turns, err := inTurns(b.rounds, works...)
	if err != nil {
		return nil, err
	}
	if first := stacks[0]; first.child != nil {
		if err := b.profiled(first.child, works[0]); err != nil {
			return nil, err
		}
	}
	each := len(works) / len(stacks)
	for i, s := range stacks {
		for _, f := range b.compared(turns[i*each : (i+1)*each]) {
			f.Side = s.side
			figures = append(figures, f)
		}
	}
	return figures, nil
}

func (b *bench) postgresStack(ctx context.Context) (*stack, error) {
	db, err := b.newPostgresDatabase(ctx, b.accounts)
	if err != nil {
		return nil, err
	}
	return b.doorwardStack(ctx, db)
}

func (b *bench) sqliteStack(ctx context.Context) (*stack, error) {
	db, err := b.newDatabase(ctx, "compare", b.accounts)
	if err != nil {
		return nil, err
	}
	return b.doorwardStack(ctx, db)
}

// workloads are what each stack is asked, in the order in which compared reads
// the samples.
func (b *bench) workloads(ctx context.Context, s *stack, conns []*conn, access, refresh []string) []func() (sample, error) {
	refreshing := refreshers(refresh, len(conns), -1)
	guarded := visitors("/guarded", access)
	entering := entrants(s.accounts, 4)
	closed := func(callers []caller, d time.Duration) func() (sample, error) {
		return func() (sample, error) { return closedLoop(ctx, conns, callers, d) }
	}
	return []func() (sample, error){
		closed(refreshing, b.round/2),
		closed(refreshing[:1], b.round/4),
		func() (sample, error) { return openLoop(ctx, conns, refreshing, b.easyRate, b.round/2) },
		closed(guarded, b.round/2),
		closed(entering, b.round/2),
	}
}

// compared are the figures of one stack. The goals are those of the stack on
// PostgreSQL.
func (b *bench) compared(turns [][]sample) []figure {
	refresh, alone, open, guarded, login := turns[0], turns[1], turns[2], turns[3], turns[4]
	many := fmt.Sprintf("%d clients", b.crowded)
	rate := number(float64(b.easyRate)) + " a second"
	figures := []figure{single("CPU of a refresh, database included", "µs", median(refresh, sample.cpuEach)).atMost(115)}
	if below := median(refresh, sample.databaseEach); below > 0 {
		figures = append(figures, single("of that, the database's own processes", "µs", below))
	}
	figures = append(figures, single("refreshes a second, "+many, "", median(refresh, sample.perSecond)).atLeast(10_000))
	figures = append(figures, latencies("refresh, "+many, "ms", refresh)...)
	figures = append(figures, single("refresh, 1 client: p50", "ms", median(alone, quantile(0.5))/1000).atMost(0.6))
	figures = append(figures, latencies("refresh at "+rate, "ms", open)...)
	figures = append(figures,
		single("CPU of a guarded request", "µs", median(guarded, sample.cpuEach)),
		single("guarded requests a second, "+many, "", median(guarded, sample.perSecond)))
	figures = append(figures, latencies("guarded request", "ms", guarded)...)
	return append(figures,
		single("CPU of a login", "ms", median(login, sample.cpuEach)/1000),
		single("logins a second, 4 clients", "", median(login, sample.perSecond)))
}

// latencies are the quantiles of all rounds together.
func latencies(what, unit string, samples []sample) []figure {
	var all histogram
	for _, s := range samples {
		all.merge(s.took)
	}
	var figures []figure
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}} {
		figures = append(figures, single(what+": "+q.name, unit, micros(all.quantile(q.of))/1000))
	}
	return figures
}
