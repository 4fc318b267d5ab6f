package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"syscall"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// conn is one connection: SQLite's C interface as translated to Go, with types.
// It goes past database/sql and the driver for it because a statement on the
// hot path costs a third of what it costs through them, or less
// (docs/design/003-sqlite.md).
//
// One goroutine at a time may use a conn; only interrupt may be called beside.
type conn struct {
	tls   *libc.TLS
	db    uintptr
	buf   uintptr // C memory: values that are bound and out parameters pass through it
	room  int     // its size
	stmts map[string]*stmt
}

// Some systems need a patch that the driver, which is not linked in, would
// have made.
func init() { sqlite3.PatchIssue199() }

const (
	initialRoom = 512
	// transient tells SQLite to copy what is bound before it returns.
	transient = ^uintptr(0)
	// pointer is the size of a C pointer in bytes.
	pointer = bits.UintSize / 8
)

var errNoMemory = errors.New("sqlite: out of memory")

// dial opens a connection to an existing file. The path is taken literally:
// without SQLITE_OPEN_URI, '%', '?' and '#' mean nothing to SQLite.
func dial(path string) (*conn, error) {
	c := &conn{tls: libc.NewTLS(), stmts: make(map[string]*stmt)}
	if err := c.grow(initialRoom); err != nil {
		c.tls.Close()
		return nil, err
	}
	name, err := libc.CString(path)
	if err != nil {
		_ = c.close()
		return nil, errNoMemory
	}
	defer libc.Xfree(c.tls, name)
	// No mutex of SQLite's: a conn is not shared. Extended result codes tell a
	// key that is taken from a reference into the void.
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, c.buf,
		sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_NOMUTEX|sqlite3.SQLITE_OPEN_EXRESCODE, 0)
	c.db = c.outPointer()
	if rc == sqlite3.SQLITE_OK {
		rc = c.configure()
	}
	if rc != sqlite3.SQLITE_OK {
		err := c.fail(rc)
		_ = c.close()
		return nil, err
	}
	return c, nil
}

// configure sets what no PRAGMA can.
func (c *conn) configure() int32 {
	for _, option := range []struct {
		op, on int32
	}{
		{sqlite3.SQLITE_DBCONFIG_DEFENSIVE, 1}, // no SQL can damage the file
		{sqlite3.SQLITE_DBCONFIG_DQS_DDL, 0},   // "name" is never a string
		{sqlite3.SQLITE_DBCONFIG_DQS_DML, 0},
		// A plan never depends on the values bound. Else, once somebody ran
		// ANALYZE, every statement would be planned anew each time.
		{sqlite3.SQLITE_DBCONFIG_ENABLE_QPSG, 1},
	} {
		args := libc.VaList(c.buf, option.on, uintptr(0))
		if rc := sqlite3.Xsqlite3_db_config(c.tls, c.db, option.op, args); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	return sqlite3.SQLITE_OK
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		sqlite3.Xsqlite3_finalize(c.tls, s.p)
	}
	c.stmts = nil
	var err error
	if rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db); rc != sqlite3.SQLITE_OK {
		err = c.fail(rc)
	}
	sqlite3.Xsqlite3_free(c.tls, c.buf)
	c.tls.Close()
	return err
}

// grow makes room for n bytes in buf.
func (c *conn) grow(n int) error {
	if n <= c.room {
		return nil
	}
	p := sqlite3.Xsqlite3_realloc64(c.tls, c.buf, uint64(n))
	if p == 0 {
		return errNoMemory
	}
	c.buf, c.room = p, n
	return nil
}

// outPointer reads the pointer that C left in buf.
func (c *conn) outPointer() uintptr {
	b := libc.GoBytes(c.buf, pointer)
	if pointer == 4 {
		return uintptr(binary.NativeEndian.Uint32(b))
	}
	return uintptr(binary.NativeEndian.Uint64(b))
}

// busyFor makes statements that meet another's lock wait and try again, so
// long at most.
func (c *conn) busyFor(ms int32) { sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, ms) }

// inTransaction reports whether a transaction is open. After some errors
// SQLite has rolled it back by itself.
func (c *conn) inTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// changes returns how many rows the last statement wrote.
func (c *conn) changes() int { return int(sqlite3.Xsqlite3_changes(c.tls, c.db)) }

// interrupt makes the statement that runs return SQLITE_INTERRUPT. It may be
// called from another goroutine, as long as c is open.
func (c *conn) interrupt() {
	tls := libc.NewTLS() // c.tls is the other goroutine's
	sqlite3.Xsqlite3_interrupt(tls, c.db)
	tls.Close()
}

// script runs statements that return no rows and have no parameters.
func (c *conn) script(sql string) error {
	text, err := libc.CString(sql)
	if err != nil {
		return errNoMemory
	}
	defer libc.Xfree(c.tls, text)
	if rc := sqlite3.Xsqlite3_exec(c.tls, c.db, text, 0, 0, 0); rc != sqlite3.SQLITE_OK {
		return c.fail(rc)
	}
	return nil
}

// stmt is a prepared statement. Values are bound in the order of the
// parameters, each by one call. An error on the way is kept until next or run.
type stmt struct {
	c   *conn
	p   uintptr
	n   int32 // parameters bound
	err error
}

// prepare returns the statement for sql, prepared on first use and kept.
func (c *conn) prepare(sql string) *stmt {
	if s := c.stmts[sql]; s != nil {
		return s
	}
	s := &stmt{c: c}
	text, err := libc.CString(sql)
	if err != nil {
		s.err = errNoMemory
		return s
	}
	defer libc.Xfree(c.tls, text)
	if rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, c.buf, 0); rc != sqlite3.SQLITE_OK {
		s.err = c.fail(rc)
		return s
	}
	s.p = c.outPointer()
	c.stmts[sql] = s
	return s
}

func (s *stmt) bound(rc int32) *stmt {
	if rc != sqlite3.SQLITE_OK && s.err == nil {
		s.err = s.c.fail(rc)
	}
	return s
}

func (s *stmt) int(v int64) *stmt {
	if s.err != nil {
		return s
	}
	s.n++
	return s.bound(sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, s.n, v))
}

func (s *stmt) null() *stmt {
	if s.err != nil {
		return s
	}
	s.n++
	return s.bound(sqlite3.Xsqlite3_bind_null(s.c.tls, s.p, s.n))
}

func (s *stmt) blob(v []byte) *stmt {
	if s.err != nil {
		return s
	}
	if s.err = s.c.grow(len(v)); s.err != nil {
		return s
	}
	s.n++
	copy(libc.GoBytes(s.c.buf, len(v)), v)
	return s.bound(sqlite3.Xsqlite3_bind_blob(s.c.tls, s.p, s.n, s.c.buf, int32(len(v)), transient))
}

func (s *stmt) text(v string) *stmt {
	if s.err != nil {
		return s
	}
	if s.err = s.c.grow(len(v)); s.err != nil {
		return s
	}
	s.n++
	copy(libc.GoBytes(s.c.buf, len(v)), v)
	return s.bound(sqlite3.Xsqlite3_bind_text(s.c.tls, s.p, s.n, s.c.buf, int32(len(v)), transient))
}

// next moves to the next row and reports whether there is one. After the last
// row and after an error the statement can be bound anew.
func (s *stmt) next() (bool, error) {
	if s.err == nil {
		switch rc := sqlite3.Xsqlite3_step(s.c.tls, s.p); rc {
		case sqlite3.SQLITE_ROW:
			return true, nil
		case sqlite3.SQLITE_DONE:
		default:
			s.err = s.c.fail(rc)
		}
	}
	return false, s.reset()
}

// run executes a statement whose rows, if any, are of no interest.
func (s *stmt) run() error {
	for {
		if more, err := s.next(); !more {
			return err
		}
	}
}

// reset leaves the rows that are not read yet, and returns the error kept.
func (s *stmt) reset() error {
	err := s.err
	s.n, s.err = 0, nil
	if s.p == 0 { // never prepared: it stays unusable
		s.err = err
		return err
	}
	sqlite3.Xsqlite3_reset(s.c.tls, s.p) // returns the error of the step again
	return err
}

// The columns of the current row, counted from 0.

func (s *stmt) intAt(i int32) int64 { return sqlite3.Xsqlite3_column_int64(s.c.tls, s.p, i) }

func (s *stmt) nullAt(i int32) bool {
	return sqlite3.Xsqlite3_column_type(s.c.tls, s.p, i) == sqlite3.SQLITE_NULL
}

// bytesAt returns a view of SQLite's memory, valid until the statement moves.
func (s *stmt) bytesAt(i int32) []byte {
	p := sqlite3.Xsqlite3_column_blob(s.c.tls, s.p, i)
	if p == 0 {
		return nil
	}
	return libc.GoBytes(p, int(sqlite3.Xsqlite3_column_bytes(s.c.tls, s.p, i)))
}

// textAt copies. Text is stored as UTF-8, so its blob is the same bytes.
func (s *stmt) textAt(i int32) string { return string(s.bytesAt(i)) }

// fault is an error of SQLite's. Its text names tables and columns, and no
// value that is stored.
type fault struct {
	code    int32 // extended result code
	message string
}

func (f *fault) Error() string { return fmt.Sprintf("sqlite: %s (%d)", f.message, f.code) }

// fail returns the error behind a result code that was just returned.
func (c *conn) fail(rc int32) error {
	message := libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 {
		if detail := libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db)); detail != message {
			message += ": " + detail
		}
		switch rc & 0xFF {
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL:
			if errno := sqlite3.Xsqlite3_system_errno(c.tls, c.db); errno != 0 {
				message += ": " + syscall.Errno(errno).Error()
			}
		}
	}
	return &fault{rc, message}
}

// is reports whether err is one of SQLite's with the given result code, primary
// or extended.
func is(err error, code int32) bool {
	var f *fault
	return errors.As(err, &f) && (f.code == code || f.code&0xFF == code)
}
