// Command resource-server is an API in a program of its own, guarded by tokens
// of a Doorward server: it finds the issuer's keys over the network and then
// checks tokens without a call.
//
//	go run ./cmd/doorward dev            # in one terminal
//	go run ./examples/resource-server    # in another
//	curl -i http://127.0.0.1:4011/api/profile -H "Authorization: Bearer $TOKEN"
//
// With an API key of the server in the environment it also learns at once which
// sessions have ended, takes API keys itself, and reports what it refuses:
//
//	doorward apikey create resource-server --scope doorward:revocations --scope doorward:introspect --scope doorward:denials
//	API_KEY=dwk_… go run ./examples/resource-server
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:4010", "the server whose tokens are taken")
	audience := flag.String("audience", "http://127.0.0.1:4010", "what tokens must be meant for")
	listen := flag.String("listen", "127.0.0.1:4011", "address to listen on")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := net.Listen("tcp", *listen)
	if err == nil {
		slog.Info("listening", "url", "http://"+l.Addr().String())
		err = run(ctx, l, *issuer, *audience, os.Getenv("API_KEY"))
	}
	if err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, l net.Listener, issuer, audience, key string) error {
	handler, err := newHandler(ctx, issuer, audience, key)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

func newHandler(ctx context.Context, issuer, audience, key string) (http.Handler, error) {
	config := guard.Config{
		Issuer:   issuer,
		Audience: []string{audience},
		OnDenial: logDenial,
		OnError:  func(err error) { slog.Warn("keys", "error", err) },
	}
	if key != "" {
		stream, err := guard.NewStream(ctx, guard.StreamConfig{
			Issuer:  issuer,
			APIKey:  key,
			OnStale: func(s guard.StreamStatus) { slog.Warn("revocations", "stale", s.Stale, "silence", s.Silence) },
			OnError: func(err error) { slog.Warn("revocations", "error", err) },
		})
		if err != nil {
			return nil, err
		}
		config.Revocations = stream
		reporter, err := guard.NewReporter(guard.ReporterConfig{
			Issuer: issuer, APIKey: key,
			OnError: func(err error) { slog.Warn("denials", "error", err) },
		})
		if err != nil {
			return nil, err
		}
		config.OnDenial = func(r *http.Request, d *doorward.Denial) {
			logDenial(r, d)
			reporter.Report(r, d) // doorward why knows it then, too
		}
	}
	g, err := guard.New(config)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /api/protected", g.Handler(answer("Access granted")))
	mux.Handle("GET /api/profile", g.Handler(answer("Profile data")))
	mux.Handle("GET /api/reports", g.Require("reports:read")(answer("Reports"))) // for machines, too
	return mux, nil
}

// answer says a message, and who the request speaks for.
func answer(message string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := guard.PrincipalFrom(r.Context())
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"message": message,
			"user":    map[string]string{"id": p.Subject, "userId": p.Subject, "email": p.Email, "name": p.Name},
		})
	})
}

// logDenial writes down why a request was refused: the public got a code.
func logDenial(r *http.Request, d *doorward.Denial) {
	slog.Warn("refused", "denial", d.ID, "code", d.Code, "path", r.URL.Path, "check", d.Private.Check, "why", d.Private.Text)
}
