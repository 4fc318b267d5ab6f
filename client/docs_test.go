package client_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocsCompile builds what docs/clients-go.md shows.
func TestDocsCompile(t *testing.T) {
	text, err := os.ReadFile("../docs/clients-go.md")
	if err != nil {
		t.Fatal(err)
	}
	var source bytes.Buffer
	source.WriteString(`package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
)

var _ = []any{log.Print, os.Exit, filepath.Join, errors.As, fmt.Println, doorward.TokenExpired}

func main() {}
`)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		code := string(block[1])
		source.WriteString("\nfunc _(ctx context.Context, s *client.Session, email, password string) error {\n{\n" + code)
		for _, name := range regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :?= `).FindAllStringSubmatch(code, -1) {
			for word := range strings.SplitSeq(name[1], ", ") {
				if word != "_" {
					source.WriteString("\t_ = " + word + "\n")
				}
			}
		}
		source.WriteString("}\nreturn nil\n}\n")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, source.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "examples/clients-go/main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", list, "-o", filepath.Join(dir, "docs"), "./examples/clients-go")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, &source)
	}
}
