package sqlite

import (
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

const (
	users = `SELECT id, email, email_key, name, state, password, created_at, password_at, state_at, state_by FROM user WHERE `

	selectUser        = users + `id = ?`
	selectUserByEmail = users + `email_key = ?`
	selectUsers       = users + `id > ? ORDER BY id LIMIT ?`

	insertUser = `INSERT INTO user (id, created_at, email, email_key, name, state, password, password_at, state_at, state_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateUser = `UPDATE user SET email = ?, email_key = ?, name = ?, state = ?, password = ?, password_at = ?, state_at = ?, state_by = ?
		WHERE id = ?`
)

func scanUser(r *stmt) user.User {
	return user.User{
		ID: r.idAt(0), Email: r.textAt(1), EmailKey: r.textAt(2), Name: r.textAt(3),
		State: user.State(r.textAt(4)), Password: r.textAt(5),
		CreatedAt: r.timeAt(6), PasswordAt: r.timeAt(7), StateAt: r.timeAt(8), StateBy: r.textAt(9),
	}
}

// account binds all that can be changed of an account.
func (s *stmt) account(u user.User) *stmt {
	return s.text(u.Email).text(u.EmailKey).text(u.Name).text(string(u.State)).text(u.Password).
		time(u.PasswordAt).time(u.StateAt).text(u.StateBy)
}

func (t *tx) User(id ulid.ID) (user.User, error) {
	return one(t.prepare(selectUser).id(id), scanUser)
}

func (t *tx) UserByEmail(key string) (user.User, error) {
	return one(t.prepare(selectUserByEmail).text(key), scanUser)
}

func (t *tx) Users(after ulid.ID, limit int) ([]user.User, error) {
	return all(t.prepare(selectUsers).id(after).limit(limit), scanUser)
}

func (t *tx) InsertUser(u user.User) error {
	return affect(t.prepare(insertUser).id(u.ID).time(u.CreatedAt).account(u))
}

func (t *tx) UpdateUser(u user.User) error {
	return affect(t.prepare(updateUser).account(u).id(u.ID))
}
