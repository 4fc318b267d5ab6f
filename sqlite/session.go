package sqlite

import (
	"errors"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

const (
	sessionColumns = `s.id, u.id, s.generation, s.parent, s.attempt, s.created_at, s.rotated_at, s.auth_time,
		s.methods, s.device, s.network, s.ended_at, s.end_reason, s.end_by`
	sessions = `SELECT ` + sessionColumns + ` FROM session s JOIN user u ON u.n = s.user WHERE `

	selectStanding = `SELECT ` + sessionColumns + `, u.email, u.name, u.state FROM session s JOIN user u ON u.n = s.user WHERE s.id = ?`
	swapSession    = `UPDATE session SET generation = ?, parent = ?, attempt = ?, rotated_at = ?
		WHERE id = ? AND generation = ? AND ended_at IS NULL`

	selectSession = sessions + `s.id = ?`
	// The index has the sessions of an account in the order of their ids.
	selectSessions     = sessions + `s.user = (SELECT n FROM user WHERE id = ?) ORDER BY s.id DESC LIMIT ?`
	selectLiveSessions = sessions + `s.user = (SELECT n FROM user WHERE id = ?) AND s.ended_at IS NULL ORDER BY s.id DESC`

	insertSession = `INSERT INTO session (id, generation, parent, attempt, created_at, rotated_at, auth_time,
		methods, device, network, ended_at, end_reason, end_by, user)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, n FROM user WHERE id = ?`
	endSession    = `UPDATE session SET ended_at = ?, end_reason = ?, end_by = ? WHERE id = ? AND ended_at IS NULL`
	sessionExists = `SELECT 1 FROM session WHERE id = ?`
)

func scanSession(r *stmt) session.Session {
	s := session.Session{
		ID: r.idAt(0), User: r.idAt(1), Generation: uint32(r.intAt(2)),
		CreatedAt: r.timeAt(5), RotatedAt: r.timeAt(6), AuthTime: r.timeAt(7),
		Methods: words(r.textAt(8)), Device: r.textAt(9), Network: r.textAt(10),
	}
	copy(s.Parent[:], r.bytesAt(3))
	copy(s.Attempt[:], r.bytesAt(4))
	if !r.nullAt(11) {
		s.End = session.End{At: r.timeAt(11), Reason: session.EndReason(r.textAt(12)), By: r.textAt(13)}
	}
	return s
}

func scanStanding(r *stmt) auth.Standing {
	return auth.Standing{Session: scanSession(r), Email: r.textAt(14), Name: r.textAt(15), State: user.State(r.textAt(16))}
}

func (t *tx) Session(id ulid.ID) (session.Session, error) {
	return one(t.prepare(selectSession).id(id), scanSession)
}

func (t *tx) Sessions(owner ulid.ID, limit int) ([]session.Session, error) {
	return all(t.prepare(selectSessions).id(owner).limit(limit), scanSession)
}

func (t *tx) LiveSessions(owner ulid.ID) ([]session.Session, error) {
	return all(t.prepare(selectLiveSessions).id(owner), scanSession)
}

func (t *tx) InsertSession(s session.Session) error {
	q := t.prepare(insertSession).id(s.ID).int(int64(s.Generation)).blob(s.Parent[:]).blob(s.Attempt[:]).
		time(s.CreatedAt).time(s.RotatedAt).time(s.AuthTime).
		text(strings.Join(s.Methods, " ")).text(s.Device).text(s.Network)
	return affect(q.end(s.End).id(s.User)) // no row: no such account
}

func (t *tx) EndSession(id ulid.ID, end session.End) (bool, error) {
	if end.At.IsZero() {
		return false, errors.New("sqlite: an ending needs a time: without one the session would live on")
	}
	if err := t.prepare(endSession).end(end).id(id).run(); err != nil {
		return false, err
	}
	if t.c.changes() == 0 {
		_, err := one(t.prepare(sessionExists).id(id), func(*stmt) bool { return true })
		return false, err
	}
	return true, t.revoke(auth.Revocation{
		Kind: auth.RevokedSession, Subject: id.String(), At: end.At, Reason: string(end.Reason), By: end.By,
	})
}

// end binds the three columns of an ending.
func (s *stmt) end(e session.End) *stmt {
	if e.At.IsZero() {
		return s.null().null().null()
	}
	return s.time(e.At).text(string(e.Reason)).text(e.By)
}
