package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/doorward/doorward/guard"
)

// guarded is a program of somebody else's, with a guard that follows a server
// and reports to it. CLOCK sets its clock apart.
func guarded() {
	issuer := flag.String("issuer", "", "whose tokens are taken")
	keys := flag.String("keys", "", "where the keys are said to be")
	audience := flag.String("audience", "", "what tokens must be meant for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serveGuarded(ctx, *issuer, *keys, *audience); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveGuarded(ctx context.Context, issuer, keys, audience string) error {
	key := os.Getenv("API_KEY")
	now := shiftedClock()
	reporter, err := guard.NewReporter(guard.ReporterConfig{
		Issuer: issuer, APIKey: key, Node: "orders", Now: now,
		OnError: func(err error) { fmt.Fprintln(os.Stderr, err) },
	})
	if err != nil {
		return err
	}
	stream, err := guard.NewStream(ctx, guard.StreamConfig{Issuer: issuer, APIKey: key})
	if err != nil {
		return err
	}
	config := guard.Config{Issuer: issuer, Audience: []string{audience}, Revocations: stream, OnDenial: reporter.Report, Now: now}
	if keys != "" {
		if config.Keys, err = guard.NewRemoteKeys(guard.RemoteConfig{URL: keys, Now: now}); err != nil {
			return err
		}
	}
	g, err := guard.New(config)
	if err != nil {
		return err
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux := http.NewServeMux()
	mux.Handle("/orders", g.Handler(answer))
	mux.Handle("/reports", g.Require("reports:read")(answer))
	mux.Handle("/transfer", g.Need(guard.Need{MaxAge: time.Hour})(answer))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: patience}
	go func() { _ = srv.Serve(l) }()
	if err := stream.Ready(ctx); err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", l.Addr())
	<-ctx.Done()
	_ = srv.Close()
	last, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return reporter.Flush(last)
}

// startGuarded runs that program beside a script: $GUARDED is where it listens.
func startGuarded(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: guarded ARGS…")
	}
	runBeside(ts, "resource-server", args)
	seen(ts, false, []string{"^listening on "})
	line, _, _ := strings.Cut(ts.Value(besideKey{}).(*beside).out.String(), "\n")
	ts.Setenv("GUARDED", strings.TrimPrefix(line, "listening on "))
}
