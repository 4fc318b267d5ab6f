package client_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childRole, in the environment, makes the test binary a program of that role
// instead; its arguments are JSON in childArgs.
const (
	childRole = "DOORWARD_TEST_CHILD"
	childArgs = "DOORWARD_TEST_ARGS"
)

var roles = map[string]func(args []byte) error{
	"count":   countChild,
	"hold":    holdChild,
	"renew":   renewChild,
	"torture": tortureChild,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := roles[role]([]byte(os.Getenv(childArgs))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child is a program beside the test. It ends when its standard input does, at
// the latest.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func start(t *testing.T, role, args string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childRole+"="+role, childArgs+"="+args)
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		c.in, err = c.cmd.StdinPipe()
	}
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	return c
}

// line reads a line that the child says.
func (c *child) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		_ = c.cmd.Wait()
		t.Fatalf("a child said nothing: %v\n%s", err, &c.stderr)
	}
	return strings.TrimSpace(line)
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // it was killed, and says so
}

// end waits for a child to end by itself.
func (c *child) end(t *testing.T) {
	t.Helper()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("a child: %v\n%s", err, &c.stderr)
	}
}
