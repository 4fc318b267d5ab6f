package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/sqlite"
)

func (a *app) migrateCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "migrate",
		Short: "Bring the store's schema up to date",
		Long: `Bring the store's schema up to date. A server does so itself when it starts; this
is for doing it at another time.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			p, err := storePlace(cfg)
			if err != nil {
				return err
			}
			from, to, err := p.migrate(cmd.Context())
			if err != nil {
				return err
			}
			return a.tell(struct {
				From int `json:"from"`
				To   int `json:"to"`
			}{from, to}, func() {
				if from == to {
					a.say("%s is up to date: schema %d", p.name(), to)
					return
				}
				a.say("%s: schema %d is now %d", p.name(), from, to)
			})
		},
	}, "store"))
}

func (a *app) backupCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "backup PATH",
		Short: "Copy the store to a new file, while a server runs on it",
		Long: `Copy the store to a new file, while a server runs on it: all of it as it is at one
moment. The master key is not in the copy. Without it nobody can sign tokens with
what is copied, and everybody has to sign in anew: keep it too, and elsewhere.

This is for a store in an SQLite file; for a PostgreSQL database there is pg_dump.`,
		Args: exactly("PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
				return &failure{text: fmt.Sprintf("%s exists already, and a backup overwrites nothing", args[0])}
			}
			if cfg, err = a.locate(cmd.Context(), cfg); err != nil {
				return err
			}
			f, err := storeFile(cfg)
			if err != nil {
				return &failure{
					text: "this copies a store in a file; a PostgreSQL database is backed up by its own means",
					hint: "pg_dump, or a base backup with the archived log behind it: see docs/operations.md",
				}
			}
			store, err := sqlite.Open(cmd.Context(), string(f), sqlite.CheckOnly())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			if err := store.Backup(cmd.Context(), args[0]); err != nil {
				return err
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			return a.tell(struct {
				Path string `json:"path"`
				Size int64  `json:"size"` // in bytes
			}{args[0], info.Size()}, func() {
				a.say("copied the store to %s (%d KiB); the master key is not in it", args[0], info.Size()>>10)
			})
		},
	}, "store"))
}
