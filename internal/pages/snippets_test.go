package pages

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// A block of Go is a whole file, or what could stand in this function.
const frame = `package snippet

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/server"
)

var (
	_ = log.Print
	_ = os.Getenv
	_ = time.Now
	_ = doorward.DenialHeader
	_ = server.New
)

func snippet(
	ctx context.Context, mux *http.ServeMux, g *guard.Guard, r *http.Request,
	profile, reports, createOrder http.Handler, config server.Config,
) {
%s
}
`

var goBlocks = regexp.MustCompile("(?s)\n```go\n(.*?)\n```")

// TestGoSnippetsCompile type-checks every block of Go on the pages, and of the
// document about them.
func TestGoSnippetsCompile(t *testing.T) {
	fset := token.NewFileSet()
	exports := exportData(t, "context", "log", "net/http", "os", "time", "../..", "../../guard", "../../server")
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		file, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("no package %q in a snippet, so far", path)
		}
		return os.Open(file)
	})}
	about, err := os.ReadFile("../../docs/why.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"why": string(about)}
	for _, a := range articles(t) {
		texts[string(a.Info.Code)] = a.File
	}
	count := 0
	for name, text := range texts {
		for _, m := range goBlocks.FindAllStringSubmatch(text, -1) {
			count++
			code := m[1]
			if !strings.HasPrefix(code, "package ") {
				code = fmt.Sprintf(frame, code)
			}
			file, err := parser.ParseFile(fset, name+".go", code, parser.SkipObjectResolution)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if _, err := conf.Check("snippet", fset, []*ast.File{file}, nil); err != nil {
				t.Errorf("%s: %v\n%s", name, err, m[1])
			}
		}
	}
	if count < 5 {
		t.Errorf("found only %d blocks of Go", count)
	}
}

// exportData returns where the compiler has put what packages export, for
// those named and all that they need.
func exportData(t *testing.T, packages ...string) map[string]string {
	t.Helper()
	args := append([]string{"list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}"}, packages...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			files[path] = file
		}
	}
	return files
}
