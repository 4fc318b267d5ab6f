//go:build !unix

package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

func give(string) error { return nil }

func demote(*exec.Cmd) {}

func detach(*exec.Cmd) {}

func killAll(server int) error {
	p, err := os.FindProcess(server)
	return errors.Join(err, p.Kill())
}

// CPU is not known here.
func (c *Cluster) CPU() time.Duration { return 0 }
