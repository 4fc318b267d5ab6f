package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrClosed is returned by every call once a store was closed.
var ErrClosed = errors.New("postgres: the store is closed")

var (
	errOver     = errors.New("postgres: the transaction is over")
	errReadOnly = errors.New("postgres: a View writes nothing")
)

// unknownError is that of a commit to which no answer came.
type unknownError struct{ err error }

func (e *unknownError) Error() string {
	return fmt.Sprintf("postgres: it is not known whether the transaction was committed: %v", e.err)
}

func (e *unknownError) Unwrap() error { return e.err }

// The codes of PostgreSQL that are handled (Appendix A of its manual).
const (
	codeUniqueViolation = "23505"
	codeReadOnly        = "25006" // a primary that has become a standby
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeLockTimeout     = "55P03"
	codeTooMany         = "53300"
	codeAdminShutdown   = "57P01"
	codeCrashShutdown   = "57P02"
	codeCannotConnect   = "57P03" // starting up, or shutting down
	codeIdleTooLong     = "25P03" // a transaction of a process that was frozen
)

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// undone reports whether the server says that the statement, and with it the
// transaction, was given up, and that it may succeed when it is tried again.
func undone(err error) bool {
	c := code(err)
	return c == codeSerialization || c == codeDeadlock
}

// lost reports whether a connection, nil for one that was not made, is of no use
// any more, and another one may be: it broke, or its server takes no writes. What
// was on its way in it may have been done.
func lost(err error, conn *pgconn.PgConn) bool {
	switch c := code(err); c {
	case codeReadOnly, codeTooMany, codeAdminShutdown, codeCrashShutdown, codeCannotConnect, codeIdleTooLong:
		return true
	case "":
		// No word from the server: the network, or this side's time limit.
		return err != nil && !errors.Is(err, context.Canceled) && (conn == nil || conn.IsClosed())
	default:
		return c[:2] == "08" // connection exceptions, as of a pooler
	}
}
