//go:build ignore

// Generate makes the list of common passwords. It reads lists from standard
// input, one password a line, and writes to standard output what package
// password looks up: every entry that its rule of length does not refuse
// anyway, in NFC and lower case, sorted by bytes. See NOTICE for the sources.
package main

import (
	"bufio"
	"log"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func main() {
	var all []string
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		entry := strings.ToLower(norm.NFC.String(in.Text()))
		if utf8.RuneCountInString(entry) >= 8 && !garbled(entry) {
			all = append(all, entry)
		}
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
	slices.Sort(all)
	out := bufio.NewWriter(os.Stdout)
	for _, entry := range slices.Compact(all) {
		out.WriteString(entry + "\n")
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

// garbled finds what is no password but the trace of a wrong encoding:
// U+FFFD, or its three bytes read as another character set.
func garbled(entry string) bool {
	return !utf8.ValidString(entry) || strings.ContainsFunc(entry, unicode.IsControl) ||
		strings.ContainsRune(entry, utf8.RuneError) || strings.Contains(entry, "пїѕ")
}
