package postgres

import (
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
)

const (
	apiKeys = `SELECT id, name, hash, scopes, created_at, expires_at, used_at, revoked_at, revoked_by FROM doorward.apikey k WHERE `

	selectAPIKey  = apiKeys + `id = $1`
	selectAPIKeys = apiKeys + `id > $1 ORDER BY id LIMIT $2`

	insertAPIKey = `INSERT INTO doorward.apikey (id, name, hash, scopes, created_at, expires_at, used_at, revoked_at, revoked_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`
	revokeAPIKey = `UPDATE doorward.apikey SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL`
	touchAPIKey  = `UPDATE doorward.apikey SET used_at = greatest(used_at, $2) WHERE id = $1`
)

func scanAPIKey(r pgx.CollectableRow) (k apikey.Key, err error) {
	var hash []byte
	var scopes string
	var created int64
	var expires, used, revoked *int64
	var by *string
	err = r.Scan((*[16]byte)(&k.ID), &k.Name, &hash, &scopes, &created, &expires, &used, &revoked, &by)
	copy(k.Hash[:], hash)
	k.Scopes, k.CreatedAt, k.ExpiresAt, k.UsedAt = words(scopes), moment(created), optionalMoment(expires), optionalMoment(used)
	k.End = apikey.End{At: optionalMoment(revoked), By: orEmpty(by)}
	return k, err
}

func (t *tx) APIKey(id ulid.ID) (apikey.Key, error) {
	return one(t, scanAPIKey, t.locked(selectAPIKey, "k"), [16]byte(id))
}

func (t *tx) APIKeys(after ulid.ID, n int) ([]apikey.Key, error) {
	return all(t, scanAPIKey, selectAPIKeys, [16]byte(after), limit(n))
}

func (t *tx) InsertAPIKey(k apikey.Key) error {
	return t.insert(insertAPIKey, [16]byte(k.ID), text(k.Name), k.Hash[:], text(strings.Join(k.Scopes, " ")), millis(k.CreatedAt),
		optionalMillis(k.ExpiresAt), optionalMillis(k.UsedAt), optionalMillis(k.End.At), optionalText(k.End.By))
}

func (t *tx) RevokeAPIKey(id ulid.ID, end apikey.End) (bool, error) {
	if end.At.IsZero() {
		return false, errors.New("postgres: an ending needs a time: without one the key would live on")
	}
	n, err := t.exec(revokeAPIKey, [16]byte(id), millis(end.At), text(end.By))
	if err != nil {
		return false, err
	}
	if n == 0 {
		_, err := t.APIKey(id)
		return false, err
	}
	t.revoke(auth.Revocation{Kind: auth.RevokedAPIKey, Subject: id.String(), At: end.At, By: end.By})
	return true, nil
}

func (t *tx) TouchAPIKey(id ulid.ID, at time.Time) error {
	return t.update(touchAPIKey, [16]byte(id), millis(at))
}
