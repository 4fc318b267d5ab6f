package sqlite

import (
	"errors"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
)

const (
	apiKeys = `SELECT id, name, hash, scopes, created_at, expires_at, used_at, revoked_at, revoked_by FROM apikey WHERE `

	selectAPIKey  = apiKeys + `id = ?`
	selectAPIKeys = apiKeys + `id > ? ORDER BY id LIMIT ?`

	insertAPIKey = `INSERT INTO apikey (id, name, hash, scopes, created_at, expires_at, used_at, revoked_at, revoked_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	revokeAPIKey = `UPDATE apikey SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL`
	touchAPIKey  = `UPDATE apikey SET used_at = max(coalesce(used_at, 0), ?) WHERE id = ?`
)

func scanAPIKey(r *stmt) apikey.Key {
	k := apikey.Key{
		ID: r.idAt(0), Name: r.textAt(1), Scopes: words(r.textAt(3)), CreatedAt: r.timeAt(4),
		ExpiresAt: r.optionalTimeAt(5), UsedAt: r.optionalTimeAt(6),
		End: apikey.End{At: r.optionalTimeAt(7), By: r.textAt(8)},
	}
	copy(k.Hash[:], r.bytesAt(2))
	return k
}

func (t *tx) APIKey(id ulid.ID) (apikey.Key, error) {
	return one(t.prepare(selectAPIKey).id(id), scanAPIKey)
}

func (t *tx) APIKeys(after ulid.ID, limit int) ([]apikey.Key, error) {
	return all(t.prepare(selectAPIKeys).id(after).limit(limit), scanAPIKey)
}

func (t *tx) InsertAPIKey(k apikey.Key) error {
	return affect(t.prepare(insertAPIKey).id(k.ID).text(k.Name).blob(k.Hash[:]).text(strings.Join(k.Scopes, " ")).
		time(k.CreatedAt).optionalTime(k.ExpiresAt).optionalTime(k.UsedAt).optionalTime(k.End.At).optionalText(k.End.By))
}

func (t *tx) RevokeAPIKey(id ulid.ID, end apikey.End) (bool, error) {
	if end.At.IsZero() {
		return false, errors.New("sqlite: an ending needs a time: without one the key would live on")
	}
	if err := t.prepare(revokeAPIKey).time(end.At).text(end.By).id(id).run(); err != nil {
		return false, err
	}
	if t.c.changes() == 0 {
		_, err := t.APIKey(id)
		return false, err
	}
	return true, t.revoke(auth.Revocation{Kind: auth.RevokedAPIKey, Subject: id.String(), At: end.At, By: end.By})
}

func (t *tx) TouchAPIKey(id ulid.ID, at time.Time) error {
	return affect(t.prepare(touchAPIKey).time(at).id(id))
}
