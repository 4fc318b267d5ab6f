package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
)

// The hot path speaks the binary format of the protocol itself: it is two
// statements of a few columns, and what a driver spends on finding out their
// types is more than what is spent here on anything else.

const (
	readers  = 1
	swappers = 2 // one fills while another waits for the disk

	readName, swapName, againName = "read", "swap", "again"

	// v.n is the place in the batch.
	readSQL = `SELECT v.n, ` + sessionColumns + `, u.email, u.name, u.state
		FROM unnest($1::uuid[]) WITH ORDINALITY v (id, n)
		JOIN doorward.session s ON s.id = v.id JOIN doorward.user u ON u.n = s.owner`

	// Of several swaps of one session in a batch the server carries out one, and
	// says which. It locks the rows in the order of the batch.
	swapFrom = `UPDATE doorward.session s SET generation = v.generation, parent = v.parent, attempt = v.attempt, rotated_at = v.rotated_at
		FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[])
			WITH ORDINALITY v (id, old, generation, parent, attempt, rotated_at, n)
		WHERE s.id = v.id AND s.ended_at IS NULL AND `
	swapSQL = swapFrom + `s.generation = v.old RETURNING v.n`
	// Once a swap was sent and no answer came, it may have been done. To write the
	// same again tells so, and waits until it is durable: one whose connection broke
	// while it waited for a standby is in sight before it is on the standby's disk.
	againSQL = swapFrom + `(s.generation = v.old OR s.generation = v.generation AND s.parent = v.parent
		AND s.attempt = v.attempt AND s.rotated_at = v.rotated_at) RETURNING v.n`
)

// read asks for one session.
type read struct {
	id       ulid.ID
	standing auth.Standing
	found    bool
}

// swap asks to put next in the place of generation from.
type swap struct {
	id   ulid.ID
	from uint32
	next session.Session
	done bool
}

func prepareRead(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Prepare(ctx, readName, readSQL, nil)
	return err
}

func prepareSwap(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Prepare(ctx, swapName, swapSQL, nil)
	if err == nil {
		_, err = conn.Prepare(ctx, againName, againSQL, nil)
	}
	return err
}

var binaryFormat = []int16{1}

func serveReads(ctx context.Context, conn *pgconn.PgConn, batch []*call[read], _ bool) error {
	ids := array(pgtype.UUIDOID, len(batch))
	for _, c := range batch {
		c.what.found = false
		ids = appendBytes(ids, c.what.id[:])
	}
	rows := conn.ExecPrepared(ctx, readName, [][]byte{ids}, binaryFormat, binaryFormat)
	var failed error
	for rows.NextRow() {
		v := rows.Values()
		c, err := place(batch, v[0])
		if err == nil {
			err = c.what.scan(v[1:])
		}
		if err != nil {
			failed = err
			continue
		}
		c.what.found = true
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	return failed
}

func serveSwaps(ctx context.Context, conn *pgconn.PgConn, batch []*call[swap], repeated bool) error {
	// In the order of the ids on every node, so that two of them do not each wait
	// for a row that the other has.
	slices.SortStableFunc(batch, func(a, b *call[swap]) int { return bytes.Compare(a.what.id[:], b.what.id[:]) })
	n := len(batch)
	ids, olds, generations := array(pgtype.UUIDOID, n), array(pgtype.Int8OID, n), array(pgtype.Int8OID, n)
	parents, attempts, rotated := array(pgtype.ByteaOID, n), array(pgtype.ByteaOID, n), array(pgtype.Int8OID, n)
	for _, c := range batch {
		w := &c.what
		w.done = false
		ids = appendBytes(ids, w.id[:])
		olds = appendInt(olds, int64(w.from))
		generations = appendInt(generations, int64(w.next.Generation))
		parents = appendBytes(parents, w.next.Parent[:])
		attempts = appendBytes(attempts, w.next.Attempt[:])
		rotated = appendInt(rotated, millis(w.next.RotatedAt))
	}
	name := swapName
	if repeated {
		name = againName
	}
	rows := conn.ExecPrepared(ctx, name, [][]byte{ids, olds, generations, parents, attempts, rotated}, binaryFormat, binaryFormat)
	var failed error
	for rows.NextRow() {
		c, err := place(batch, rows.Values()[0])
		if err != nil {
			failed = err
			continue
		}
		c.what.done = true
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	return failed
}

var errRow = errors.New("postgres: a row came back that is not of the form that was asked for")

// place returns the call that a row is about.
func place[T any](batch []*call[T], n []byte) (*call[T], error) {
	if len(n) != 8 {
		return nil, errRow
	}
	if i := binary.BigEndian.Uint64(n) - 1; i < uint64(len(batch)) {
		return batch[i], nil
	}
	return nil, errRow
}

// scan reads sessionColumns, email, name and state.
func (r *read) scan(v [][]byte) error {
	if len(v) != 17 || len(v[0]) != 16 || len(v[1]) != 16 {
		return errRow
	}
	for _, i := range []int{2, 5, 6, 7} {
		if len(v[i]) != 8 {
			return errRow
		}
	}
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(v[i])) }
	s := session.Session{
		ID: ulid.ID(v[0]), User: ulid.ID(v[1]), Generation: uint32(number(2)),
		CreatedAt: moment(number(5)), RotatedAt: moment(number(6)), AuthTime: moment(number(7)),
		Methods: words(string(v[8])), Device: string(v[9]), Network: string(v[10]),
	}
	copy(s.Parent[:], v[3])
	copy(s.Attempt[:], v[4])
	if v[11] != nil {
		if len(v[11]) != 8 {
			return errRow
		}
		s.End = session.End{At: moment(number(11)), Reason: session.EndReason(v[12]), By: string(v[13])}
	}
	r.standing = auth.Standing{Session: s, Email: string(v[14]), Name: string(v[15]), State: user.State(v[16])}
	return nil
}

// array begins an array of n elements in the binary format: how many dimensions,
// whether there are NULLs, the type, and for the one dimension its length and its
// first index.
func array(element uint32, n int) []byte {
	b := make([]byte, 0, 20+n*20)
	for _, v := range []uint32{1, 0, element, uint32(n), 1} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func appendBytes(b, v []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

func appendInt(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(v))
}
