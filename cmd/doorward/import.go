package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/strictjson"
	"github.com/doorward/doorward/internal/user"
)

func (a *app) userImportCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Add accounts with the password hashes they had elsewhere",
		Long: `Add accounts from a file (- is standard input), one on each line, as JSON

  {"email":"ada@example.com","name":"Ada Lovelace","passwordHash":"$2b$12$..."}

or as CSV whose first line names the columns: email,name,passwordHash. Hashes of
Argon2, bcrypt, scrypt and PBKDF2 are taken and renewed at the next login; without
one, the account has no password until it is given one. Lines that cannot be taken
are told by number and the others imported, unless --strict.`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			lines, err := a.readImport(args[0])
			if err != nil {
				return err
			}
			return a.operateNew(cmd, func(ctx context.Context, o operator) error { return a.importUsers(ctx, o, lines, strict) })
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "import nothing unless every line can be taken")
	return a.facts(a.settings(cmd, "store"))
}

// importLine is one account of a file, or why there is none.
type importLine struct {
	number int
	email  string
	name   string
	hash   string
	fault  string
}

// refusedLine is what is told of a line that was not imported. It repeats
// nothing of a hash.
type refusedLine struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// importUsers adds what can be taken. What every line by itself and all lines
// together tell is checked before the first is written.
func (a *app) importUsers(ctx context.Context, o operator, lines []importLine, strict bool) error {
	if err := checkImport(ctx, o, lines); err != nil {
		return err
	}
	imported, refused := 0, []refusedLine{}
	stop := strict && slices.ContainsFunc(lines, func(l importLine) bool { return l.fault != "" })
	for _, line := range lines {
		if line.fault == "" && !stop {
			_, err := o.ImportUser(ctx, line.email, line.name, line.hash)
			if r, ok := errors.AsType[*auth.Refusal](err); ok {
				line.fault, _ = refusalText(r)
			} else if err != nil {
				return fmt.Errorf("line %d: %w (%d accounts were imported before)", line.number, err, imported)
			} else {
				imported++
			}
		}
		if line.fault != "" {
			refused = append(refused, refusedLine{line.number, line.fault})
		}
	}
	err := a.tell(struct {
		Imported int           `json:"imported"`
		Refused  []refusedLine `json:"refused"`
	}{imported, refused}, func() {
		for _, r := range refused {
			a.complain(fmt.Sprintf("line %d: %s", r.Line, r.Reason), "")
		}
		a.say("imported %d of %d accounts", imported, len(lines))
	})
	if err == nil && len(refused) > 0 {
		return errReported
	}
	return err
}

// checkImport marks the lines that cannot be taken.
func checkImport(ctx context.Context, o operator, lines []importLine) error {
	seen := make(map[string]int, len(lines))
	for i := range lines {
		line := &lines[i]
		if line.fault != "" {
			continue
		}
		key := line.check()
		if line.fault != "" {
			continue
		}
		if first := seen[key]; first != 0 {
			line.fault = fmt.Sprintf("email: the same address as on line %d", first)
			continue
		}
		seen[key] = line.number
		err := o.store.View(ctx, func(tx auth.Tx) error {
			_, err := tx.UserByEmail(key)
			return err
		})
		if err == nil {
			line.fault = "email: an account with this address exists already"
		} else if !errors.Is(err, auth.ErrNotFound) {
			return err
		}
	}
	return nil
}

// check looks at a line by itself and returns the key of its address.
func (l *importLine) check() string {
	_, key, err := user.ParseEmail(l.email)
	if err == nil {
		_, err = user.ParseName(l.name)
	}
	if err == nil && l.hash != "" {
		if _, err = password.Parse(l.hash); err != nil {
			err = fmt.Errorf("passwordHash: %w", err)
		}
	}
	if err != nil {
		l.fault = err.Error()
	}
	return key
}

// readImport reads all lines of a file.
func (a *app) readImport(path string) ([]importLine, error) {
	in := a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // nothing was written
		in = f
	}
	r := bufio.NewReader(in)
	if mark, _ := r.Peek(3); string(mark) == "\uFEFF" {
		_, _ = r.Discard(3) // what was peeked at can be discarded
	}
	begin, err := r.Peek(r.Size())
	switch begin = bytes.TrimSpace(begin); {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(begin) == 0:
		return nil, &failure{text: "there is nothing to import: " + path + " is empty"}
	case begin[0] == '{':
		return readJSONLines(r)
	default:
		return readCSV(r)
	}
}

// maxImportLine bounds a line, in bytes.
const maxImportLine = 64 << 10

var importMembers = []string{"email", "name", "passwordHash"}

func readJSONLines(r io.Reader) (lines []importLine, err error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxImportLine)
	number := 1
	for ; scan.Scan(); number++ {
		if text := bytes.TrimSpace(scan.Bytes()); len(text) > 0 {
			lines = append(lines, jsonLine(number, text))
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", number, err)
	}
	return lines, nil
}

func jsonLine(number int, text []byte) importLine {
	line := importLine{number: number}
	object, err := strictjson.ParseObject(text)
	if err != nil {
		line.fault = "not a JSON object: " + err.Error()
		return line
	}
	for _, m := range object.Members {
		field := line.field(m.Name)
		switch {
		case field == nil:
			line.fault = unknownColumn("member", m.Name)
		case m.Value.Kind == strictjson.String:
			*field = m.Value.Text
		case m.Value.Kind != strictjson.Null:
			line.fault = m.Name + ": is " + m.Value.Kind.String() + ", not a string"
		}
	}
	return line
}

func (l *importLine) field(name string) *string {
	switch name {
	case "email":
		return &l.email
	case "name":
		return &l.name
	case "passwordHash":
		return &l.hash
	default:
		return nil
	}
}

func unknownColumn(what, name string) string {
	text := fmt.Sprintf("unknown %s %.100q", what, name)
	if near := config.Nearest(name, importMembers); near != "" {
		text += "; did you mean " + near + "?"
	}
	return text
}

func readCSV(in io.Reader) (lines []importLine, err error) {
	r := csv.NewReader(in)
	columns, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("the first line does not name the columns: %w", csvFault(err))
	}
	for i, name := range columns {
		columns[i] = strings.TrimSpace(name)
		if !slices.Contains(importMembers, columns[i]) {
			return nil, &failure{text: "the first line: " + unknownColumn("column", columns[i]), hint: "it names the columns: " + strings.Join(importMembers, ",")}
		}
	}
	if !slices.Contains(columns, "email") {
		return nil, &failure{text: "the first line names no column email"}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		var fault *csv.ParseError
		if err != nil && !errors.As(err, &fault) {
			return nil, err
		}
		if fault != nil {
			lines = append(lines, importLine{number: fault.StartLine, fault: fault.Err.Error()})
			if !errors.Is(fault.Err, csv.ErrFieldCount) {
				return lines, nil // where a quote is open, no later line can be told apart
			}
			continue
		}
		number, _ := r.FieldPos(0)
		line := importLine{number: number}
		for i, name := range columns {
			*line.field(name) = row[i]
		}
		lines = append(lines, line)
	}
}

// csvFault is what went wrong, without the prefix that names a line twice.
func csvFault(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return e.Err
	}
	return err
}
