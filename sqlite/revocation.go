package sqlite

import (
	"github.com/doorward/doorward/internal/auth"
)

const (
	insertRevocation  = `INSERT INTO revocation (kind, subject, at, reason, by) VALUES (?, ?, ?, ?, ?)`
	selectRevocations = `SELECT seq, kind, subject, at, reason, by FROM revocation WHERE seq > ? ORDER BY seq LIMIT ?`
)

func scanRevocation(r *stmt) auth.Revocation {
	return auth.Revocation{
		Seq: r.intAt(0), Kind: auth.RevocationKind(r.textAt(1)), Subject: r.textAt(2), At: r.timeAt(3),
		Reason: r.textAt(4), By: r.textAt(5),
	}
}

func (t *tx) revoke(r auth.Revocation) error {
	t.revoked = true
	return t.prepare(insertRevocation).text(string(r.Kind)).text(r.Subject).time(r.At).text(r.Reason).text(r.By).run()
}

func (t *tx) Revocations(after int64, limit int) ([]auth.Revocation, error) {
	return all(t.prepare(selectRevocations).int(after).limit(limit), scanRevocation)
}
