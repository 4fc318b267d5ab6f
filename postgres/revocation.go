package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/doorward/doorward/internal/auth"
)

const (
	insertRevocations = `INSERT INTO doorward.revocation (kind, subject, at, reason, by)
		SELECT kind, subject, coalesce(at, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), reason, by
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS r (kind, subject, at, reason, by)`
	selectRevocations = `SELECT seq, kind, subject, at, reason, by FROM doorward.revocation
		WHERE seq > $1 ORDER BY seq LIMIT $2`

	channel = "doorward_revocation"
	// notify wakes those who follow the log once the transaction is committed.
	notify = `SELECT pg_notify('` + channel + `', '')`
)

func scanRevocation(row pgx.CollectableRow) (r auth.Revocation, err error) {
	var at int64
	err = row.Scan(&r.Seq, (*string)(&r.Kind), &r.Subject, &at, &r.Reason, &r.By)
	r.At = moment(at)
	return r, err
}

// revoke keeps an entry of the log until the transaction is committed. Whoever
// has the lock of the log keeps everybody else's entries waiting, so it is taken
// last, in one message with the commit: a process that is frozen, or far away,
// in the middle of a closure does not have it.
func (t *tx) revoke(r auth.Revocation) { t.revoked = append(t.revoked, r) }

// queueRevocations adds the statements that write what was kept.
func (t *tx) queueRevocations(b *pgx.Batch) {
	if len(t.revoked) == 0 {
		return
	}
	n := len(t.revoked)
	kinds, subjects, reasons, bys := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	at := make([]any, n) // NULL: now, by the clock that all nodes share
	for i, r := range t.revoked {
		kinds[i], subjects[i], at[i], reasons[i], bys[i] = text(r.Kind), text(r.Subject), optionalMillis(r.At), text(r.Reason), text(r.By)
	}
	b.Queue(advisoryLock, lockStore, lockLog)
	b.Queue(insertRevocations, kinds, subjects, at, reasons, bys)
	b.Queue(notify)
	t.revoked = nil
}

func (t *tx) Revocations(after int64, n int) ([]auth.Revocation, error) {
	if len(t.revoked) > 0 { // a transaction sees what it wrote
		b := new(pgx.Batch)
		t.queueRevocations(b)
		if _, err := t.run(b); err != nil {
			return nil, err
		}
	}
	return all(t, scanRevocation, selectRevocations, after, limit(n))
}
