package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
)

// Nodes that are given no master key share one that is kept here. The signing
// keys are then as safe as the database is.

const (
	selectMasterKey = `SELECT key FROM doorward.master`
	insertMasterKey = `INSERT INTO doorward.master (key) VALUES ($1) ON CONFLICT DO NOTHING`
	deleteMasterKey = `DELETE FROM doorward.master`
)

// MasterKey returns the master key that is kept in the store; the zero key where
// there is none.
func (s *Store) MasterKey(ctx context.Context) (key secret.MasterKey, err error) {
	err = s.View(ctx, func(t auth.Tx) (err error) {
		key, err = t.MasterKey()
		return err
	})
	return key, err
}

// MakeMasterKey keeps a new master key in the store, unless there is one, or keys
// that another one has sealed, and returns the one that is kept. Of nodes that
// start together one makes it.
func (s *Store) MakeMasterKey(ctx context.Context) (key secret.MasterKey, err error) {
	err = s.Update(ctx, func(a auth.Tx) (err error) {
		sealed, err := a.Keys() // locks
		if err != nil {
			return err
		}
		t := a.(*tx)
		if key, err = t.MasterKey(); err != nil || !key.IsZero() || len(sealed) > 0 {
			return err
		}
		key = secret.NewMasterKey()
		_, err = t.exec(insertMasterKey, key.Reveal())
		return err
	})
	return key, err
}

// ForgetMasterKey removes the master key from the store, in an Update that seals
// the keys under another one.
func ForgetMasterKey(a auth.Tx) error {
	_, err := a.(*tx).exec(deleteMasterKey)
	return err
}

func (t *tx) MasterKey() (secret.MasterKey, error) {
	text, err := one(t, pgx.RowTo[string], selectMasterKey)
	if errors.Is(err, auth.ErrNotFound) {
		return secret.MasterKey{}, nil
	} else if err != nil {
		return secret.MasterKey{}, err
	}
	return secret.ParseMasterKey(text)
}
