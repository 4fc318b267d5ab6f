package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/server"
)

// locate returns the settings with a store that is there. Whoever looks for
// something in a store that is not there has named the wrong one; whoever names
// none, where there is none, has tried doorward dev and wants to know more.
func (a *app) locate(ctx context.Context, cfg config.Config) (config.Config, error) {
	p, err := storePlace(cfg)
	if err != nil {
		return cfg, err
	}
	if there, err := p.there(ctx); err != nil || there {
		return cfg, err
	}
	if a.takeDev(ctx, &cfg) {
		return cfg, nil
	}
	return cfg, &failure{
		text: fmt.Sprintf("there is no store at %s", p.name()),
		hint: "name the right one with --store, or start doorward serve once, which makes it",
	}
}

// takeDev sets the store of doorward dev, if there is one and none was named.
func (a *app) takeDev(ctx context.Context, cfg *config.Config) bool {
	dev, err := devStorePath()
	if err != nil || cfg.Given("store") != "" {
		return false
	}
	there, _ := file(dev).there(ctx)
	if there {
		a.complain("no store is named and none is here; this is the one of doorward dev, "+dev, "")
		cfg.Store = "sqlite:" + dev
	}
	return there
}

// operator is what a command works with that acts on a store which a server
// may be running on.
type operator struct {
	*auth.Auth
	cfg   config.Config
	place place
	store auth.Store
}

// operate gives fn the stories on a store that is there.
func (a *app) operate(cmd *cobra.Command, fn func(context.Context, operator) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if cfg, err = a.locate(cmd.Context(), cfg); err != nil {
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
	p, err := storePlace(cfg)
	if err != nil {
		return err
	}
	there, err := p.there(cmd.Context())
	if err != nil {
		return err
	}
	if !there {
		store, err := p.create(cmd.Context())
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			return err
		}
	}
	return a.operateOn(cmd.Context(), cfg, noKey, fn)
}

// operateNewOrDev is operateNew for what is done beside doorward dev as well: it
// makes no store where dev has one.
func (a *app) operateNewOrDev(cmd *cobra.Command, fn func(context.Context, operator) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	p, err := storePlace(cfg)
	if err != nil {
		return err
	}
	if there, err := p.there(cmd.Context()); err != nil {
		return err
	} else if !there && a.takeDev(cmd.Context(), &cfg) {
		return a.operateOn(cmd.Context(), cfg, noKey, fn)
	}
	return a.operateNew(cmd, fn)
}

// keyOf returns the master key of a store for what is to be done.
type keyOf func(context.Context, config.Config, auth.Store) (secret.MasterKey, error)

// noKey is for stories that open no key and make none.
func noKey(context.Context, config.Config, auth.Store) (secret.MasterKey, error) {
	return secret.MasterKey{}, nil
}

func (a *app) operateOn(ctx context.Context, cfg config.Config, key keyOf, fn func(context.Context, operator) error) (err error) {
	p, err := storePlace(cfg)
	if err != nil {
		return err
	}
	store, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	master, err := key(ctx, cfg, store)
	if err != nil {
		return err
	}
	sc := a.serverConfig(cfg)
	sc.Store, sc.MasterKey = store, master.Reveal()
	if sc.Issuer == "" {
		sc.Issuer = "http://localhost" // no token is signed here
	}
	stories, done, err := server.Operate(ctx, sc)
	if err != nil {
		return err
	}
	defer done()
	return fn(ctx, operator{stories, cfg, p, store})
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
