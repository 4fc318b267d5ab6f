package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

const stale = "%s is stale: run `go generate ./web` and commit what it writes"

// fresh compares a file below web with what it should be.
func fresh(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Error(err)
	} else if !bytes.Equal(got, want) {
		t.Errorf(stale, "web/"+name)
	}
}

func TestCodesAreFresh(t *testing.T) {
	fresh(t, codesFile, codes())
}

// TestSum needs no Node: it looks whether the inputs are still those that the
// bundle was built from, and the bundle what came out.
func TestSum(t *testing.T) {
	said, err := os.ReadFile(filepath.Join("..", sumFile))
	if err != nil {
		t.Fatal(err)
	}
	now, err := sum("..", summed(string(said)))
	if err != nil {
		t.Fatal(err)
	}
	for was := range strings.Lines(string(said)) {
		if !strings.Contains(now, was) {
			_, name, _ := strings.Cut(strings.TrimSpace(was), "  ")
			t.Errorf(stale+": %s has changed", "web/bundle", name)
		}
	}
}

// TestBundleIsFresh builds in memory and compares each byte. The client has no
// dependencies and can always be built, the demo where "npm ci" was run.
func TestBundleIsFresh(t *testing.T) {
	building := entries
	_, err := os.Stat("../node_modules")
	if missing := errors.Is(err, fs.ErrNotExist); missing && os.Getenv("CI") == "" {
		t.Log("without web/node_modules only the client is built, not the demo")
		building = map[string]string{"doorward": entries["doorward"]}
	}
	built, err := bundle("..", building)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range built.files {
		fresh(t, "bundle/"+name, content)
	}
	if len(building) < len(entries) {
		return
	}
	want, err := sum("..", built.names())
	if err != nil {
		t.Fatal(err)
	}
	fresh(t, sumFile, []byte(want))
	files, err := os.ReadDir("../bundle")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(built.files) {
		t.Errorf("web/bundle has %d files, %d are built", len(files), len(built.files))
	}
}

// budgets are what each entry may cost a page: bytes of its own code, with what
// it imports of its package and without other packages, minified and then
// compressed as by gzip -9 (Go's is some bytes larger than zlib's).
var budgets = map[string]int{
	"@doorward/client":            6190, // 6,144 as zlib has it, which web/client/test/size.test.ts holds
	"@doorward/client/api":        1760,
	"@doorward/client/challenges": 570,
	"@doorward/client/streams":    3900,
	"@doorward/client/server":     2650,
	"@doorward/client/axios":      2250,
	"@doorward/client/ky":         1400,
	"@doorward/react":             1300,
}

func TestSizes(t *testing.T) {
	for _, folder := range []string{"client", "react"} {
		for entry, source := range exports(t, folder) {
			options := options("..")
			options.EntryPoints = []string{path.Join(folder, source)}
			options.Packages = api.PackagesExternal
			files, _, err := run(options)
			if err != nil {
				t.Errorf("%s: %v", entry, err)
			}
			for _, content := range files {
				size := compressed(t, content)
				t.Logf("%-27s %6d bytes, %5d compressed, of %5d", entry, len(content), size, budgets[entry])
				if size > budgets[entry] {
					t.Errorf("%s has %d bytes compressed, its budget is %d", entry, size, budgets[entry])
				}
			}
		}
	}
}

// exports returns what a package exports, with the sources.
func exports(t *testing.T, folder string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../" + folder + "/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Name    string                       `json:"name"`
		Exports map[string]map[string]string `json:"exports"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for entry, conditions := range manifest.Exports {
		sources[path.Join(manifest.Name, entry)] = conditions["@doorward/source"]
	}
	return sources
}

func compressed(t *testing.T, content []byte) int {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Len()
}
