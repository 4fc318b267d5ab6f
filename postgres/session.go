package postgres

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
)

const (
	sessionColumns = `s.id, u.id, s.generation, s.parent, s.attempt, s.created_at, s.rotated_at, s.auth_time,
		s.methods, s.device, s.network, s.ended_at, s.end_reason, s.end_by`
	sessions = `SELECT ` + sessionColumns + ` FROM doorward.session s JOIN doorward.user u ON u.n = s.owner WHERE `

	selectSession      = sessions + `s.id = $1`
	selectSessions     = sessions + `u.id = $1 ORDER BY s.id DESC LIMIT $2`
	selectLiveSessions = sessions + `u.id = $1 AND s.ended_at IS NULL ORDER BY s.id DESC`
	lockOwner          = `SELECT 1 FROM doorward.user WHERE id = $1 FOR UPDATE`

	insertSession = `INSERT INTO doorward.session (id, owner, generation, parent, attempt, created_at, rotated_at, auth_time,
		methods, device, network, ended_at, end_reason, end_by)
		SELECT $2, n, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM doorward.user WHERE id = $1
		ON CONFLICT DO NOTHING`
	endSession    = `UPDATE doorward.session SET ended_at = $2, end_reason = $3, end_by = $4 WHERE id = $1 AND ended_at IS NULL`
	sessionExists = `SELECT 1 FROM doorward.session WHERE id = $1`
	userExists    = `SELECT 1 FROM doorward.user WHERE id = $1`
)

func scanSession(r pgx.CollectableRow) (s session.Session, err error) {
	var generation, created, rotated, authTime int64
	var parent, attempt []byte
	var methods string
	var ended *int64
	var reason, by *string
	err = r.Scan((*[16]byte)(&s.ID), (*[16]byte)(&s.User), &generation, &parent, &attempt, &created, &rotated, &authTime,
		&methods, &s.Device, &s.Network, &ended, &reason, &by)
	s.Generation = uint32(generation)
	copy(s.Parent[:], parent)
	copy(s.Attempt[:], attempt)
	s.CreatedAt, s.RotatedAt, s.AuthTime, s.Methods = moment(created), moment(rotated), moment(authTime), words(methods)
	s.End = session.End{At: optionalMoment(ended), Reason: session.EndReason(orEmpty(reason)), By: orEmpty(by)}
	return s, err
}

func (t *tx) Session(id ulid.ID) (session.Session, error) {
	return one(t, scanSession, t.locked(selectSession, "s"), [16]byte(id))
}

// lockOwner keeps sessions of an account from being added: to add one takes a
// share of the lock of the row that it refers to.
func (t *tx) lockOwner(owner ulid.ID) error {
	if !t.write {
		return nil
	}
	_, err := t.exec(lockOwner, [16]byte(owner))
	return err
}

func (t *tx) Sessions(owner ulid.ID, n int) ([]session.Session, error) {
	if err := t.lockOwner(owner); err != nil {
		return nil, err
	}
	return all(t, scanSession, selectSessions, [16]byte(owner), limit(n))
}

func (t *tx) LiveSessions(owner ulid.ID) ([]session.Session, error) {
	if err := t.lockOwner(owner); err != nil {
		return nil, err
	}
	return all(t, scanSession, selectLiveSessions, [16]byte(owner))
}

func (t *tx) InsertSession(s session.Session) error {
	var reason, by any
	if s.Ended() {
		reason, by = text(s.End.Reason), text(s.End.By)
	}
	err := t.insert(insertSession, [16]byte(s.User), [16]byte(s.ID), int64(s.Generation), s.Parent[:], s.Attempt[:],
		millis(s.CreatedAt), millis(s.RotatedAt), millis(s.AuthTime), text(strings.Join(s.Methods, " ")), text(s.Device), text(s.Network),
		optionalMillis(s.End.At), reason, by)
	if errors.Is(err, auth.ErrExists) { // or there is no such account
		if _, err := one(t, scanNothing, userExists, [16]byte(s.User)); err != nil {
			return err
		}
	}
	return err
}

func scanNothing(pgx.CollectableRow) (struct{}, error) { return struct{}{}, nil }

func (t *tx) EndSession(id ulid.ID, end session.End) (bool, error) {
	if end.At.IsZero() {
		return false, errors.New("postgres: an ending needs a time: without one the session would live on")
	}
	n, err := t.exec(endSession, [16]byte(id), millis(end.At), text(end.Reason), text(end.By))
	if err != nil {
		return false, err
	}
	if n == 0 {
		_, err := one(t, scanNothing, sessionExists, [16]byte(id))
		return false, err
	}
	t.revoke(auth.Revocation{Kind: auth.RevokedSession, Subject: id.String(), At: end.At, Reason: string(end.Reason), By: end.By})
	return true, nil
}
