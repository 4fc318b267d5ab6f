package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/postgres"
)

// The master key seals the signing keys in the store. Where none is given it is
// in a file beside the store, so that one command starts a server; whoever
// backs up the store and the file together keeps the lock and the key in one
// place, and is told so by the backup command. Servers on one database have no
// file in common: where they are given none, it is in the database, and each of
// them says what that means.

// masterKey returns the key that is given, or the one of the store; the zero key
// where there is neither.
func masterKey(ctx context.Context, cfg config.Config, p place, store auth.Store, log *slog.Logger) (secret.MasterKey, error) {
	if db, ok := store.(*postgres.Store); ok {
		return keptKey(ctx, cfg, db)
	}
	f, ok := p.(file)
	if !ok || !cfg.MasterKey.IsZero() {
		return cfg.MasterKey, nil
	}
	key, err := readKey(f.key(), log)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.MasterKey{}, nil
	}
	return key, err
}

// keptKey returns the key that is given, or the one in the database. Where there
// are both, the one in the database sealed the keys.
func keptKey(ctx context.Context, cfg config.Config, db *postgres.Store) (secret.MasterKey, error) {
	kept, err := db.MasterKey(ctx)
	switch {
	case err != nil || cfg.MasterKey.IsZero():
		return kept, err
	case kept.IsZero() || kept.Reveal() == cfg.MasterKey.Reveal():
		return cfg.MasterKey, nil
	}
	return kept, otherMasterKey(cfg)
}

func otherMasterKey(cfg config.Config) error {
	return &failure{
		text: cfg.Given("master-key") + ": the keys are sealed under a master key that is kept in the database, and another one is given",
		hint: "doorward key seal, with the one that is given, seals them anew under it and removes the other; or give none",
	}
}

// maxKeyFile bounds what is read as a key, in bytes.
const maxKeyFile = 4096

func readKey(path string, log *slog.Logger) (secret.MasterKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return secret.MasterKey{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others can read the master key", "file", path, "mode", info.Mode().Perm().String(), "fix", "chmod 600 "+path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return secret.MasterKey{}, err
	}
	key, err := secret.ParseMasterKey(string(text))
	if err != nil {
		return key, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// makeMasterKey returns the master key, and makes one for a store that has no
// keys to open with it.
func makeMasterKey(ctx context.Context, cfg config.Config, p place, store auth.Store, log *slog.Logger) (secret.MasterKey, error) {
	key, err := masterKey(ctx, cfg, p, store, log)
	if err != nil {
		return key, err
	}
	if db, ok := store.(*postgres.Store); ok {
		return keepKey(ctx, cfg, p, db, key, log)
	}
	if !key.IsZero() {
		return key, nil
	}
	var sealed int
	err = store.View(ctx, func(tx auth.Tx) error {
		records, err := tx.Keys()
		sealed = len(records)
		return err
	})
	if err != nil {
		return key, err
	}
	if sealed > 0 {
		return key, noMasterKey(p)
	}
	f, err := storeFile(cfg)
	if err != nil {
		return key, err
	}
	switch err := writeKey(f.key(), secret.NewMasterKey()); {
	case err == nil:
		log.Info("made a master key; keep it, and apart from copies of the store", "file", f.key())
	case !errors.Is(err, fs.ErrExist): // another start was first
		return key, fmt.Errorf("the master key could not be made: %w", err)
	}
	return readKey(f.key(), log)
}

// keepKey makes a master key in the database for servers that are given none.
func keepKey(ctx context.Context, cfg config.Config, p place, db *postgres.Store, key secret.MasterKey, log *slog.Logger) (secret.MasterKey, error) {
	if !cfg.MasterKey.IsZero() {
		return key, nil
	}
	if key.IsZero() {
		var err error
		if key, err = db.MakeMasterKey(ctx); err != nil {
			return key, err
		}
		if key.IsZero() {
			return key, noMasterKey(p)
		}
	}
	log.Warn("the master key is in the database: whoever can read that can sign tokens",
		"fix", "make a key (openssl rand -hex 32), run doorward key seal --master-key-file FILE, and start every server with it")
	return key, nil
}

// whereKey says where a master key was looked for.
func whereKey(p place) string {
	if f, ok := p.(file); ok {
		return f.key() + " is not there"
	}
	return "none is given, and none is in the database"
}

// noMasterKey is for a store that holds keys, which only the master key opens.
func noMasterKey(p place) error {
	hint := "put the file back, or name where it is with --master-key-file"
	if _, ok := p.(file); !ok {
		hint = "give the one that the other servers have, with --master-key-file"
	}
	return &failure{
		text: "the master key is missing: " + whereKey(p) + ", and the store has keys that only it can open",
		hint: hint + "; if it is lost for good: " + forgetKeys,
	}
}

// forgetKeys is the way out where the master key is lost.
const forgetKeys = "doorward key forget --yes, after which everybody signs in anew; accounts and passwords stay"

// explainKey tells an operator what a key that does not fit means.
func explainKey(cfg config.Config, err error) error {
	if errors.Is(err, auth.ErrOtherMasterKey) {
		return otherMasterKey(cfg)
	}
	if !errors.Is(err, secret.ErrWrongKey) {
		return err
	}
	return &failure{
		text: "the master key is not the one that sealed the keys in this store",
		hint: "give the one that belongs to the store; if it is lost for good: " + forgetKeys,
	}
}

// writeKey makes a file that no one else can read and that is whole from the
// moment it has its name. fs.ErrExist: another process was first.
func writeKey(path string, key secret.MasterKey) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // its mode is 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = io.WriteString(f, key.Reveal()+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
