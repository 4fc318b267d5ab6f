package sqlite

import (
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/signing"
)

const (
	selectKeys = `SELECT id, use, algorithm, sealed, created_at, active_at FROM key ORDER BY created_at, id`
	insertKey  = `INSERT INTO key (id, use, algorithm, sealed, created_at, active_at) VALUES (?, ?, ?, ?, ?, ?)`
	deleteKey  = `DELETE FROM key WHERE id = ?`
)

func scanKey(r *stmt) signing.Record {
	return signing.Record{
		ID: r.textAt(0), Use: signing.Use(r.textAt(1)), Algorithm: r.textAt(2),
		Sealed: append([]byte(nil), r.bytesAt(3)...), CreatedAt: r.timeAt(4), ActiveAt: r.timeAt(5),
	}
}

// MasterKey finds none: it is in a file beside the store.
func (t *tx) MasterKey() (secret.MasterKey, error) { return secret.MasterKey{}, nil }

func (t *tx) Keys() ([]signing.Record, error) { return all(t.prepare(selectKeys), scanKey) }

func (t *tx) InsertKey(k signing.Record) error {
	err := affect(t.prepare(insertKey).text(k.ID).text(string(k.Use)).text(k.Algorithm).blob(k.Sealed).
		time(k.CreatedAt).time(k.ActiveAt))
	if err != nil {
		return err
	}
	return t.revoke(auth.Revocation{Kind: auth.ChangedKeys, Subject: k.ID, At: time.Now()})
}

func (t *tx) DeleteKey(id string) error {
	if err := affect(t.prepare(deleteKey).text(id)); err != nil {
		return err
	}
	return t.revoke(auth.Revocation{Kind: auth.ChangedKeys, Subject: id, At: time.Now()})
}
