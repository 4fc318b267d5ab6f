package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

const (
	users = `SELECT id, email, email_key, name, state, password, created_at, password_at, state_at, state_by FROM doorward.user u WHERE `

	selectUser        = users + `id = $1`
	selectUserByEmail = users + `email_key = $1`
	selectUsers       = users + `id > $1 ORDER BY id LIMIT $2`

	insertUser = `INSERT INTO doorward.user (id, email, email_key, name, state, password, created_at, password_at, state_at, state_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`
	updateUser = `UPDATE doorward.user SET email = $2, email_key = $3, name = $4, state = $5, password = $6,
		password_at = $7, state_at = $8, state_by = $9 WHERE id = $1`
)

func scanUser(r pgx.CollectableRow) (u user.User, err error) {
	var created, password, state int64
	err = r.Scan((*[16]byte)(&u.ID), &u.Email, &u.EmailKey, &u.Name, (*string)(&u.State), &u.Password, &created, &password, &state, &u.StateBy)
	u.CreatedAt, u.PasswordAt, u.StateAt = moment(created), moment(password), moment(state)
	return u, err
}

func (t *tx) User(id ulid.ID) (user.User, error) {
	return one(t, scanUser, t.locked(selectUser, "u"), [16]byte(id))
}

func (t *tx) UserByEmail(key string) (user.User, error) {
	return one(t, scanUser, t.locked(selectUserByEmail, "u"), text(key))
}

func (t *tx) Users(after ulid.ID, n int) ([]user.User, error) {
	return all(t, scanUser, selectUsers, [16]byte(after), limit(n))
}

func (t *tx) InsertUser(u user.User) error {
	return t.insert(insertUser, [16]byte(u.ID), text(u.Email), text(u.EmailKey), text(u.Name), text(u.State), text(u.Password),
		millis(u.CreatedAt), millis(u.PasswordAt), millis(u.StateAt), text(u.StateBy))
}

// UpdateUser is the one statement whose refusal PostgreSQL makes an error of,
// which ends a transaction unless there is a savepoint before it.
func (t *tx) UpdateUser(u user.User) error {
	b := new(pgx.Batch)
	b.Queue(`SAVEPOINT account`)
	b.Queue(updateUser, [16]byte(u.ID), text(u.Email), text(u.EmailKey), text(u.Name), text(u.State), text(u.Password),
		millis(u.PasswordAt), millis(u.StateAt), text(u.StateBy))
	failed := t.failed
	n, err := t.run(b)
	switch {
	case code(err) == codeUniqueViolation:
		t.failed = failed
		if _, err := t.exec(`ROLLBACK TO account`); err != nil {
			return err
		}
		return auth.ErrExists
	case err == nil && n == 0:
		return auth.ErrNotFound
	}
	return err
}
