package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// entries are the modules that are bundled, by the name of what comes out.
var entries = map[string]string{
	"doorward": "client/src/index.ts",
	"demo":     "demo/src/main.tsx",
}

// built is what came out of bundling, and out of what.
type built struct {
	files    map[string][]byte // by their names in bundle
	sources  []string          // below web, with slashes
	packages []string          // as package-lock.json has them: node_modules/react
}

// names returns what the sum is taken of.
func (b built) names() []string {
	names := slices.Concat(b.sources, b.packages, []string{bundler})
	for name := range b.files {
		names = append(names, "bundle/"+name)
	}
	return names
}

// bundle makes one minified ES module of each of the entries, in memory, with a
// style sheet and other files where it imports some.
func bundle(dir string, entries map[string]string) (built, error) {
	b := built{files: map[string][]byte{}}
	inputs := map[string]bool{}
	for name, entry := range entries {
		options := options(dir)
		options.EntryPointsAdvanced = []api.EntryPoint{{InputPath: entry, OutputPath: name}}
		files, from, err := run(options)
		if err != nil {
			return built{}, fmt.Errorf("%s: %w", entry, err)
		}
		for path, content := range files {
			if have, ok := b.files[path]; ok && !bytes.Equal(have, content) {
				return built{}, fmt.Errorf("two different files want to be %s", path)
			}
			b.files[path] = content
		}
		for _, input := range from {
			inputs[input] = true
		}
	}
	for _, input := range slices.Sorted(maps.Keys(inputs)) {
		if name := packageOf(input); name == "" {
			b.sources = append(b.sources, input)
		} else if !slices.Contains(b.packages, name) {
			b.packages = append(b.packages, name)
		}
	}
	if len(b.packages) > 0 {
		text, err := licenses(dir, b.packages)
		if err != nil {
			return built{}, err
		}
		b.files["LICENSES.txt"] = text
	}
	return b, nil
}

// options are those of every build. What tsconfig.json says is for the type
// checker; a bundle depends on nothing that is not said here.
func options(dir string) api.BuildOptions {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	return api.BuildOptions{
		AbsWorkingDir: abs,
		Outdir:        "bundle",
		Bundle:        true,
		Metafile:      true,

		Platform:    api.PlatformBrowser,
		Format:      api.FormatESModule,
		Target:      api.ES2022,
		Conditions:  []string{"@doorward/source"},
		JSX:         api.JSXAutomatic,
		TsconfigRaw: `{"compilerOptions":{"verbatimModuleSyntax":true}}`,
		Define:      map[string]string{"process.env.NODE_ENV": `"production"`},

		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsEndOfFile,

		AssetNames: "[name]",
		Loader: map[string]api.Loader{
			".png": api.LoaderFile, ".svg": api.LoaderFile, ".woff2": api.LoaderFile,
		},
	}
}

// run builds in memory. It returns the files by their names, and the paths of
// all inputs below the working directory.
func run(options api.BuildOptions) (files map[string][]byte, inputs []string, err error) {
	result := api.Build(options)
	if messages := slices.Concat(result.Errors, result.Warnings); len(messages) > 0 {
		text := api.FormatMessages(messages, api.FormatMessagesOptions{})
		return nil, nil, errors.New(strings.TrimSpace(strings.Join(text, "")))
	}
	var meta struct {
		Inputs map[string]struct{} `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return nil, nil, err
	}
	files = map[string][]byte{}
	for _, file := range result.OutputFiles {
		files[filepath.Base(file.Path)] = file.Contents
	}
	return files, slices.Collect(maps.Keys(meta.Inputs)), nil
}

const modules = "node_modules/"

// packageOf returns the package that a file belongs to, as package-lock.json
// names it, and "" for a file of ours.
func packageOf(path string) string {
	i := strings.LastIndex(path, modules)
	if i < 0 {
		return ""
	}
	i += len(modules)
	parts := strings.SplitN(path[i:], "/", 3)
	if strings.HasPrefix(parts[0], "@") {
		return path[:i] + parts[0] + "/" + parts[1]
	}
	return path[:i] + parts[0]
}

// licenses returns the license texts of packages, which must go wherever their
// code goes.
func licenses(dir string, packages []string) ([]byte, error) {
	var b bytes.Buffer
	for _, name := range packages {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(name), "LICEN[CS]E*"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s has no LICENSE", name)
		}
		text, err := os.ReadFile(found[0])
		if err != nil {
			return nil, err
		}
		short := name[strings.LastIndex(name, modules)+len(modules):]
		fmt.Fprintf(&b, "%s\n\n%s\n\n", short, bytes.TrimSpace(text))
	}
	return b.Bytes(), nil
}
