package pgtest

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// count returns how many rows the table t has.
func count(t *testing.T, url string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // it was read from
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLives: what was committed is there after every end, and after a failover.
func TestLives(t *testing.T) {
	t.Parallel()
	c := Start(t)
	url, err := c.CreateDatabase(t.Context())
	try(t, err)
	name := url[strings.LastIndex(url, "/")+1:]
	try(t, c.Exec(t.Context(), name, "CREATE TABLE t (n int)"))
	for want, end := range []func() error{
		func() error { return c.Stop(Fast) }, func() error { return c.Stop(Immediate) }, c.Kill,
	} {
		try(t, c.Exec(t.Context(), name, "INSERT INTO t VALUES (1)"))
		try(t, end())
		try(t, c.Start())
		if n := count(t, url); n != want+1 {
			t.Errorf("%d rows, want %d", n, want+1)
		}
	}

	s, err := c.Standby()
	try(t, err)
	t.Cleanup(s.Close)
	both := URL(name, c, s)
	try(t, c.Exec(t.Context(), name, "INSERT INTO t VALUES (1)"))
	if n := count(t, both); n != 4 {
		t.Errorf("%d rows before the failover, want 4", n)
	}
	try(t, c.Kill())
	try(t, s.Promote())
	try(t, s.Exec(t.Context(), name, "INSERT INTO t VALUES (1)"))
	if n := count(t, both); n != 5 {
		t.Errorf("%d rows after the failover, want 5", n)
	}
}
