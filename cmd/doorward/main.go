// Command doorward is the Doorward server and its tools: it serves, looks after
// people, sessions and keys, and tells why a request was refused.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole command; it returns the exit status.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return runAt(ctx, time.Now, args, env, stdin, stdout, stderr)
}

// runAt is run by another clock.
func runAt(ctx context.Context, now func() time.Time, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{w: stdout}
	a := &app{now: now, env: env, in: stdin, out: out, err: stderr, given: make(map[string][]string)}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.err
	}
	return a.report(err)
}

// output is standard output. A command that could not say what it was asked for
// has failed, so the first error is kept; nobody else needs to look.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		err = fmt.Errorf("standard output: %w", err)
	}
	if o.err == nil {
		o.err = err
	}
	return n, err
}
