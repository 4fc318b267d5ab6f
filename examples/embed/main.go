// Command embed is an application and its sign-in in one program: package
// server beside the program's own routes, on one SQLite file.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"

	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "127.0.0.1:4010", "app.db", os.Getenv("MASTER_KEY")); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

// run serves until ctx ends. masterKey is 32 bytes as base64, from wherever
// the program keeps its secrets: openssl rand -base64 32
func run(ctx context.Context, listen, path, masterKey string) error {
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	auth, err := server.New(ctx, server.Config{
		Store: store, MasterKey: masterKey, Issuer: "http://" + listen, Signup: true,
	})
	if err != nil {
		return err
	}
	defer auth.Close()

	mux := http.NewServeMux()
	mux.Handle("/", auth)
	mux.Handle("GET /api/hello", auth.Guard().Handler(http.HandlerFunc(hello)))

	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	slog.Info("listening", "url", "http://"+l.Addr().String())
	return server.Serve(ctx, l, mux, slog.Default())
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "hello,", guard.PrincipalFrom(r.Context()).Email)
}
