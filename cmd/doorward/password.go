package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
)

// newPassword reads a password that is to be set: at a terminal it is asked for
// twice and not shown, else it is the first line of standard input.
func (a *app) newPassword() (secret.Text, error) {
	if terminal(a.in) {
		return a.askPassword(int(a.in.(*os.File).Fd()))
	}
	// One byte more than is taken, and the end of the line.
	line, err := bufio.NewReaderSize(io.LimitReader(a.in, password.MaxBytes+3), password.MaxBytes+3).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return secret.Text{}, fmt.Errorf("the password cannot be read from standard input: %w", err)
	}
	return someText(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
}

func (a *app) askPassword(fd int) (secret.Text, error) {
	var typed [2]secret.Text
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(a.err, prompt)
		text, err := term.ReadPassword(fd)
		fmt.Fprintln(a.err)
		if err != nil {
			return secret.Text{}, err
		}
		typed[i] = secret.New(string(text))
	}
	if !typed[0].Equal(typed[1]) {
		return secret.Text{}, &failure{text: "the two passwords are not the same"}
	}
	return someText(typed[0].Reveal())
}

func someText(text string) (secret.Text, error) {
	if text == "" {
		return secret.Text{}, &usageError{"a password is missing", "give it on standard input; it is no argument, because others can see those"}
	}
	return secret.New(text), nil
}
