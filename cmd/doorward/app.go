package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/postgres"
	"github.com/doorward/doorward/sqlite"
)

// The exit statuses.
const (
	statusDone    = 0
	statusRefused = 1 // refused, failed, or found a fault
	statusUsage   = 2 // used wrongly, or configured wrongly
)

// app is one run of the command: what it was given, and where it writes.
type app struct {
	now func() time.Time
	env []string
	in  io.Reader
	out io.Writer
	err io.Writer

	given map[string][]string // the settings given as flags, by name
	json  bool                // --json
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "doorward",
		Short: "Sign-in, sessions and tokens, and why a request was refused",
		Long: `Doorward signs people in, keeps their sessions, and says why a request was
refused. To try it: doorward dev. To run it: doorward serve.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	group(root)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		a.devCommand(), a.serveCommand(),
		a.userCommand(), a.sessionCommand(), a.keyCommand(), a.apikeyCommand(),
		a.whyCommand(), a.doctorCommand(), a.decodeCommand(),
		a.migrateCommand(), a.backupCommand(), a.versionCommand(),
	)
	return root
}

// usageError is a command that cannot be carried out as it was given.
type usageError struct {
	text string
	hint string
}

func (e *usageError) Error() string { return e.text }

func misused(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), "see: " + cmd.CommandPath() + " --help"}
}

// failure is an error whose text says all; the status is that of a refusal.
// Its hint says what to do.
type failure struct {
	text string
	hint string
}

func (e *failure) Error() string { return e.text }

// errReported ends a command with the status of a fault that was told already.
var errReported = errors.New("reported")

// report tells what went wrong and returns the exit status.
func (a *app) report(err error) int {
	if err == nil {
		return statusDone
	}
	if errors.Is(err, errReported) {
		return statusRefused
	}
	if faults, ok := errors.AsType[config.Faults](err); ok {
		for _, fault := range faults {
			a.complain(fault.Error(), "")
		}
		return statusUsage
	}
	if e, ok := errors.AsType[*usageError](err); ok {
		a.complain(e.text, e.hint)
		return statusUsage
	}
	if e, ok := errors.AsType[*failure](err); ok {
		a.complain(e.text, e.hint)
		return statusRefused
	}
	if r, ok := errors.AsType[*auth.Refusal](err); ok {
		a.complain(refusalText(r))
		return statusRefused
	}
	a.complain(err.Error(), hintFor(err))
	return statusRefused
}

// hintFor says what to do about errors of the machinery that an operator meets.
func hintFor(err error) string {
	older, newer := false, false
	if e, ok := errors.AsType[*sqlite.SchemaError](err); ok {
		older, newer = e.Database < e.Program, e.Database > e.Program
	}
	if e, ok := errors.AsType[*postgres.SchemaError](err); ok {
		older, newer = e.Database < e.Program, e.Database > e.Program
	}
	switch {
	case older:
		return "run doorward migrate, or start the server, which does so too"
	case newer:
		return "use the version of doorward that the server has, or a newer one"
	}
	return ""
}

// complain writes to standard error. There is nobody to tell if that fails.
func (a *app) complain(text, hint string) {
	fmt.Fprintf(a.err, "doorward: %s\n", text)
	if hint != "" {
		fmt.Fprintf(a.err, "  %s\n", hint)
	}
}

// refusalText says what a story refused and what to do about it.
func refusalText(r *auth.Refusal) (text, hint string) {
	text, hint = r.Private.Text, r.Private.Next
	if r.Cause == auth.InputBad {
		text = r.Detail
		if r.Member != "" && !strings.Contains(strings.ToLower(text), r.Member) {
			text = r.Member + ": " + text
		}
	}
	if r.Cause == auth.NothingThere && hint == "" {
		hint = map[string]string{
			"user":    "doorward user list shows the accounts",
			"session": "doorward session list EMAIL shows the sessions of an account",
			"apikey":  "doorward apikey list shows the keys",
		}[r.Private.Check]
	}
	return text, hint
}

// group makes a command that only holds others: alone it shows its help, and a
// name that it does not know is a mistake.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.DisableFlagsInUseLine = true
	cmd.FParseErrWhitelist.UnknownFlags = true // of a command that there is not: its name is the mistake to tell
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			cmd.SetOut(cmd.ErrOrStderr())
			_ = cmd.Help() // writing to standard error has nobody to complain to
			return &usageError{text: "a command is missing"}
		}
		var names []string
		for _, sub := range cmd.Commands() {
			names = append(names, sub.Name())
		}
		if near := config.Nearest(args[0], names); near != "" {
			return misused(cmd, "there is no command %q; did you mean %s?", cmd.Name()+" "+args[0], near)
		}
		return misused(cmd, "there is no command %q", cmd.Name()+" "+args[0])
	}
}

// flagError explains a flag that cannot be taken.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := config.Nearest(e.GetSpecifiedName(), names); near != "" {
			return misused(cmd, "unknown flag --%s; did you mean --%s?", e.GetSpecifiedName(), near)
		}
	}
	return misused(cmd, "%v", err)
}

// exactly takes arguments with these names, all of them.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return misused(cmd, "%s is missing", names[len(args)])
		case len(args) > len(names):
			return misused(cmd, "unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// atMost takes arguments with these names, or fewer.
func atMost(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return misused(cmd, "unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// facts gives a command the flag --json.
func (a *app) facts(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return cmd
}

// tell prints facts: as JSON with --json, else in words.
func (a *app) tell(facts any, words func()) error {
	if !a.json {
		words()
		return nil
	}
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(facts)
}

// say writes a line to standard output, which keeps the error if there is one.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// table prints rows in columns.
func (a *app) table(rows [][]string) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t")) // a Builder takes everything
	}
	_ = w.Flush()
	for line := range strings.Lines(b.String()) {
		a.say("%s", strings.TrimRight(line, " \n"))
	}
}
