package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/signing"
)

const (
	selectKeys = `SELECT id, use, algorithm, sealed, created_at, active_at FROM doorward.key ORDER BY created_at, id`
	insertKey  = `INSERT INTO doorward.key (id, use, algorithm, sealed, created_at, active_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`
	deleteKey = `DELETE FROM doorward.key WHERE id = $1`
)

func scanKey(r pgx.CollectableRow) (k signing.Record, err error) {
	var created, active int64
	err = r.Scan(&k.ID, (*string)(&k.Use), &k.Algorithm, &k.Sealed, &created, &active)
	k.CreatedAt, k.ActiveAt = moment(created), moment(active)
	return k, err
}

// Keys locks all of them in an Update: of nodes that see at the same moment that
// it is time for a new one, one makes it.
func (t *tx) Keys() ([]signing.Record, error) {
	if err := t.hold(lockStore, lockKeys); err != nil {
		return nil, err
	}
	return all(t, scanKey, selectKeys)
}

func (t *tx) InsertKey(k signing.Record) error {
	sealed := k.Sealed
	if sealed == nil {
		sealed = []byte{} // nil would be NULL
	}
	err := t.insert(insertKey, text(k.ID), text(k.Use), text(k.Algorithm), sealed, millis(k.CreatedAt), millis(k.ActiveAt))
	if err == nil {
		t.revoke(auth.Revocation{Kind: auth.ChangedKeys, Subject: k.ID})
	}
	return err
}

func (t *tx) DeleteKey(id string) error {
	err := t.update(deleteKey, text(id))
	if err == nil {
		t.revoke(auth.Revocation{Kind: auth.ChangedKeys, Subject: id})
	}
	return err
}
