// Package archtest holds the shape of the house: which package may import
// which, and why not. ARCHITECTURE.md says the same; a test compares.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/doorward/doorward"

// room is one package and where it stands. Imports go down only: to a lower
// level, or within a level to what beside names.
type room struct {
	path   string
	level  int
	beside []string // packages of the same level that it may import
}

var rooms = []room{
	{"internal/ulid", 0, nil},
	{"internal/strictjson", 0, nil},
	{".", 0, []string{"internal/ulid"}},

	{"verify", 1, nil},
	{"internal/secret", 1, nil},
	{"internal/cors", 1, nil},
	{"internal/apikey", 1, []string{"internal/secret"}},
	{"internal/ledger", 1, nil},

	{"guard", 2, nil},
	{"client", 2, nil},
	{"internal/why", 2, nil},
	{"internal/doctor", 2, []string{"internal/why"}},

	{"internal/event", 3, nil},
	{"internal/user", 3, nil},
	{"internal/argon2", 3, nil},
	{"internal/password", 3, []string{"internal/argon2"}},
	{"internal/throttle", 3, nil},
	{"internal/signing", 3, nil},
	{"internal/session", 3, []string{"internal/user"}},

	{"internal/hashpool", 4, nil},
	{"internal/auth", 4, []string{"internal/hashpool"}},

	{"docs", 5, nil},
	{"web", 5, nil},
	{"internal/pages", 5, []string{"docs", "web"}},
	{"internal/httpapi", 5, nil},
	{"sqlite", 5, nil},
	{"postgres", 5, nil},
	{"client/tokensource", 5, nil},
	{"internal/probe", 5, nil},

	{"server", 6, nil},
	{"internal/config", 6, []string{"server"}},

	{"doorwardtest", 7, nil},
	{"cmd/doorward", 7, nil},
	{"bench", 7, []string{"internal/pgtest"}},
	{"web/build", 7, nil},
	{"examples/resource-server", 7, nil},
	{"examples/embed", 7, nil},
	{"examples/client", 7, nil},
	{"examples/scale", 7, nil},

	// Only tests import these.
	{"internal/storetest", 7, nil},
	{"internal/pgtest", 7, nil},
	{"internal/archtest", 7, nil},
	{"internal/interop", 7, nil},
	{"internal/fleet", 7, nil},
	{"internal/linear", 7, []string{"internal/fleet"}},
	{"internal/corpus", 7, nil},
}

// forbidden imports, each with the reason that a failing test prints.
type rule struct {
	levels  []int
	imports *regexp.Regexp
	reason  string
}

var rules = []rule{
	{[]int{0, 1, 2}, regexp.MustCompile(`^[^/]+\.[^/]+/`),
		"who imports the guard or the client must get no third-party module"},
	{[]int{0, 1, 2}, regexp.MustCompile(`^database/sql`),
		"verifying and guarding work without a store"},
	{[]int{3}, regexp.MustCompile(`^(net/http|database/sql|os|os/.*|log|log/slog|context)$`),
		"rules are values in, values out: what they decide must be testable as a table"},
	{[]int{4}, regexp.MustCompile(`^(net/http|database/sql)$`),
		"a story knows neither how it was asked nor how a store keeps things"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
	Doc        string
	Name       string
	GoFiles    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,Name,GoFiles", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func roomOf(path string) (room, bool) {
	rel := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
	if rel == "" {
		rel = "."
	}
	i := slices.IndexFunc(rooms, func(r room) bool { return r.path == rel })
	if i < 0 {
		return room{}, false
	}
	return rooms[i], true
}

func TestArrowsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		from, ok := roomOf(p.ImportPath)
		if !ok {
			t.Errorf("%s has no place in the house: add it to rooms and to ARCHITECTURE.md", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if path != module && !strings.HasPrefix(path, module+"/") {
				continue
			}
			to, ok := roomOf(path)
			switch {
			case !ok:
				t.Errorf("%s imports %s, which has no place in the house", from.path, path)
			case to.level > from.level:
				t.Errorf("%s (level %d) imports %s (level %d): arrows point down", from.path, from.level, to.path, to.level)
			case to.level == from.level && !slices.Contains(from.beside, to.path):
				t.Errorf("%s imports %s beside it on level %d, which the table does not allow", from.path, to.path, to.level)
			}
		}
	}
}

func TestForbiddenImports(t *testing.T) {
	for _, p := range packages(t) {
		from, ok := roomOf(p.ImportPath)
		if !ok {
			continue
		}
		for _, r := range rules {
			if !slices.Contains(r.levels, from.level) {
				continue
			}
			for _, path := range p.Imports {
				own := path == module || strings.HasPrefix(path, module+"/")
				if !own && r.imports.MatchString(path) {
					t.Errorf("%s (level %d) imports %s: %s", from.path, from.level, path, r.reason)
				}
			}
		}
	}
}

// TestRulesHaveNoClock: a rule is told the time. So is everything that must be
// testable at any hour.
func TestRulesHaveNoClock(t *testing.T) {
	clock := regexp.MustCompile(`\btime\.(Now|Since|Until|Sleep|After|Tick|NewTimer|NewTicker)\b`)
	for _, r := range rooms {
		if r.level != 3 && r.path != "verify" {
			continue
		}
		for _, name := range goFiles(t, "../../"+r.path) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if m := clock.Find(src); m != nil {
				t.Errorf("%s uses %s: a rule is told the time", name, m)
			}
		}
	}
}

func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			names = append(names, dir+"/"+e.Name())
		}
	}
	return names
}

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestImportersGetNoModules builds a program that imports the guard, in a
// module of its own, and looks at what it depends on.
func TestImportersGetNoModules(t *testing.T) {
	for _, pkg := range []string{"guard", "client", "verify", "."} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./"+pkg)
		cmd.Dir = "../.."
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if !strings.HasPrefix(dep, module) {
				t.Errorf("whoever imports %s gets %s", pkg, dep)
			}
		}
	}
}

// TestArchitectureSaysTheSame reads the table of levels in ARCHITECTURE.md.
func TestArchitectureSaysTheSame(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| L(\\d) \\| (.*) \\|.*\\|$")
	said := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[2], -1) {
			said[name[1]] = m[1]
		}
	}
	for _, r := range rooms {
		name := r.path
		if name == "." {
			name = "doorward"
		}
		if said[name] != fmt.Sprint(r.level) {
			t.Errorf("ARCHITECTURE.md puts %s on level %q, the table on %d", name, said[name], r.level)
		}
		delete(said, name)
	}
	for name := range said {
		t.Errorf("ARCHITECTURE.md names %s, which is not in the table", name)
	}
}
