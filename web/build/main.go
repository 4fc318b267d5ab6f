// Command build writes what is generated below web: client/src/codes.ts from
// the table of codes, bundle from the TypeScript, and bundle.sum, which tells
// when either is stale. It runs in web, by "go generate ./web"; of Node it needs
// only what "npm ci" puts into node_modules.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := generate("."); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// generate writes everything, into web at dir.
func generate(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, codesFile), codes(), 0o644); err != nil {
		return err
	}
	built, err := bundle(dir, entries)
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, "bundle"), built.files); err != nil {
		return err
	}
	sum, err := sum(dir, built.names())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, sumFile), []byte(sum), 0o644)
}

// replace makes files the only content of a folder.
func replace(folder string, files map[string][]byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	there, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, file := range there {
		if _, ok := files[file.Name()]; !ok {
			if err := os.Remove(filepath.Join(folder, file.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
