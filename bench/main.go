// Command bench measures what docs/performance.md says, each figure beside its
// floor: the least that the same work costs on the same machine, measured in
// turns with it, so that both meet the same weather.
//
//	go run ./bench
//	go run ./bench -rows guard,refresh -seconds 30
//	go run ./bench -into docs/performance.md
//
// One row compares whole stacks instead: this server on each store, and the
// usual guide's own, in bench/express. Whatever is under test runs in processes
// of its own; the server is this program with another first argument. The load
// comes from the one you started. The exit status is 1 if anything was answered
// wrongly, whatever the figures are.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int {
	if len(args) > 0 {
		if role, ok := roles[args[0]]; ok {
			return role(stdin, stdout, stderr)
		}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("rows", "", "the rows to measure, with commas between: "+strings.Join(rowNames(), ",")+" (default all)")
	seconds := flags.Float64("seconds", 12, "about how long each of the timed rows takes")
	asJSON := flags.Bool("json", false, "print JSON")
	into := flags.String("into", "", "put the tables into a document, as docs/performance.md, in place of those there")
	profiles := flags.String("profiles", "", "a directory to leave CPU profiles of the server in, one for each of the timed rows")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen, err := chooseRows(*names)
	if err != nil || flags.NArg() > 0 || *seconds <= 0 {
		fmt.Fprintln(stderr, "bench:", firstOf(err, "used wrongly; see -help"))
		return 2
	}
	report, err := measure(ctx, chosen, bench{scale: scaleFor(*seconds), profiles: *profiles, stderr: stderr})
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	switch {
	case *asJSON:
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	case *into != "" && len(report.Failed) == 0:
		err = replaceRun(*into, report.String())
	default:
		_, err = io.WriteString(stdout, report.String())
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	if err != nil || len(report.Failed) > 0 {
		return 1
	}
	return 0
}

// In a document, a run stands between these two lines.
const (
	runBegins = "<!-- written by go run ./bench -into, from here -->\n"
	runEnds   = "<!-- to here -->\n"
)

// replaceRun puts a run in the place of the one that a document shows.
func replaceRun(document, run string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), runBegins)
	_, after, ends := strings.Cut(rest, runEnds)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for a run: a line %q and a line %q", document, runBegins, runEnds)
	}
	return os.WriteFile(document, []byte(before+runBegins+run+runEnds+after), 0o644)
}

func firstOf(err error, otherwise string) string {
	if err != nil {
		return err.Error()
	}
	return otherwise
}

func rowNames() []string {
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	return names
}

func chooseRows(names string) ([]row, error) {
	if names == "" {
		return rows, nil
	}
	var chosen []row
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}

// measure takes the rows one after the other. One that fails leaves its reason
// in the report and the others are still measured.
func measure(ctx context.Context, chosen []row, b bench) (report, error) {
	var err error
	if b.dir, err = os.MkdirTemp("", "doorward-bench-"); err != nil {
		return report{}, err
	}
	defer os.RemoveAll(b.dir) //nolint:errcheck // a temporary directory that stays behind is no wrong answer
	defer func() {
		if b.cluster != nil {
			b.cluster.Close()
		}
	}()
	out := report{Machine: describeMachine(b.dir)}
	others := watchOthers()
	for _, r := range chosen {
		begun := time.Now()
		figures, err := r.measure(ctx, b.forRow(r.name))
		if ctx.Err() != nil {
			return report{}, context.Cause(ctx)
		}
		if err != nil {
			out.Failed = append(out.Failed, failure{Row: r.name, Error: err.Error()})
		}
		for _, f := range figures {
			f.Row = r.name
			out.Figures = append(out.Figures, f)
		}
		fmt.Fprintf(b.stderr, "%-12s %s in %.1f s\n", r.name, outcome(err), time.Since(begun).Seconds())
	}
	out.Machine.Others = others()
	out.Skipped = b.skipped
	return out, nil
}

func outcome(err error) string {
	if err != nil {
		return "failed"
	}
	return "measured"
}
