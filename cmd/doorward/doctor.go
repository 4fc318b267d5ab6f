package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/doctor"
	"github.com/doorward/doorward/internal/probe"
	"github.com/doorward/doorward/internal/why"
)

// asked is what doctor was asked, as flags.
type asked struct {
	headers, data, cookies       []string
	method, user, bearer, har    string
	agent, report                string
	insecure, send, follow, dead bool
	netrc                        bool
}

func (a *app) doctorCommand() *cobra.Command {
	var q asked
	cmd := &cobra.Command{
		Use:   "doctor {URL | TOKEN | -- curl ARGS… | --har FILE | -}",
		Short: "Say why a request is answered 401, against any server, and what to change",
		Long: `Say why a request is refused, prove it, and say what to change. The request is
given as curl takes it, as a curl command (copied from DevTools, bash or cmd; as
words behind --, as one argument, or on standard input), or in a HAR. A token
alone is judged by itself and by its issuer's keys.

It sends few requests, and the credential to the origin of the URL alone. A
method that may change something is sent only with --send, once; otherwise GET
goes in its place. A HAR is read, and nobody is asked. No credential is printed.

The status is 0 where the request is let through, and 1 otherwise.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.doctor(cmd, &q, args) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&q.headers, "header", "H", nil, "send the header `LINE`, as curl does; may be repeated")
	f.StringVarP(&q.method, "request", "X", "", "the `METHOD`")
	f.StringArrayVarP(&q.data, "data", "d", nil, "the `BODY`; makes it a POST")
	f.StringArrayVarP(&q.cookies, "cookie", "b", nil, "send `NAME=VALUE` as a cookie")
	f.StringVarP(&q.user, "user", "u", "", "Basic, with `USER:PASSWORD`")
	f.StringVar(&q.bearer, "oauth2-bearer", "", "Bearer, with `TOKEN`")
	f.StringVarP(&q.agent, "user-agent", "A", "", "send `NAME` as the User-Agent")
	f.BoolVarP(&q.insecure, "insecure", "k", false, "take any certificate")
	f.BoolVarP(&q.follow, "location", "L", false, "as in curl; redirects are always looked at")
	f.BoolVarP(&q.netrc, "netrc", "n", false, "as in curl: the client reads .netrc")
	f.BoolVar(&q.send, "send", false, "send a method that may change something, once, with its body")
	f.BoolVar(&q.dead, "offline", false, "ask nobody: judge what is given")
	f.StringVar(&q.har, "har", "", "explain every refusal in the recording `FILE`")
	f.StringVar(&q.report, "report", "", "write one HTML page to `FILE`, without credentials")
	return a.facts(a.settings(cmd, "store"))
}

func (a *app) doctor(cmd *cobra.Command, q *asked, args []string) error {
	if q.har != "" {
		return a.doctorHAR(cmd, q, args)
	}
	r, err := a.request(cmd, q, args)
	if err != nil {
		return err
	}
	r.Send, r.Insecure = q.send, r.Insecure || q.insecure
	e := &doctor.Evidence{Now: a.now(), Request: *r, NetrcHost: a.netrcHas(r.URL)}
	e.Notes = append(e.Notes, r.Unsupported...)
	if !q.dead {
		p := &probe.Prober{Now: a.now}
		p.Gather(cmd.Context(), e)
	}
	if err := a.joinPrivate(cmd, e); err != nil {
		return err
	}
	d := doctor.Diagnose(e)
	if err := a.tellDiagnoses(q, d, nil, false); err != nil {
		return err
	}
	if d.Cause != doctor.None {
		return errReported
	}
	return nil
}

// joinPrivate adds a Doorward's own record of the refusal, where the answer
// has its id and the store is named.
func (a *app) joinPrivate(cmd *cobra.Command, e *doctor.Evidence) error {
	if !cmd.Flags().Changed("store") || len(e.Hops) == 0 {
		return nil
	}
	id := e.Hops[len(e.Hops)-1].Answer.Get("Doorward-Denial")
	if !doorward.ValidDenialID(id) {
		return nil
	}
	return a.operate(cmd, func(ctx context.Context, o operator) error {
		facts, err := auth.Why(ctx, o.store, id)
		if errors.Is(err, auth.ErrNotFound) || err == nil && facts.Record == nil {
			e.Notes = append(e.Notes, "the store knows nothing of "+id)
			return nil
		}
		if err != nil {
			return err
		}
		p := facts.Record.Private
		e.Private = &doctor.Narrated{Check: p.Check, Text: p.Text, Next: p.Next}
		if s := facts.Session; s != nil && !s.EndedAt.IsZero() {
			e.Notes = append(e.Notes, "its session "+why.Ending(s.EndReason, s.EndedBy)+" "+why.Stamp(s.EndedAt))
		}
		return nil
	})
}

func (a *app) doctorHAR(cmd *cobra.Command, q *asked, args []string) error {
	if len(args) > 0 {
		return misused(cmd, "a recording stands alone: unexpected argument %q", doctor.Masker(nil)(args[0]))
	}
	var data []byte
	var err error
	if q.har == "-" {
		data, err = io.ReadAll(io.LimitReader(a.in, doctor.MaxHAR))
	} else {
		data, err = readAtMost(q.har, doctor.MaxHAR)
	}
	if err != nil {
		return &usageError{text: err.Error()}
	}
	findings, err := doctor.ReadHAR(data)
	if err != nil {
		return &usageError{q.har + ": " + err.Error(), "in DevTools, the network panel exports a HAR"}
	}
	if err := a.tellDiagnoses(q, doctor.Diagnosis{}, findings, true); err != nil {
		return err
	}
	if len(findings) > 0 {
		return errReported
	}
	return nil
}

func readAtMost(name string, n int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, n))
}

// request makes out what was given: words of curl, one text, a URL or a token.
func (a *app) request(cmd *cobra.Command, q *asked, args []string) (*doctor.Request, error) {
	if len(args) == 0 || len(args) == 1 && args[0] == "-" {
		if terminal(a.in) {
			fmt.Fprintln(a.err, "Paste a curl command, a URL or a token, and end with a new line and Ctrl-D:")
		}
		data, err := io.ReadAll(io.LimitReader(a.in, 4<<20))
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(strings.TrimSpace(string(data)), "{") && strings.Contains(string(data), `"entries"`) {
			return nil, &usageError{"this is a HAR", "give it with --har FILE, or --har -"}
		}
		args = []string{string(data)}
	}
	if len(args) == 1 {
		return a.oneText(cmd, q, args[0])
	}
	r, err := doctor.ReadCurl(args)
	if doctor.IsCurl(args[0]) {
		if err != nil {
			return nil, misused(cmd, "%v", err)
		}
		return r, nil
	}
	return nil, misused(cmd, "give one URL, or a curl command behind --")
}

func (a *app) oneText(cmd *cobra.Command, q *asked, given string) (*doctor.Request, error) {
	text := strings.TrimSpace(strings.TrimPrefix(given, "\uFEFF"))
	switch {
	case text == "":
		return nil, misused(cmd, "give a URL, a token or a curl command")
	case doctor.IsCurl(text):
		words, err := doctor.Words(text)
		if err == nil {
			var r *doctor.Request
			if r, err = doctor.ReadCurl(words); err == nil {
				return r, nil
			}
		}
		return nil, misused(cmd, "%v", err)
	}
	if _, err := doctor.Words(text); err != nil && strings.ContainsAny(text, " \n") && !strings.HasPrefix(text, "eyJ") {
		return nil, misused(cmd, "%v", err)
	}
	if isURL(text) {
		lines := q.headers
		if q.agent != "" {
			lines = append(lines, "User-Agent: "+q.agent)
		}
		for _, c := range q.cookies {
			lines = append(lines, "Cookie: "+c)
		}
		if q.bearer != "" {
			lines = append(lines, "Authorization: Bearer "+q.bearer)
		}
		r, err := doctor.NewRequest(q.method, text, lines, strings.Join(q.data, "&"))
		if err != nil {
			return nil, misused(cmd, "%v", err)
		}
		r.Follow, r.Netrc = q.follow, q.netrc
		if q.user != "" {
			r.User, r.HasUser = q.user, true
		}
		return r, nil
	}
	return doctor.TokenAlone(given), nil
}

func isURL(s string) bool {
	if strings.ContainsAny(s, " \t\n") {
		return false
	}
	u, err := url.Parse(s)
	if err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "ws" || u.Scheme == "wss") {
		return true
	}
	host, _, _ := strings.Cut(s, "/")
	return !strings.HasPrefix(s, "eyJ") && (strings.HasPrefix(host, "localhost") || strings.Contains(s, "/") && strings.Contains(host, "."))
}

// netrcHas reports whether the user's .netrc has an entry for the host.
func (a *app) netrcHas(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return false
	}
	name := a.getenv("NETRC")
	if name == "" {
		name = filepath.Join(a.getenv("HOME"), ".netrc")
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	words := bufio.NewScanner(io.LimitReader(f, 1<<20))
	words.Split(bufio.ScanWords)
	for machine := false; words.Scan(); {
		if machine && strings.EqualFold(words.Text(), u.Hostname()) || words.Text() == "default" {
			return true
		}
		machine = words.Text() == "machine"
	}
	return false
}

func (a *app) getenv(name string) string {
	for _, kv := range a.env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

func (a *app) tellDiagnoses(q *asked, d doctor.Diagnosis, findings []doctor.Finding, recorded bool) error {
	if q.report != "" {
		page, err := doctorReport(a.now(), d, findings, recorded)
		if err != nil {
			return err
		}
		if err := os.WriteFile(q.report, page, 0o600); err != nil {
			return errors.Join(errors.New("the report was not written"), err)
		}
	}
	if recorded {
		return a.tell(map[string]any{"findings": findings}, func() { a.showFindings(findings) })
	}
	return a.tell(d, func() { a.showDiagnosis(d) })
}
