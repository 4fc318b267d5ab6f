//go:build !windows

package client

import (
	"errors"
	"os"
	"syscall"
)

func replaceFile(from, to string) error { return os.Rename(from, to) }

// syncDir makes a new name outlive a loss of power, on file systems that can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
