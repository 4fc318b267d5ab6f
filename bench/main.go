// Command bench measures what docs/performance.md says, each figure beside its
// floor: the least that the same work costs on the same machine, measured in
// turns with it, so that both meet the same weather.
//
//	go run ./bench
//	go run ./bench -rows guard,refresh -seconds 30
//
// The server under test runs in a process of its own, which is this program
// with another first argument; the load comes from the one you started. The
// exit status is 1 if anything was answered wrongly, whatever the figures are.
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
	profiles := flags.String("profiles", "", "a directory to leave CPU profiles of the server in, one for each of the timed rows")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	chosen, err := chooseRows(*names)
	if err != nil || flags.NArg() > 0 || *seconds <= 0 {
		fmt.Fprintln(stderr, "bench:", firstOf(err, "used wrongly; see -help"))
		return 2
	}
	report, err := measure(ctx, chosen, scaleFor(*seconds), *profiles, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.write(stdout)
	}
	if err != nil || len(report.Failed) > 0 {
		return 1
	}
	return 0
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
func measure(ctx context.Context, chosen []row, s scale, profiles string, progress io.Writer) (report, error) {
	dir, err := os.MkdirTemp("", "doorward-bench-")
	if err != nil {
		return report{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory that stays behind is no wrong answer
	b := &bench{scale: s, dir: dir, profiles: profiles, stderr: progress}
	out := report{Machine: describeMachine(dir)}
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
		fmt.Fprintf(progress, "%-12s %s in %.1f s\n", r.name, outcome(err), time.Since(begun).Seconds())
	}
	out.Machine.Others = others()
	return out, nil
}

func outcome(err error) string {
	if err != nil {
		return "failed"
	}
	return "measured"
}
