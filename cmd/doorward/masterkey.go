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
)

// The master key seals the signing keys in the store. Where none is given it is
// in a file beside the store, so that one command starts a server; whoever
// backs up the store and the file together keeps the lock and the key in one
// place, and is told so by the backup command.

// keyPath is where the master key of a store is, unless it is given.
func keyPath(storePath string) string { return storePath + ".key" }

// masterKey returns the key that is given, or that of the file beside the
// store; the zero key where there is neither.
func masterKey(cfg config.Config, log *slog.Logger) (secret.MasterKey, error) {
	if !cfg.MasterKey.IsZero() {
		return cfg.MasterKey, nil
	}
	path, err := storePath(cfg)
	if err != nil {
		return secret.MasterKey{}, err
	}
	path = keyPath(path)
	key, err := readKey(path, log)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.MasterKey{}, nil
	}
	return key, err
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
func makeMasterKey(ctx context.Context, cfg config.Config, store auth.Store, log *slog.Logger) (secret.MasterKey, error) {
	key, err := masterKey(cfg, log)
	if err != nil || !key.IsZero() {
		return key, err
	}
	if err := needNoKey(ctx, cfg, store); err != nil {
		return key, err
	}
	path, err := storePath(cfg)
	if err != nil {
		return key, err
	}
	path = keyPath(path)
	switch err := writeKey(path, secret.NewMasterKey()); {
	case err == nil:
		log.Info("made a master key; keep it, and apart from copies of the store", "file", path)
	case !errors.Is(err, fs.ErrExist): // another start was first
		return key, fmt.Errorf("the master key could not be made: %w", err)
	}
	return readKey(path, log)
}

// needNoKey returns an error if the store holds keys, which only the master key
// opens.
func needNoKey(ctx context.Context, cfg config.Config, store auth.Store) error {
	var sealed int
	err := store.View(ctx, func(tx auth.Tx) error {
		records, err := tx.Keys()
		sealed = len(records)
		return err
	})
	if err != nil || sealed == 0 {
		return err
	}
	path, err := storePath(cfg)
	if err != nil {
		return err
	}
	return &failure{
		text: fmt.Sprintf("the master key is missing: %s is not there, and the store has keys that only it can open", keyPath(path)),
		hint: "put the file back, or name where it is with --master-key-file; if it is lost for good: " + forgetKeys,
	}
}

// forgetKeys is the way out where the master key is lost.
const forgetKeys = "doorward key forget --yes, after which everybody signs in anew; accounts and passwords stay"

// explainKey tells an operator what a key that does not fit means.
func explainKey(err error) error {
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
