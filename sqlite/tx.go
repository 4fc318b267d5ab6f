package sqlite

import (
	"context"
	"errors"
)

var errOver = errors.New("sqlite: the transaction is over")

// tx is an [auth.Tx] on a connection that has a transaction open.
type tx struct {
	store   *Store
	c       *conn
	ctx     context.Context // of a View; nil in an Update, whose batch waits for it
	over    bool
	revoked bool // the log of revocations has grown
}

// prepare returns a statement, or one that only tells why nothing can run.
func (t *tx) prepare(sql string) *stmt {
	switch {
	case t.over:
		return &stmt{c: t.c, err: errOver}
	case t.ctx != nil && t.ctx.Err() != nil:
		return &stmt{c: t.c, err: t.ctx.Err()}
	}
	return t.c.prepare(sql)
}
