package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/hashpool"
	"github.com/doorward/doorward/server"
)

func (a *app) serveCommand() *cobra.Command {
	return a.settings(&cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until SIGTERM or SIGINT, which lets the requests under way
finish; a second signal ends it at once.

Every setting is a flag, a name in the environment, or a line in a TOML file
(access-life is access_life there); the first of the three that has it decides.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), cfg, role{
				open:    func(ctx context.Context, p place) (auth.Store, error) { return p.create(ctx) },
				handler: func(srv *server.Server, _ server.Config, _ string) http.Handler { return srv },
			})
		},
	})
}

// role is what serve and dev do each in their way.
type role struct {
	local   bool // nobody but this machine is meant to reach it
	open    func(context.Context, place) (auth.Store, error)
	handler func(srv *server.Server, sc server.Config, local string) http.Handler // local is where it can be reached from here
}

// serve runs a server until ctx ends or a signal comes. The address comes first:
// where another server has it, nothing of what that one works on is touched.
//
// What is started last ends first: the listeners drain, the server writes what
// waits, the store closes.
func (a *app) serve(ctx context.Context, cfg config.Config, r role) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal ends the process at once

	if cfg.HashWorkers == 0 {
		cfg.HashWorkers = hashpool.Workers()
	}
	runtime.GOMAXPROCS(hashpool.Procs(cfg.HashWorkers))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(server.GCPercent)
	}
	log := a.logger(cfg)
	listener, err := listen(ctx, cfg, "listen", cfg.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()  //nolint:errcheck // serving closed it, or nobody came yet
	var beside net.Listener // for metrics
	if cfg.MetricsListen != "" {
		if beside, err = listen(ctx, cfg, "metrics-listen", cfg.MetricsListen); err != nil {
			return err
		}
		defer beside.Close() //nolint:errcheck // likewise
		log.Info("metrics", "address", beside.Addr().String())
	}
	local, issuer := localURLs(listener.Addr())
	if cfg.Issuer == "" {
		cfg.Issuer = issuer
	}
	if cfg.Given("issuer") == "" && !r.local {
		log.Warn("no issuer is set: tokens name a local address, which nobody else can reach", "issuer", issuer, "fix", "give --issuer, the public URL of this server")
	}
	p, err := storePlace(cfg)
	if err != nil {
		return err
	}
	store, err := r.open(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	key, err := makeMasterKey(ctx, cfg, p, store, log)
	if err != nil {
		return err
	}
	sc := a.serverConfig(cfg)
	sc.Store, sc.MasterKey = store, key.Reveal()
	srv, err := server.New(ctx, sc)
	if err != nil {
		return explainKey(cfg, err)
	}
	defer srv.Close()
	context.AfterFunc(ctx, srv.EndStreams) // or the drain would wait for them
	h := r.handler(srv, sc, local)
	log.Info("listening", "address", listener.Addr().String(), "issuer", cfg.Issuer, "store", p.String())
	a.say("listening on %s", local)
	if beside == nil {
		return server.Serve(ctx, listener, h, log)
	}
	return serveBoth(ctx, listener, h, beside, srv.Metrics(), log)
}

// serveBoth answers on two listeners until ctx ends or one of them fails.
func serveBoth(ctx context.Context, listener net.Listener, h http.Handler, beside net.Listener, metrics http.Handler, log *slog.Logger) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		defer cancel()
		failed = server.Serve(ctx, beside, mux, log)
	})
	err := server.Serve(ctx, listener, h, log)
	cancel()
	wg.Wait()
	return errors.Join(err, failed)
}

// listen takes an address; where it cannot, it says which setting to change.
func listen(ctx context.Context, cfg config.Config, setting, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	where := cfg.Given(setting)
	if where == "" {
		where = "--" + setting
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &failure{
			text: fmt.Sprintf("%s: %s is taken by another process", where, address),
			hint: "end that one, or take another address with --" + setting + "; port 0 takes a free one",
		}
	}
	return nil, &failure{text: fmt.Sprintf("%s: %v", where, err)}
}

// localURLs returns how this machine reaches an address, and the issuer for it
// where none is set: plain http is for the machine itself only.
func localURLs(addr net.Addr) (reach, issuer string) {
	ip, port := net.IPv6loopback, "0"
	if tcp, ok := addr.(*net.TCPAddr); ok {
		ip, port = tcp.IP, strconv.Itoa(tcp.Port)
	}
	issuer = "http://" + net.JoinHostPort("localhost", port)
	switch {
	case ip.IsUnspecified():
		return issuer, issuer
	case ip.IsLoopback():
		issuer = "http://" + net.JoinHostPort(ip.String(), port)
		return issuer, issuer
	default:
		return "http://" + net.JoinHostPort(ip.String(), port), issuer
	}
}
