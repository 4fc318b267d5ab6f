package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
)

// childStore, in the environment, makes the test binary a server on that store
// instead; childKey is its master key.
const (
	childStore = "DOORWARD_TEST_STORE"
	childKey   = "DOORWARD_TEST_KEY"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childStore); path != "" {
		if err := serveChild(path, os.Getenv(childKey)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(runOnAll(m))
}

func serveChild(path, key string) error {
	ctx := context.Background()
	store, err := openStore(ctx, path)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv, err := server.New(ctx, server.Config{Store: store, MasterKey: key, Issuer: "http://localhost:4010", Signup: true})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return server.Serve(ctx, l, srv, slog.Default())
}

// child is a server in a process of its own, to be killed.
type child struct {
	cmd *exec.Cmd
	url string
}

func startChild(t *testing.T, path, key string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childStore+"="+path, childKey+"="+key)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("the server did not start: %v\n%s", err, &stderr)
	}
	return &child{cmd, "http://" + strings.TrimSpace(line)}
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // it was killed, and says so
}

var errNoAnswer = errors.New("no answer")

// ask sends one request; a server that is not there gives no answer.
func (c *child) ask(ctx context.Context, client *http.Client, path, key string, body map[string]string) (int, pair, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, pair{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(data))
	if err != nil {
		return 0, pair{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, pair{}, errNoAnswer
	}
	defer resp.Body.Close()
	var p pair
	if resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			return 0, pair{}, errNoAnswer
		}
	}
	return resp.StatusCode, p, nil
}

// honest is a client that keeps its refresh token and the key of the attempt
// that is not settled, as a client should.
type honest struct {
	token, key string
	attempts   int
	over       bool // an acknowledged sign-out
	asked      bool // a sign-out was asked for, and not acknowledged
}

// refresh takes one step; it returns what is wrong, if anything is.
func (c *honest) refresh(ctx context.Context, srv *child, client *http.Client, name string) error {
	if c.key == "" {
		c.attempts++
		c.key = fmt.Sprintf("%s-%d", name, c.attempts)
	}
	status, p, err := srv.ask(ctx, client, "/auth/refresh", c.key, map[string]string{"refreshToken": c.token})
	switch {
	case err != nil || status == http.StatusServiceUnavailable:
		return nil // not settled: the same again
	case status == http.StatusOK && !c.over:
		c.token, c.key = p.RefreshToken, ""
		return nil
	case status != http.StatusOK && (c.over || c.asked):
		c.over = true
		return nil
	case status == http.StatusOK:
		return fmt.Errorf("%s: an acknowledged sign-out was undone", name)
	default:
		return fmt.Errorf("%s: signed out by %d %s", name, status, p.Code)
	}
}

func (c *honest) logout(ctx context.Context, srv *child, client *http.Client) {
	c.asked = true
	if status, _, err := srv.ask(ctx, client, "/auth/logout", "", map[string]string{"refreshToken": c.token}); err == nil && status == http.StatusNoContent {
		c.over = true
	}
}

// TestKilled kills the server at random while clients refresh and sign out. No
// acknowledged sign-out is undone, no acknowledged refresh is lost, and a
// client that lost an answer goes on.
func TestKilled(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 3
	}
	const clients = 16
	path, key := emptyPlace(t), secret.NewMasterKey().Reveal()
	srv := startChild(t, path, key)
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 20 * time.Second}
	everybody := make([]*honest, clients)
	signIn := func(i int) {
		body := map[string]string{"email": fmt.Sprintf("user%d@example.com", i), "password": testPassword}
		status, p, err := srv.ask(t.Context(), web, "/auth/login", "", body)
		if err == nil && status == http.StatusUnauthorized {
			if status, p, err = srv.ask(t.Context(), web, "/auth/signup", "", body); status != http.StatusCreated {
				t.Fatal(status, p.Code, err)
			}
			status, p, err = srv.ask(t.Context(), web, "/auth/login", "", body)
		}
		if err != nil || status != http.StatusOK {
			t.Fatal(status, p.Code, err)
		}
		everybody[i] = &honest{token: p.RefreshToken}
	}
	for i := range everybody {
		signIn(i)
	}
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i, c := range everybody {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					if err := c.refresh(ctx, srv, web, fmt.Sprintf("client%d.%d", i, round)); err != nil {
						t.Error(err)
						return
					}
					if c.over || i%4 == 0 && n == 5 {
						c.logout(ctx, srv, web)
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // the moment of the kill, not a wait for anything
		srv.kill(t)
		cancel()
		wg.Wait()
		srv = startChild(t, path, key)
		for i, c := range everybody {
			if err := c.refresh(t.Context(), srv, web, fmt.Sprintf("client%d.%d", i, round)); err != nil {
				t.Error(err)
			}
			if !c.over && c.key != "" {
				t.Errorf("client%d got no answer from a server that runs", i)
			}
			if c.over {
				signIn(i)
			}
			c.asked = false
		}
		if t.Failed() {
			break
		}
	}
	srv.kill(t)
}
