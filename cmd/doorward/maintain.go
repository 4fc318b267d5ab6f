package main

import (
	"context"
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
			path, err := storePath(cfg)
			if err != nil {
				return err
			}
			from, err := migrate(cmd.Context(), path)
			if err != nil {
				return err
			}
			to := sqlite.Latest()
			return a.tell(struct {
				From int `json:"from"`
				To   int `json:"to"`
			}{from, to}, func() {
				if from == to {
					a.say("%s is up to date: schema %d", path, to)
					return
				}
				a.say("%s: schema %d is now %d", path, from, to)
			})
		},
	}, "store"))
}

// migrate returns the version that the schema had before; 0 where there was no
// store.
func migrate(ctx context.Context, path string) (from int, err error) {
	from = sqlite.Latest()
	store, err := sqlite.Open(ctx, path, sqlite.CheckOnly())
	if older, ok := errors.AsType[*sqlite.SchemaError](err); ok && older.Database < older.Program || errors.Is(err, fs.ErrNotExist) {
		from = 0
		if ok {
			from = older.Database
		}
		store, err = sqlite.Open(ctx, path)
	}
	if err != nil {
		return 0, err
	}
	return from, store.Close()
}

func (a *app) backupCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "backup PATH",
		Short: "Copy the store to a new file, while a server runs on it",
		Long: `Copy the store to a new file, while a server runs on it: all of it as it is at one
moment. The master key is not in the copy. Without it nobody can sign tokens with
what is copied, and everybody has to sign in anew: keep it too, and elsewhere.`,
		Args: exactly("PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
				return &failure{text: fmt.Sprintf("%s exists already, and a backup overwrites nothing", args[0])}
			}
			if cfg, err = a.locate(cfg); err != nil {
				return err
			}
			store, err := openStore(cmd.Context(), cfg)
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
