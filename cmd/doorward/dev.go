package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/pages"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/server"
)

// Whom to sign in as. The password is in the documentation: it is no secret,
// which is why dev makes no account in a store that holds any other first.
const (
	devListen   = "127.0.0.1:4010"
	devEmail    = "ada@example.com"
	devName     = "Ada Lovelace"
	devPassword = "analytical-engine-1843"
)

func (a *app) devCommand() *cobra.Command {
	var fresh bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Try it out: the server, an account and a demo, in one step",
		Long: `Run the server with an account to sign in as and a demo that breaks a session in
every way there is, on ` + devListen + `. What it keeps stays for the next time, in a
store of its own in the user's cache directory.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			return a.dev(cmd.Context(), cfg, fresh)
		},
	}
	cmd.Flags().BoolVar(&fresh, "fresh", false, "forget everything from the last time")
	a.settings(cmd, "store", "listen", "issuer", "access-life", "idle-life", "absolute-life", "log-format", "log-level")
	for _, s := range config.Settings() { // those that are otherwise here
		switch s.Name {
		case "store":
			s.Doc, s.Default, s.Otherwise = "where everything is kept: sqlite:PATH", "", "a file in the user's cache directory"
		case "listen":
			s.Default = devListen
		default:
			continue
		}
		cmd.Flags().Lookup(s.Name).Usage = usage(s)
	}
	return cmd
}

func (a *app) dev(ctx context.Context, cfg config.Config, fresh bool) error {
	if cfg.Given("listen") == "" {
		cfg.Listen = devListen
	}
	if cfg.Given("store") == "" {
		path, err := devStorePath()
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err != nil {
			return &failure{text: err.Error(), hint: "say where to keep the store: doorward dev --store sqlite:PATH"}
		}
		cfg.Store = "sqlite:" + path
	}
	if host, _, err := net.SplitHostPort(cfg.Listen); err == nil && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		a.complain("others on this network can sign in too: everybody knows the password", "take an address of this machine alone, such as --listen "+devListen)
	}
	return a.serveDev(ctx, cfg, fresh)
}

// restartPause is how long the server is gone when the demo restarts it: long
// enough that whoever calls meanwhile is not answered.
const restartPause = 2 * time.Second

// serveDev serves until ctx ends or a signal comes. When the demo asks for a
// restart it ends the server, listener and store with it, and begins anew on
// the same address.
func (a *app) serveDev(ctx context.Context, cfg config.Config, fresh bool) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	for welcomed := false; ; welcomed = true {
		life, restart := context.WithCancel(ctx)
		err := a.serve(life, cfg, role{
			local: true,
			open: func(ctx context.Context, _ place) (auth.Store, error) {
				return a.openDev(ctx, cfg, fresh && !welcomed)
			},
			handler: func(srv *server.Server, sc server.Config, local string) http.Handler {
				if !welcomed {
					a.welcome(cfg, local)
				}
				cfg.Listen = samePort(cfg.Listen, local)
				return devHandler(srv, sc, cfg, local, restart)
			},
		})
		restarting := life.Err() != nil && ctx.Err() == nil
		restart()
		if err != nil || !restarting {
			return err
		}
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// samePort is the address to listen on with the port that a server got.
func samePort(listen, local string) string {
	host, _, err := net.SplitHostPort(listen)
	u, err2 := url.Parse(local)
	if err != nil || err2 != nil {
		return listen
	}
	return net.JoinHostPort(host, u.Port())
}

// openDev opens the store of dev and makes the account to sign in as.
func (a *app) openDev(ctx context.Context, cfg config.Config, fresh bool) (auth.Store, error) {
	f, err := storeFile(cfg)
	if err != nil {
		return nil, err
	}
	store, err := f.create(ctx)
	if err != nil {
		return nil, err
	}
	ada, err := checkDev(ctx, cfg, store)
	if err == nil && fresh {
		ada = false
		if err = errors.Join(store.Close(), removeStore(f)); err != nil {
			return nil, err
		}
		if store, err = f.create(ctx); err != nil {
			return nil, err
		}
	}
	if err == nil && !ada {
		err = a.seed(ctx, cfg, store)
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// devStorePath is where dev keeps its store, so that sign-ins outlive a restart.
func devStorePath() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "doorward", "dev.db"), err
}

// removeStore removes an SQLite store with all that belongs to it.
func removeStore(f file) (err error) {
	for _, name := range []string{string(f), string(f) + "-wal", string(f) + "-shm", f.key()} {
		if e := os.Remove(name); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// checkDev reports whether a store has the account to sign in as. One that has
// other accounts and not that was not made by dev: an account whose password
// everybody knows must not get into it, and nothing of it may be removed.
func checkDev(ctx context.Context, cfg config.Config, store auth.Store) (ada bool, err error) {
	var others bool
	err = store.View(ctx, func(tx auth.Tx) error {
		_, err := tx.UserByEmail(devEmail)
		if ada = err == nil; !ada && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		some, err := tx.Users(ulid.ID{}, 1)
		others = len(some) > 0
		return err
	})
	if err == nil && !ada && others {
		err = &failure{
			text: fmt.Sprintf("%s holds accounts and was not made by doorward dev, which would add one whose password everybody knows", cfg.Store),
			hint: "give dev a store of its own: --store sqlite:PATH",
		}
	}
	return ada, err
}

// seed makes the account to sign in as.
func (a *app) seed(ctx context.Context, cfg config.Config, store auth.Store) error {
	sc := a.serverConfig(cfg)
	sc.Store, sc.Issuer, sc.MasterKey = store, "http://localhost", secret.NewMasterKey().Reveal() // it signs nothing
	stories, done, err := server.Operate(ctx, sc)
	if err != nil {
		return err
	}
	defer done()
	_, err = stories.AddUser(ctx, auth.SignupRequest{Email: devEmail, Name: devName, Password: secret.New(devPassword)})
	return err
}

// selfName is how this command is run again: under `go run` it is on no path.
func selfName() string {
	if path, err := os.Executable(); err == nil && strings.Contains(path, "go-build") {
		return "go run ./cmd/doorward"
	}
	return "doorward"
}

// welcome says where to look, as whom to sign in, and what to paste.
func (a *app) welcome(cfg config.Config, local string) {
	a.say(`Open      %[1]s/
Sign in   %[2]s with the password %[3]s
Store     %[4]s

From a shell: sign in, ask as that user, ask as nobody, see why that was refused.

  TOKEN=$(curl -s %[1]s/auth/login -H 'Content-Type: application/json' -d '{"email":"%[2]s","password":"%[3]s"}' | sed -n 's/.*"accessToken":"\([^"]*\)".*/\1/p')
  curl -s %[1]s/api/profile -H "Authorization: Bearer $TOKEN"
  curl -si %[1]s/api/profile
  %[5]s why --store '%[4]s' --last
`, local, devEmail, devPassword, cfg.Store, selfName())
}

// devHandler is the server, the demo, two routes to be let through to or
// refused, and what the demo breaks things by.
func devHandler(srv *server.Server, sc server.Config, cfg config.Config, local string, restart func()) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", srv)
	page := pages.Dev(pages.DevInfo{
		Issuer: local, Email: devEmail, Password: devPassword, Version: thisBuild().Version, Why: whyCommand(cfg),
	})
	mux.Handle("GET /{$}", page)
	mux.Handle("GET /dev/", page)
	mux.Handle("POST /dev/", (&levers{srv: srv, config: sc, restart: restart}).handler())
	mux.Handle("GET /api/profile", srv.Guard().Handler(answerUser("Profile data")))
	mux.Handle("GET /api/protected", srv.Guard().Handler(answerUser("Access granted")))
	return losing(mux)
}

// whyCommand is what tells the story of the denial whose id comes next. It
// finds the store of dev by itself.
func whyCommand(cfg config.Config) string {
	if cfg.Given("store") == "" {
		return selfName() + " why"
	}
	return selfName() + " why --store '" + strings.ReplaceAll(cfg.Store, "'", `'\''`) + "'"
}

// caller is what the routes of the demo tell a user of themselves.
type caller struct {
	ID      string `json:"id"`
	UserID  string `json:"userId"`
	Email   string `json:"email"`
	Name    string `json:"name"`
	Session string `json:"sid"`
	Issued  int64  `json:"iat"`
	Expires int64  `json:"exp"`
}

func answerUser(message string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := guard.PrincipalFrom(r.Context())
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(struct { // a caller that is gone needs no answer
			Message string `json:"message"`
			User    caller `json:"user"`
		}{message, caller{
			ID: p.Subject, UserID: p.Subject, Email: p.Email, Name: p.Name,
			Session: p.Session, Issued: p.IssuedAt.Unix(), Expires: p.ExpiresAt.Unix(),
		}})
	})
}
