package main

import (
	"context"
	"errors"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"time"
)

// The first argument that makes this program something else than the bench.
const (
	serverRole = "role:server" // the server under test
	bareRole   = "role:bare"   // the least program that serves HTTP
)

var roles = map[string]func(stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int{
	serverRole: actServer,
	bareRole:   actBare,
}

// Usage is what a process has used.
type Usage struct {
	CPU      time.Duration // user and system time of all threads
	Resident int64         // bytes of memory
}

// child is the server under test, asked over a pipe. It ends when the pipe
// does, so it never outlives the bench.
type child struct {
	cmd     *exec.Cmd
	pipe    pipe
	client  *rpc.Client
	address string
}

// startServer starts a server on a database.
func (b *bench) startServer(ctx context.Context, db *database) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, serverRole)}
	c.cmd.Stderr = b.stderr
	if c.pipe.w, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.pipe.r, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.client = rpc.NewClient(c.pipe)
	setup := Setup{Store: db.source(), MasterKey: db.master.Reveal()}
	setup.Beside, err = os.MkdirTemp(b.dir, "server-")
	if err == nil {
		err = c.ask("Start", setup, &c.address)
	}
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// serving gives fn a server on a database and connections to it, and ends both.
func (b *bench) serving(ctx context.Context, db *database, clients int, fn func(*child, []*conn) error) error {
	c, err := b.startServer(ctx, db)
	if err != nil {
		return err
	}
	conns, hangUp, err := dialAll(ctx, c.address, clients)
	if err == nil {
		err = fn(c, conns)
		hangUp()
	}
	return errors.Join(err, c.stop())
}

func (c *child) ask(method string, in, out any) error {
	return c.client.Call("Server."+method, in, out)
}

// stop ends the server as SIGTERM would and waits until its store is closed.
func (c *child) stop() error {
	// Only the way there: on the way back the server may still be writing.
	return errors.Join(c.pipe.w.Close(), c.cmd.Wait())
}

// metered adds to a sample of some work what the server's process used for it.
func (c *child) metered(work func() (sample, error)) func() (sample, error) {
	return func() (sample, error) {
		var before, after Usage
		if err := c.ask("Usage", struct{}{}, &before); err != nil {
			return sample{}, err
		}
		s, err := work()
		if err != nil {
			return s, err
		}
		err = c.ask("Usage", struct{}{}, &after)
		s.cpu = after.CPU - before.CPU
		return s, err
	}
}

// profileRounds is for how many rounds a profile is taken. They do not count:
// a profile costs time too.
const profileRounds = 3

// profiled leaves a CPU profile of the server doing some work, where one is
// wanted.
func (b *bench) profiled(c *child, work func() (sample, error)) error {
	if b.profile == "" {
		return nil
	}
	if err := c.ask("Profile", b.profile, nil); err != nil {
		return err
	}
	for range profileRounds {
		if _, err := work(); err != nil {
			return err
		}
	}
	return c.ask("Profile", "", nil)
}

// inside is work that the server's own process does, for so long.
func (c *child) inside(method string, parallel int, d time.Duration) func() (sample, error) {
	return c.metered(func() (sample, error) {
		var done Done
		err := c.ask(method, Work{Parallel: parallel, For: d}, &done)
		return sample{n: done.N, wall: done.Wall}, err
	})
}

// pipe is a connection made of two.
type pipe struct {
	r io.ReadCloser
	w io.WriteCloser
}

func (p pipe) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p pipe) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p pipe) Close() error                { return p.w.Close() }
