package sqlite

import (
	"time"

	"github.com/doorward/doorward/internal/auth"
)

const (
	insertRevocation  = `INSERT INTO revocation (kind, subject, at) VALUES (?, ?, ?)`
	selectRevocations = `SELECT seq, kind, subject, at FROM revocation WHERE seq > ? AND at >= ? ORDER BY seq LIMIT ?`
)

func scanRevocation(r *stmt) auth.Revocation {
	return auth.Revocation{Seq: r.intAt(0), Kind: auth.RevocationKind(r.textAt(1)), Subject: r.textAt(2), At: r.timeAt(3)}
}

func (t *tx) revoke(kind auth.RevocationKind, subject string, at time.Time) error {
	t.revoked = true
	return t.prepare(insertRevocation).text(string(kind)).text(subject).time(at).run()
}

func (t *tx) Revocations(after int64, since time.Time, limit int) ([]auth.Revocation, error) {
	return all(t.prepare(selectRevocations).int(after).time(since).limit(limit), scanRevocation)
}
