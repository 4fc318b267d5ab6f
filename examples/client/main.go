// Command client calls an API for somebody who signs in once. The sign-in is
// kept in a file: later starts, and other programs on the same file, need none.
//
//	go run ./cmd/doorward dev      # in one terminal; it says as whom to sign in
//	export DOORWARD_PASSWORD=…     # in another
//	go run ./examples/client -login EMAIL
//	go run ./examples/client
//	go run ./examples/client -logout
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv("DOORWARD_PASSWORD"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, password string, out io.Writer) error {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	issuer := flags.String("issuer", "http://127.0.0.1:4010", "the server to sign in at")
	path := flags.String("path", "/api/profile", "what to ask for")
	file := flags.String("session", defaultFile(), "where the sign-in is kept")
	email := flags.String("login", "", "sign in as `EMAIL` first")
	logout := flags.Bool("logout", false, "sign out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := client.New(client.Config{
		Issuer: *issuer, Store: client.File(*file), UserAgent: "doorward-example",
		OnFault: func(err error) { fmt.Fprintln(os.Stderr, err) },
	})
	if err != nil {
		return err
	}
	if *logout {
		return s.Logout(ctx)
	}
	if *email != "" {
		if _, err := s.Login(ctx, *email, password); err != nil {
			return explain(err)
		}
	}
	return get(ctx, s.Client(), *issuer+*path, out)
}

func defaultFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "."
	}
	return filepath.Join(dir, "doorward-example", "session.json")
}

// get prints an answer. There is nothing in it about tokens.
func get(ctx context.Context, c *http.Client, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return explain(err)
	}
	defer resp.Body.Close()
	if e := client.ErrorFrom(resp); e != nil {
		return explain(e)
	}
	_, err = io.Copy(out, resp.Body)
	return err
}

// explain says what to do about an error.
func explain(err error) error {
	var e *client.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Recovery() {
	case doorward.RecoverAskAgain:
		return errors.New("the address or the password is wrong")
	case doorward.RecoverSignIn:
		return fmt.Errorf("not signed in; use -login EMAIL (%s)", e.Code)
	case doorward.RecoverWait:
		return fmt.Errorf("try again later: %w", err)
	}
	if e.Help != "" {
		return fmt.Errorf("%w; see %s", err, e.Help)
	}
	return err
}
