package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/doctor"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/why"
	"github.com/doorward/doorward/verify"
)

func (a *app) decodeCommand() *cobra.Command {
	return a.facts(&cobra.Command{
		Use:   "decode [TOKEN]",
		Short: "Say in words what a token says, and what is odd about it",
		Long: `Say what a JWT from any issuer says: every member of its header, every claim, its
times by this machine's clock, and what a verifier would object to. Without TOKEN,
or with -, it is read from standard input, where no other user of the machine can
see it.

The signature is not checked: anybody can write a token that says anything. The
token itself is not printed, nor is its signature.`,
		Args: atMost("TOKEN"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := a.tokenText(args)
			if err != nil {
				return err
			}
			return a.decode(text)
		},
	})
}

func (a *app) tokenText(args []string) (string, error) {
	if len(args) > 0 && args[0] != "-" {
		return args[0], nil
	}
	if terminal(a.in) {
		fmt.Fprintln(a.err, "Paste a token, and end with a new line and Ctrl-D:")
	}
	data, err := io.ReadAll(io.LimitReader(a.in, 2*verify.MaxSize))
	return string(data), err
}

// around is what people copy along with a token.
const around = " \t\r\n\"'`"

// bareToken takes away what is not part of the token and says what that was.
func bareToken(text string) (token string, notes []string) {
	token = strings.Trim(text, around)
	if strings.ContainsAny(strings.TrimSpace(text), "\"'`") && token != strings.TrimSpace(text) {
		notes = append(notes, "there were quotes around the token; they must not be sent")
	}
	for _, prefix := range []string{"Authorization", "Bearer"} {
		rest, ok := cutWordFold(token, prefix)
		if !ok {
			continue
		}
		token = strings.Trim(rest, around+":")
		if prefix == "Bearer" {
			notes = append(notes, "the scheme Bearer stood before the token; it is not part of it")
		}
	}
	return token, notes
}

// cutWordFold takes a word in any case from the front of s.
func cutWordFold(s, word string) (string, bool) {
	if len(s) <= len(word) || !strings.EqualFold(s[:len(word)], word) || !strings.ContainsRune(" \t:", rune(s[len(word)])) {
		return s, false
	}
	return s[len(word):], true
}

func (a *app) decode(text string) error {
	token, notes := bareToken(text)
	switch {
	case token == "":
		return &usageError{"TOKEN is missing", "give it as an argument or on standard input"}
	case strings.HasPrefix(token, session.TokenPrefix):
		return a.tellOpaque(refreshToken(token), notes)
	case strings.HasPrefix(token, apiKeyPrefix):
		return a.tellOpaque(opaque{
			Kind: "API key",
			Text: "it says nothing by itself: only the server that issued it knows what it is good for",
			Next: "send it as a bearer token to a service that takes API keys",
		}, notes)
	}
	r := readToken(token, a.now())
	r.Notes = append(r.Notes, notes...)
	for _, odd := range doctor.Oddities(token) {
		if !slices.Contains(r.Notes, odd) {
			r.Notes = append(r.Notes, odd)
		}
	}
	if len(r.Header) == 0 && len(r.Claims) == 0 {
		return unreadable(token)
	}
	return a.tell(r, func() { a.showToken(r) })
}

const apiKeyPrefix = "dwk_"

// opaque is a credential of ours that only the server can read.
type opaque struct {
	Kind  string   `json:"kind"`
	Text  string   `json:"text"`
	Next  string   `json:"next"`
	Notes []string `json:"notes,omitempty"`
}

func refreshToken(token string) opaque {
	o := opaque{
		Kind: "refresh token",
		Text: "it is opaque: only the server that issued it can tell whether it is good",
		Next: "send it to POST /auth/refresh and nowhere else; a service wants the access token",
	}
	if len(token) != session.TokenLength {
		o.Notes = []string{fmt.Sprintf("a refresh token has %d characters, this one has %d: it was cut or altered", session.TokenLength, len(token))}
	}
	return o
}

func (a *app) tellOpaque(o opaque, notes []string) error {
	o.Notes = append(notes, o.Notes...)
	return a.tell(o, func() {
		a.say("This is a Doorward %s: %s.", o.Kind, o.Text)
		a.list("Notes", o.Notes)
		a.say("Next: %s.", o.Next)
	})
}

// unreadable says why what was given is no token.
func unreadable(token string) error {
	_, err := verify.Unverified(token)
	text := "this is no token"
	if f, ok := errors.AsType[*verify.Failure](err); ok {
		text += ": " + why.Printable(f.Text)
	}
	if odd := doctor.Oddities(token); len(odd) > 0 {
		return &failure{text: text, hint: strings.Join(odd, "; ")}
	}
	return &failure{text: text}
}

func (a *app) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	a.say("%s", title)
	for _, item := range items {
		a.say("  - %s", item)
	}
}

func (a *app) showToken(r reading) {
	a.say("A signed token (JWT) of %d bytes, sha256 %s.", r.Size, r.Fingerprint)
	a.say("Its signature (%d bytes) was not checked: anybody can write a token that says this.", r.SignatureSize)
	a.members("Header", r.Header)
	a.members("Claims", r.Claims)
	a.list("Clock", r.Clock)
	a.list("A Doorward guard objects", r.Objections)
	a.list("Notes", r.Notes)
	if len(r.Objections) == 0 {
		a.say("Nothing to object to in its form and its times. The signature, the issuer and the audience are for the verifier to judge.")
	}
}

func (a *app) members(title string, list []member) {
	a.say("%s", title)
	var rows [][]string
	for _, m := range list {
		rows = append(rows, []string{"  " + why.Printable(m.Name), m.Text, m.Meaning})
	}
	a.table(rows)
}
