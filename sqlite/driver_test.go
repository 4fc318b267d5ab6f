package sqlite

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"
)

// TestLibcIsPinned: SQLite in Go is made for one version of its C library, and
// goes wrong in silence with another.
func TestLibcIsPinned(t *testing.T) {
	type module struct{ Version, GoMod string }
	list := func(path string) (m module) {
		out, err := exec.Command("go", "list", "-m", "-json", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	gomod, err := os.ReadFile(list("modernc.org/sqlite").GoMod)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^\s*modernc\.org/libc (\S+)`).FindSubmatch(gomod)
	if want == nil {
		t.Fatal("the go.mod of modernc.org/sqlite names no modernc.org/libc")
	}
	if got := list("modernc.org/libc").Version; got != string(want[1]) {
		t.Errorf("go.mod has modernc.org/libc %s, and modernc.org/sqlite needs %s, exactly", got, want[1])
	}
}

// TestPlans: no statement looks at more rows than it must, except for those
// that are few.
func TestPlans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	openAt(t, path)
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, sql := range []string{
		selectStanding, swapSession, selectSession, selectSessions, selectLiveSessions, insertSession, endSession, sessionExists,
		selectUser, selectUserByEmail, selectUsers, insertUser, updateUser,
		insertRevocation, selectRevocations, selectCount, deleteCount, upsertCount, insertKey, deleteKey,
		selectAPIKey, selectAPIKeys, insertAPIKey, revokeAPIKey, touchAPIKey,
		insertEvent, selectEventsOfUser, selectEventsOfSession, selectEventsOfBoth,
		insertDenial, upsertFlood, selectDenial, selectFloods,
		purgeCounts, purgeEvents, purgeFloods, purgeEnded, endOfStretch, purgeStretch,
	} {
		plan, err := all(c.prepare("EXPLAIN QUERY PLAN "+sql), func(s *stmt) string { return s.textAt(3) })
		if err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s: %s", sql, step)
			}
		}
	}
}

// TestPlansAreKept: statements are planned once, also in a database that
// somebody has run ANALYZE on.
func TestPlansAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doorward.db")
	sessions := addSessions(t, openAt(t, path), 100)
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.script("ANALYZE"); err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		if _, err := one(c.prepare(selectStanding).id(s.ID), scanStanding); err != nil {
			t.Fatal(err)
		}
	}
	if n := sqlite3.Xsqlite3_stmt_status(c.tls, c.prepare(selectStanding).p, sqlite3.SQLITE_STMTSTATUS_REPREPARE, 0); n != 0 {
		t.Errorf("planned anew %d times", n)
	}
}
