// Command scale works out what so many sessions ask of a Doorward: of its
// nodes, its database, its log of revocations and the guards that follow it. It
// prints the tables of docs/scale.md.
//
//	go run ./examples/scale
//	go run ./examples/scale -into docs/scale.md
//
// What people do is simulated, by chance from a fixed seed, so that every run
// prints the same. What a refresh, a row and an ending cost was measured; see
// measured.go. Change either and run it again: that is what it is for.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(stderr)
	seed := flags.Uint64("seed", 1, "what chance begins with")
	into := flags.String("into", "", "put the tables into a document, in place of those there")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	tables := compute(*seed)
	if *into == "" {
		for _, t := range tables {
			fmt.Fprintf(stdout, "%s\n\n%s\n", t.name, t)
		}
		return 0
	}
	text, err := os.ReadFile(*into)
	if err == nil {
		var document string
		if document, err = fill(string(text), tables); err == nil {
			err = os.WriteFile(*into, []byte(document), 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "scale:", err)
		return 1
	}
	return 0
}

// fill puts each table in its place in a document.
func fill(document string, tables []table) (string, error) {
	for _, t := range tables {
		begin, end := "<!-- scale: "+t.name+" -->\n", "<!-- end -->\n"
		before, rest, begins := strings.Cut(document, begin)
		_, after, ends := strings.Cut(rest, end)
		if !begins || !ends {
			return "", fmt.Errorf("there is no place for the table %q: a line %q and a line %q", t.name, begin, end)
		}
		document = before + begin + t.String() + end + after
	}
	return document, nil
}

// table is one of the document's, the first line its head.
type table struct {
	name  string
	lines [][]string
}

func (t *table) add(cells ...string) { t.lines = append(t.lines, cells) }

// String writes the table in Markdown.
func (t table) String() string {
	var b strings.Builder
	for i, line := range t.lines {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(line)) + "\n")
		}
	}
	return b.String()
}

// compute works everything out.
func compute(seed uint64) []table {
	c := simulateCrowd(seed)
	return []table{behaviour(c), load(c), window(c), fanOut(seed), regions(seed), outage(c)}
}
