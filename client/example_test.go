package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
)

func Example() {
	issuer, stop := exampleServer()
	defer stop()
	ctx := context.Background()

	s, err := client.New(client.Config{Issuer: issuer})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Login(ctx, "alice@example.com", "correct horse battery staple"); err != nil {
		log.Fatal(err)
	}
	resp, err := s.Client().Get(issuer + "/auth/me")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var me struct{ User client.User }
	if err := json.NewDecoder(resp.Body).Decode(&me); err != nil {
		log.Fatal(err)
	}
	fmt.Println("hello,", me.User.Name)
	// Output: hello, Alice
}

// What went wrong is a code, whatever it was; a switch is all it takes.
func ExampleCodeOf() {
	issuer, stop := exampleServer()
	defer stop()
	s, err := client.New(client.Config{Issuer: issuer})
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.Login(context.Background(), "alice@example.com", "a guess, and a wrong one")
	switch client.CodeOf(err) {
	case doorward.InvalidCredentials:
		fmt.Println("wrong address or password; try again")
	case doorward.RateLimited:
		var e *client.Error
		errors.As(err, &e)
		fmt.Println("too many tries; wait", e.RetryAfter)
	case doorward.Unavailable:
		fmt.Println("cannot be reached; nothing is known to be wrong")
	}
	// Output: wrong address or password; try again
}

// A refusal of the API's is an answer like any other; ErrorFrom reads it.
func ExampleErrorFrom() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		(&doorward.Denial{Code: doorward.InsufficientScope, Scope: "orders:write"}).Write(w, doorward.Wire{Issuer: "https://auth.example.com"})
	}))
	defer api.Close()
	resp, err := http.Get(api.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if e := client.ErrorFrom(resp); e != nil {
		fmt.Println(e.Code, e.Scope)
		fmt.Println(e.Help)
	}
	// Output:
	// INSUFFICIENT_SCOPE orders:write
	// https://auth.example.com/errors/INSUFFICIENT_SCOPE
}

// Programs that are started anew, or share one sign-in, keep it in a file.
func ExampleFile() {
	issuer, stop := exampleServer()
	defer stop()
	dir, err := os.MkdirTemp("", "doorward")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "session.json") // in earnest under os.UserConfigDir

	open := func() *client.Session {
		s, err := client.New(client.Config{Issuer: issuer, Store: client.File(path)})
		if err != nil {
			log.Fatal(err)
		}
		return s
	}
	if _, err := open().Login(context.Background(), "alice@example.com", "correct horse battery staple"); err != nil {
		log.Fatal(err)
	}
	user, err := open().User(context.Background()) // another program, later
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(user.Email)
	// Output: alice@example.com
}

// exampleServer is a server with one account.
func exampleServer() (url string, stop func()) {
	dir, err := os.MkdirTemp("", "doorward")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlite.Open(context.Background(), filepath.Join(dir, "doorward.db"))
	if err != nil {
		log.Fatal(err)
	}
	front := httptest.NewUnstartedServer(nil)
	url = "http://" + front.Listener.Addr().String()
	srv, err := server.New(context.Background(), server.Config{
		Store: store, MasterKey: secret.NewMasterKey().Reveal(), Issuer: url, Signup: true,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	front.Config.Handler = srv
	front.Start()
	account := `{"email":"alice@example.com","password":"correct horse battery staple","name":"Alice"}`
	resp, err := http.Post(url+"/auth/signup", "application/json", strings.NewReader(account))
	if err != nil || resp.StatusCode != http.StatusCreated {
		log.Fatal(resp, err)
	}
	resp.Body.Close()
	return url, func() {
		front.Close()
		srv.Close()
		_ = store.Close()
		_ = os.RemoveAll(dir)
	}
}
