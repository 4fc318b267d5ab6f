package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

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
	codeNoRight         = "42501"
	codeNoDatabase      = "3D000"
	codeNoRole          = "28000" // or pg_hba.conf has no line for it
	codePassword        = "28P01"
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

// connectError is that of a connection which was not made. pgx takes a line for
// each address that it tried; this is one line for logs and commands, and says
// what to do.
type connectError struct{ err *pgconn.ConnectError }

func (e *connectError) Error() string {
	var lines []string
	for line := range strings.Lines(e.err.Error()) {
		// Without TLS it tries the same address again, mostly with the same outcome.
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	text := lines[0]
	if len(lines) > 1 { // the first ends with a colon
		text += " " + strings.Join(lines[1:], "; ")
	}
	return text + " (" + advice(e.err, text) + ")"
}

func (e *connectError) Unwrap() error { return e.err }

// notConnected makes an error of pgx one for people.
func notConnected(err error) error {
	var e *pgconn.ConnectError
	if errors.As(err, &e) {
		return &connectError{e}
	}
	return err
}

// advice says what to do where no connection was made.
func advice(err error, text string) string {
	var name *net.DNSError
	switch c := code(err); {
	case c == codeNoDatabase:
		return "make the database, or name another one in the URL"
	case c == codeNoRole, c == codePassword:
		return "see that the user and the password are right, and that pg_hba.conf lets them in from here"
	case c == codeTooMany:
		return "raise max_connections, or lower pool_max_conns in the URLs"
	case c == codeCannotConnect, c == codeAdminShutdown, c == codeCrashShutdown:
		return "it is starting or stopping: try again"
	case c != "":
		return "the database's log says more"
	case errors.As(err, &name):
		return "see that the host in the URL is right"
	case strings.Contains(text, "read only connection"):
		return "name the primary in the URL, which takes writes"
	case strings.Contains(text, "tls error"):
		return "see sslmode and sslrootcert in the URL, and whether the server has TLS"
	default:
		return "see that PostgreSQL runs there, and that host and port in the URL are right"
	}
}

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
