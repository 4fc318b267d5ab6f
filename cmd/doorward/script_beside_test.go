package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

type besideKey struct{}

// beside is a command that runs on while a script goes on.
type beside struct {
	cmd *exec.Cmd
	out logBuffer
}

// startBeside runs doorward ARGS beside the script.
func startBeside(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: follow ARGS…")
	}
	runBeside(ts, "doorward", args)
}

func runBeside(ts *testscript.TestScript, name string, args []string) {
	b := ts.Value(besideKey{}).(*beside)
	if b.cmd != nil {
		ts.Fatalf("one command at a time runs beside a script")
	}
	b.cmd = exec.Command(filepath.Join(filepath.Dir(binary(ts)), name), args...)
	b.cmd.Dir, b.cmd.Env = ts.MkAbs("."), environ(ts)
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.out
	ts.Check(b.cmd.Start())
	ts.Defer(func() {
		if b.cmd != nil {
			_ = b.cmd.Process.Kill()
			_ = b.cmd.Wait()
		}
	})
}

// seen waits until what runs beside the script has printed what RE matches.
func seen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: seen RE")
	}
	b, re := ts.Value(besideKey{}).(*beside), regexp.MustCompile("(?m)"+args[0])
	for deadline := time.Now().Add(patience); !re.MatchString(b.out.String()); {
		if time.Now().After(deadline) {
			ts.Fatalf("%s was not printed:\n%s", args[0], &b.out)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// interrupt ends what runs beside the script by SIGINT, which must be a clean
// end, and prints all that it has printed.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.Value(besideKey{}).(*beside)
	if neg || len(args) != 0 || b.cmd == nil {
		ts.Fatalf("usage: interrupt, of what follow began")
	}
	ts.Check(b.cmd.Process.Signal(syscall.SIGINT))
	err := b.cmd.Wait()
	b.cmd = nil
	fmt.Fprint(ts.Stdout(), &b.out)
	if err != nil {
		ts.Fatalf("it ended with %v:\n%s", err, &b.out)
	}
	b.out.Reset()
}
