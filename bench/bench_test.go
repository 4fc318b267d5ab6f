package main

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's program be the server under test as well.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// tiny is enough to see that everything is answered, and too little to measure.
var tiny = scale{
	rounds: 1, round: 40 * time.Millisecond, clients: 4, accounts: 8, strangers: 32, sessions: 400, starts: 1, rate: 500,
	crowded: 4, easyRate: 200, some: 100, most: 800, observed: 5,
}

func TestRows(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Fatal("the row start builds the command: ", err)
	}
	report, err := measure(t.Context(), rows, bench{scale: tiny, profiles: t.TempDir(), offline: true, stderr: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Failed {
		t.Errorf("%s: %s", f.Row, f.Error)
	}
	for _, r := range rows {
		if len(report.Skipped) == 0 && !slices.ContainsFunc(report.Figures, func(f figure) bool { return f.Row == r.name }) {
			t.Errorf("the row %s has no figure", r.name)
		}
	}
	for _, f := range report.Figures {
		if math.IsNaN(f.Value+f.Floor+f.Ratio) || math.IsInf(f.Value+f.Floor+f.Ratio, 0) {
			t.Errorf("%s, %s: %g against %g is %g", f.Row, f.What, f.Value, f.Floor, f.Ratio)
		}
	}
	for _, m := range report.Skipped {
		if t.Log(m); os.Getenv("CI") != "" {
			t.Error("nothing may be skipped here")
		}
	}
	text := report.String()
	for _, f := range report.Figures {
		if !strings.Contains(text, f.What) || !strings.Contains(text, quantity(f.Value, f.Unit)) {
			t.Errorf("the tables do not show %+v", f)
		}
	}
	t.Log(text)
}

// A server that answers something else must not be taken for a fast one.
func TestWrongAnswersAreNoticed(t *testing.T) {
	b := &bench{scale: tiny, dir: t.TempDir(), stderr: t.Output()}
	db, err := b.newDatabase(t.Context(), "wrong", 2)
	if err != nil {
		t.Fatal(err)
	}
	err = b.serving(t.Context(), db, 1, func(c *child, conns []*conn) error {
		for name, asks := range map[string]caller{
			"another status":   &same{request: get("/guarded", "no token"), body: answer},
			"another body":     &same{request: get("/bare", ""), body: "something else"},
			"a spent token":    refreshers([]string{"dwr_" + strings.Repeat("A", 92)}, 1, 1)[0],
			"nothing to ask":   &series{},
			"no such password": &entrant{requests: [][]byte{post(nil, "/auth/login", "", `{"email":"nobody@example.com","password":"x"}`)}},
		} {
			if s, err := closedLoop(t.Context(), conns, []caller{asks}, time.Minute); err == nil {
				t.Errorf("%s: %d answers were taken as right", name, s.n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	b := &bench{scale: tiny, dir: t.TempDir(), stderr: t.Output()}
	db, err := b.newDatabase(t.Context(), "rate", 1)
	if err != nil {
		t.Fatal(err)
	}
	err = b.serving(t.Context(), db, 3, func(c *child, conns []*conn) error {
		s, err := openLoop(t.Context(), conns, visitors("/bare", []string{"", "", ""}), 1000, 100*time.Millisecond)
		if err != nil {
			return err
		}
		if s.n != 100 {
			t.Errorf("%d requests in 100 ms at 1000 a second", s.n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestQuantiles(t *testing.T) {
	var h, half histogram
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(math.Exp(rand.Float64() * 25))
		all = append(all, d)
		if d%2 == 0 {
			h.add(d)
		} else {
			half.add(d)
		}
	}
	h.merge(half)
	slices.Sort(all)
	for _, q := range []float64{0, 0.1, 0.5, 0.99, 0.9999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		if got := h.quantile(q); got < want || float64(got) > float64(want)*(1+1.0/64)+1 {
			t.Errorf("quantile %g is %v, want %v or 1/64 more", q, got, want)
		}
	}
	if got := (&histogram{}).quantile(0.5); got != 0 {
		t.Errorf("a quantile of nothing is %v", got)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.123: "0.12", 1.257: "1.26", 12.34: "12.3", 250: "250", 1234.5: "1,234", 1234567: "1,234,567", -1234567: "-1,234,567", -0.2: "-0.20",
	} {
		if got := number(v); got != want {
			t.Errorf("%g reads %s, want %s", v, got, want)
		}
	}
}

func TestReplaceRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte("before\n"+runBegins+"old\n"+runEnds+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceRun(path, "new\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "before\n"+runBegins+"new\n"+runEnds+"after\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := os.WriteFile(path, []byte("no place\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceRun(path, "new\n"); err == nil {
		t.Error("a document without a place was written")
	}
}

// The columns are those of what was measured, in their order, and only the
// first has its goals judged.
func TestSides(t *testing.T) {
	r := report{Figures: []figure{
		{Row: "a", What: "x", Side: sideSQLite, Value: 1}, single("y", "µs", 2).atMost(1),
		figure{Row: "a", What: "x", Side: sidePostgres, Value: 3}.atMost(2), {Row: "a", What: "z", Side: sideSQLite, Value: 4},
	}}
	want := [][]string{
		{"row", "what", "PostgreSQL", "SQLite", "goal of PostgreSQL", "met"}, {"a", "x", "3", "1", "≤ 2", "NO"}, {"a", "z", "", "4", "", ""},
	}
	var lines [][]string
	for line := range strings.Lines(r.String()) {
		if cells := strings.Split(line, "|"); len(cells) == 8 && !strings.Contains(line, "---") {
			var trimmed []string
			for _, cell := range cells[1:7] {
				trimmed = append(trimmed, strings.TrimSpace(cell))
			}
			lines = append(lines, trimmed)
		}
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("%q\nin %s", lines, r)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{{"-rows", "gard"}, {"-seconds", "0"}, {"guard"}, {"-nonsense"}} {
		var stderr bytes.Buffer
		if status := run(t.Context(), args, nil, nil, &stderr); status != 2 || stderr.Len() == 0 {
			t.Errorf("%q: status %d, %q", args, status, &stderr)
		}
	}
}
