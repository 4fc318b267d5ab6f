package postgres

import (
	"testing"

	"github.com/doorward/doorward/internal/pgtest"
)

// TestSize: a session is small; to refresh it writes little to the log, changes
// no index, and makes nothing grow.
func TestSize(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	// Without full_page_writes the log holds what a refresh itself writes: after a
	// checkpoint, the first change of a page writes all of it, however small it is.
	c := pgtest.Start(t, "full_page_writes=off", "autovacuum=off")
	url, err := c.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := openAt(t, url)
	ids := fill(t, s, n)
	const (
		size = "SELECT pg_table_size('doorward.session') + pg_indexes_size('doorward.session')"
		log  = "SELECT pg_current_wal_insert_lsn() - '0/0'"
		cold = "SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'doorward.session'::regclass"
	)
	fresh := number(t, url, size)
	refreshMany(t, s, ids, 32, 2*n)
	used, written := number(t, url, size), number(t, url, log)
	refreshMany(t, s, ids, 32, 2*n)
	grown, written := number(t, url, size)-used, number(t, url, log)-written
	if err := s.Close(); err != nil { // the figures of a connection are told when it ends, if not before
		t.Fatal(err)
	}
	t.Logf("a session takes %.1f bytes when it begins and %.1f when it was refreshed; a refresh writes %.1f bytes of log; %d bytes grown; %d of %d updates were not HOT",
		float64(fresh)/float64(n), float64(used)/float64(n), float64(written)/float64(2*n), grown, number(t, url, cold), 4*n)
	// Beside the rows there are some pages, however few rows there are.
	if most := int64(250*n + 12*8192); used > most {
		t.Errorf("a session takes %d bytes", used/int64(n))
	}
	if most := int64(400 * 2 * n); written > most {
		t.Errorf("a refresh writes %d bytes of log", written/int64(2*n))
	}
	// Some pages were written to more often at one time than they have room for:
	// the more, the longer the machine lets a reader stand. Were none of the
	// updates HOT, it would be a thousand pages.
	if most := int64(64 * 8192); grown > most {
		t.Errorf("%d refreshes made the table grow by %d bytes", 2*n, grown)
	}
}
