package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"doorward": func() {
			os.Exit(runAt(context.Background(), shiftedClock(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		},
		"resource-server": guarded,
	})
}

// shiftedClock is the real clock, or the one that CLOCK sets apart from it.
func shiftedClock() func() time.Time {
	shift, err := time.ParseDuration(os.Getenv("CLOCK"))
	if err != nil {
		return time.Now
	}
	return func() time.Time { return time.Now().Add(shift) }
}

// Scripts run the command on real stores, with the commands of testscript and:
//
//	database         make an empty PostgreSQL database: $DOORWARD_STORE is its URL
//	start ARGS…      run doorward ARGS until it says where it listens: $URL,
//	                 $ADDR and, where there are metrics, $METRICS
//	end              end it by SIGTERM; it must drain and exit 0
//	crash            end it by SIGKILL
//	begin PATH       begin a POST to the server without finishing it
//	signal           send SIGTERM and wait until no new connection is taken
//	finish           finish what begin began, and print the answer
//	end -by SIGNAL   signal once more, which must end it at once
//	http [-until N] METHOD URL [NAME:VALUE…] [BODY]
//	                 print the answer to a request; -until asks again until the
//	                 status is N, where 0 is no answer
//	login EMAIL [PASSWORD]
//	                 sign in: $ACCESS, $REFRESH, $SID
//	refresh          refresh with $REFRESH: $ACCESS and $REFRESH are new
//	capture NAME RE  keep what the group in RE matches of the last output
//	status N ARGS…   doorward ARGS must exit with status N
//	eventually ARGS… doorward ARGS is run until it exits 0
//	follow ARGS…     run doorward ARGS beside the script
//	guarded ARGS…    run a program with a guard beside the script: $GUARDED
//	seen RE          wait until that has printed what RE matches
//	interrupt        end it by SIGINT; it must exit 0, and its output is printed
//
// The file password holds the password that login gives.
// CLOCK sets the clock of whatever is run apart from the real one: CLOCK=20m.
func TestScripts(t *testing.T) {
	scriptsGoOn(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name != "postgres" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return pgtest.Installed()
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("PASSWORD", devPassword)
			env.Values[processKey{}] = &process{}
			env.Values[besideKey{}] = &beside{}
			return os.WriteFile(filepath.Join(env.WorkDir, "password"), []byte(devPassword+"\n"), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"database": makeDatabase, "start": start, "end": end, "crash": crash, "begin": begin, "signal": signalOnce, "finish": finish,
			"http": exchange, "login": login, "refresh": refresh,
			"capture": capture, "status": status, "eventually": eventually,
			"follow": startBeside, "guarded": startGuarded, "seen": seen, "interrupt": interrupt,
		},
	})
}

// scriptsGoOn: "stop" is a command of testscript's own. It ends the script there,
// and nothing that comes after it is looked at.
func scriptsGoOn(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^\s*stop\b`).Match(text) {
			t.Errorf("%s: write end, which ends the server, for stop, which ends the script", name)
		}
	}
}

// TestEveryDenialHasAScript: the story of every code that this server can
// refuse with is told in a script, named after it.
func TestEveryDenialHasAScript(t *testing.T) {
	unreachable := map[doorward.Code]string{
		doorward.MFARequired:    "there is no second factor yet",
		doorward.StepUpRequired: "no route of the server asks for a step up; a guard does, in why-guard",
	}
	for _, info := range doorward.Codes() {
		if info.Class != doorward.ClassDenial {
			continue
		}
		script, err := os.ReadFile("testdata/script/why-" + string(info.Code) + ".txtar")
		switch reason, excused := unreachable[info.Code]; {
		case excused && err == nil:
			t.Errorf("%s has a script now; it is excused because %s", info.Code, reason)
		case !excused && err != nil:
			t.Errorf("%s: %v", info.Code, err)
		case !excused && !regexp.MustCompile(`(?m)^stdout '.*`+string(info.Code)).Match(script):
			t.Errorf("%s: the script never looks for the code", info.Code)
		}
	}
}

const patience = 10 * time.Second

type processKey struct{}

// process is the server of a script.
type process struct {
	cmd   *exec.Cmd
	log   logBuffer
	done  chan struct{}
	begun net.Conn // a request that is not finished
	told  bool     // to end, by a signal
}

// logBuffer is written while it is read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

var metricsLine = regexp.MustCompile(`"msg":"metrics","address":"([^"]+)"`)

// metrics returns where metrics are, once the log has said so.
func (l *logBuffer) metrics(ts *testscript.TestScript) string {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if m := metricsLine.FindStringSubmatch(l.String()); m != nil {
			return m[1]
		}
	}
	ts.Fatalf("the log names no address of metrics:\n%s", l)
	return ""
}

func makeDatabase(ts *testscript.TestScript, _ bool, _ []string) {
	c, err := pgtest.OfProcess()
	ts.Check(err)
	url, err := c.CreateDatabase(context.Background())
	ts.Check(err)
	ts.Setenv("DOORWARD_STORE", url)
	ts.Setenv("DATABASE_PASSWORD", pgtest.Password)
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	if neg || p.cmd != nil {
		ts.Fatalf("usage: start ARGS…, one at a time")
	}
	p.cmd = exec.Command(binary(ts), args...)
	p.cmd.Dir, p.cmd.Env = ts.MkAbs("."), environ(ts)
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	p.done = make(chan struct{})
	ts.Defer(func() { p.kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(ts.Stdout(), lines.Text())
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			ts.Setenv("URL", url)
			ts.Setenv("ADDR", strings.TrimPrefix(url, "http://"))
			if slices.Contains(args, "--metrics-listen") {
				ts.Setenv("METRICS", "http://"+p.log.metrics(ts))
			}
			go func() {
				_, _ = io.Copy(io.Discard, out)
				close(p.done)
			}()
			return
		}
	}
	_ = p.cmd.Wait()
	ts.Fatalf("it never listened:\n%s", &p.log)
}

func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.done
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

func end(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	if neg || p.cmd == nil {
		ts.Fatalf("nothing runs")
	}
	if !p.told {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	p.told = false
	for again := len(args) > 0; again; { // the first may be on its way still
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			again = false
		case <-time.After(100 * time.Millisecond):
		}
	}
	<-p.done
	err := p.cmd.Wait()
	p.cmd = nil
	how := "exit status 0"
	if err != nil {
		how = err.Error()
	}
	want := "exit status 0"
	if len(args) == 2 && args[0] == "-by" {
		want = "signal: " + args[1]
	}
	if how != want {
		ts.Fatalf("it ended with %s, want %s:\n%s", how, want, &p.log)
	}
	p.lookForSecrets(ts)
	fmt.Fprint(ts.Stderr(), &p.log)
	p.log.Reset()
}

// lookForSecrets: nothing that a script holds as a secret is in the log.
func (p *process) lookForSecrets(ts *testscript.TestScript) {
	for _, name := range []string{"ACCESS", "REFRESH", "PASSWORD", "DATABASE_PASSWORD"} {
		if secret := ts.Getenv(name); secret != "" && strings.Contains(p.log.String(), secret) {
			ts.Fatalf("$%s is in the log:\n%s", name, &p.log)
		}
	}
}

// begin sends all of a request but the end of its body.
func begin(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value(processKey{}).(*process)
	conn, err := net.Dial("tcp", ts.Getenv("ADDR"))
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	// The server asks for the body once the handler reads it: from then on the
	// request is under way.
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", args[0])
	ts.Check(err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	ts.Check(err)
	if !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		ts.Fatalf("it did not ask for the body: %s", line)
	}
	p.begun = conn
}

func signalOnce(ts *testscript.TestScript, _ bool, _ []string) {
	p := ts.Value(processKey{}).(*process)
	p.told = true
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", ts.Getenv("ADDR"))
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			ts.Fatalf("it still takes connections")
		}
	}
}

func finish(ts *testscript.TestScript, _ bool, _ []string) {
	conn := ts.Value(processKey{}).(*process).begun
	_, err := conn.Write([]byte("{}"))
	ts.Check(err)
	answer, err := io.ReadAll(conn)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n", bytes.ReplaceAll(answer, []byte("\r\n"), []byte("\n")))
}

func crash(ts *testscript.TestScript, _ bool, _ []string) { ts.Value(processKey{}).(*process).kill() }

// binary is where testscript has put the command.
func binary(ts *testscript.TestScript) string {
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if path := filepath.Join(dir, "doorward"); isFile(path) {
			return path
		}
	}
	ts.Fatalf("doorward is not in the path")
	return ""
}

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// environ is what a script has set for the command.
func environ(ts *testscript.TestScript) []string {
	names := []string{"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "CLOCK", "GOCOVERDIR", "API_KEY", config.FileEnv}
	for _, s := range config.Settings() {
		names = append(names, s.Env())
	}
	var all []string
	for _, name := range names {
		if v := ts.Getenv(name); v != "" {
			all = append(all, name+"="+v)
		}
	}
	return all
}

func exchange(ts *testscript.TestScript, neg bool, args []string) {
	until := -1
	if len(args) > 1 && args[0] == "-until" {
		var err error
		until, err = strconv.Atoi(args[1])
		ts.Check(err)
		args = args[2:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: http [-until N] METHOD URL [NAME:VALUE…] [BODY]")
	}
	for deadline := time.Now().Add(patience); ; {
		code, text := ask(ts, args[0], args[1], args[2:])
		if code == 0 && until < 0 {
			ts.Fatalf("%s", text)
		}
		if until < 0 || code == until {
			fmt.Fprint(ts.Stdout(), text)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still not %d:\n%s", until, text)
		}
	}
}

// ask sends one request and writes the answer down, its fields in order. Where
// none comes, the status is 0 and the text says why.
func ask(ts *testscript.TestScript, method, url string, rest []string) (int, string) {
	var body, kind string
	fields := http.Header{}
	for _, arg := range rest {
		if strings.HasPrefix(arg, "{") {
			body, kind = arg, "application/json"
			continue
		}
		name, value, ok := strings.Cut(arg, ":")
		if strings.Contains(name, "=") {
			body, kind = arg, "application/x-www-form-urlencoded"
			continue
		}
		if !ok {
			ts.Fatalf("%q is neither a field nor JSON nor a form", arg)
		}
		fields.Set(name, value)
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	ts.Check(err)
	req.Header = fields
	if body != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := (&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP %s\n", resp.Status)
	ts.Check(resp.Header.Write(&b))
	fmt.Fprintf(&b, "\n%s\n", answer)
	return resp.StatusCode, strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func login(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: login EMAIL [PASSWORD]")
	}
	password := devPassword
	if len(args) > 1 {
		password = args[1]
	}
	code, text := ask(ts, http.MethodPost, ts.Getenv("URL")+"/auth/login", []string{fmt.Sprintf(`{"email":%q,"password":%q}`, args[0], password)})
	keepTokens(ts, code, text)
}

func refresh(ts *testscript.TestScript, _ bool, _ []string) {
	code, text := ask(ts, http.MethodPost, ts.Getenv("URL")+"/auth/refresh", []string{fmt.Sprintf(`{"refreshToken":%q}`, ts.Getenv("REFRESH"))})
	keepTokens(ts, code, text)
}

func keepTokens(ts *testscript.TestScript, code int, text string) {
	if code != http.StatusOK {
		ts.Fatalf("%s", text)
	}
	ts.Setenv("ACCESS", group1(ts, `"accessToken":"([^"]+)"`, text))
	ts.Setenv("REFRESH", group1(ts, `"refreshToken":"([^"]+)"`, text))
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME RE")
	}
	ts.Setenv(args[0], group1(ts, args[1], ts.ReadFile("stdout")))
}

func group1(ts *testscript.TestScript, pattern, text string) string {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if len(m) < 2 {
		ts.Fatalf("%s matches nothing in:\n%s", pattern, text)
	}
	return m[1]
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if neg {
		ts.Fatalf("usage: status N ARGS…")
	}
	var exit *exec.ExitError
	err = ts.Exec("doorward", args[1:]...)
	if got := 0; errors.As(err, &exit) || err == nil {
		if exit != nil {
			got = exit.ExitCode()
		}
		if got != want {
			ts.Fatalf("the status is %d, want %d", got, want)
		}
		return
	}
	ts.Fatalf("%v", err)
}

func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: eventually ARGS…")
	}
	for deadline := time.Now().Add(patience); ; {
		err := ts.Exec("doorward", args...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still %v", err)
		}
	}
}
