package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	sumFile = "bundle.sum"
	bundler = "github.com/evanw/esbuild"
)

// sum returns one line for each of names: the digest of a file below dir, or the
// version of a package of package-lock.json, or that of the bundler. Taken again
// later it tells, without Node, whether the bundle is still that of its sources.
func sum(dir string, names []string) (string, error) {
	versions, err := versions(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range slices.Sorted(slices.Values(names)) {
		version, ok := versions[name]
		if !ok {
			content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil {
				return "", err
			}
			version = fmt.Sprintf("%x", sha256.Sum256(content))
		}
		fmt.Fprintf(&b, "%s  %s\n", version, name)
	}
	return b.String(), nil
}

// summed returns the names that a sum was taken of.
func summed(sum string) []string {
	var names []string
	for line := range strings.Lines(sum) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		names = append(names, name)
	}
	return names
}

// versions returns the versions that package-lock.json has, and the bundler's.
func versions(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
			Link    bool   `json:"link"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	all := map[string]string{}
	for name, p := range lock.Packages {
		if strings.Contains(name, modules) && !p.Link {
			all[name] = p.Version
		}
	}
	module, err := os.ReadFile(filepath.Join(dir, "..", "go.mod"))
	if err != nil {
		return nil, err
	}
	found := regexp.MustCompile(regexp.QuoteMeta(bundler) + ` (v\S+)`).FindSubmatch(module)
	if found == nil {
		return nil, fmt.Errorf("go.mod does not require %s", bundler)
	}
	all[bundler] = string(found[1])
	return all, nil
}
