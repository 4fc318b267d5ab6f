package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

// makeStore opens the store, making it and bringing its schema up to date where
// that is due.
func makeStore(ctx context.Context, cfg config.Config) (*sqlite.Store, error) {
	path, err := storePath(cfg)
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path)
}

// openStore opens a store that is there. It leaves the schema alone: an older
// server may be running on it.
func openStore(ctx context.Context, cfg config.Config) (*sqlite.Store, error) {
	path, err := storePath(cfg)
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path, sqlite.CheckOnly())
}

// locate returns the settings with a store that is there. Whoever looks for
// something in a store that is not there has named the wrong one; whoever names
// none, where there is none, has tried doorward dev and wants to know more.
func (a *app) locate(cfg config.Config) (config.Config, error) {
	path, err := storePath(cfg)
	if err != nil || there(path) {
		return cfg, err
	}
	if dev, err := devStorePath(); err == nil && cfg.Given("store") == "" && there(dev) {
		a.complain("no store is named and none is here; this is the one of doorward dev, "+dev, "")
		cfg.Store = "sqlite:" + dev
		return cfg, nil
	}
	return cfg, &failure{
		text: fmt.Sprintf("there is no store at %s", path),
		hint: "name the right one with --store, or start doorward serve once, which makes it",
	}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// operator is what a command works with that acts on a store which a server
// may be running on.
type operator struct {
	*auth.Auth
	cfg   config.Config
	store *sqlite.Store
}

// operate gives fn the stories on a store that is there.
func (a *app) operate(cmd *cobra.Command, fn func(context.Context, operator) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if cfg, err = a.locate(cfg); err != nil {
		return err
	}
	return a.operateOn(cmd.Context(), cfg, noKey, fn)
}

// operateNew is operate for what may be done first of all: it makes the store
// where there is none.
func (a *app) operateNew(cmd *cobra.Command, fn func(context.Context, operator) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	path, err := storePath(cfg)
	if err != nil {
		return err
	}
	if !there(path) {
		store, err := makeStore(cmd.Context(), cfg)
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			return err
		}
	}
	return a.operateOn(cmd.Context(), cfg, noKey, fn)
}

// noKey is for stories that open no key and make none.
func noKey(config.Config) (secret.MasterKey, error) { return secret.MasterKey{}, nil }

func (a *app) operateOn(ctx context.Context, cfg config.Config, key func(config.Config) (secret.MasterKey, error), fn func(context.Context, operator) error) (err error) {
	store, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	master, err := key(cfg)
	if err != nil {
		return err
	}
	sc := a.serverConfig(cfg)
	sc.Store, sc.MasterKey = store, master.Reveal()
	if sc.Issuer == "" {
		sc.Issuer = "http://localhost" // no token is signed here
	}
	stories, done, err := server.Operate(sc)
	if err != nil {
		return err
	}
	defer done()
	return fn(ctx, operator{stories, cfg, store})
}

// account finds the account with an address.
func (o operator) account(ctx context.Context, email string) (u user.User, err error) {
	_, key, err := user.ParseEmail(email)
	if err != nil {
		return u, invalidAddress(email, err)
	}
	err = o.store.View(ctx, func(tx auth.Tx) (err error) {
		u, err = tx.UserByEmail(key)
		return err
	})
	if errors.Is(err, auth.ErrNotFound) {
		return u, &failure{text: "there is no account with this address", hint: "doorward user list shows the accounts"}
	}
	return u, err
}

func invalidAddress(email string, err error) error {
	reason := err.Error()
	if e, ok := errors.AsType[*user.InvalidError](err); ok {
		reason = e.Reason
	}
	return &failure{text: fmt.Sprintf("%q is not an address: %s", email, reason)}
}
