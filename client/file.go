package client

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// File returns a Store that is the file at path. Programs may share it: one's
// sign-in, renewal and sign-out is the others'. It is written anew each time,
// readable by its owner only, and is on the disk before it takes the old one's
// place. Missing directories are made.
//
// Beside it lie path.lock and path.renewing, which are empty. The system gives
// up a program's locks when the program ends, however it ends. Where it has no
// such locks, on Solaris, AIX and Plan 9, two programs that write in the same
// moment may go by different records until their next renewal.
func File(path string) Store { return file{path} }

type file struct{ path string }

const (
	// A program that was stopped while it holds a lock stops the others for no
	// longer than this.
	swapWait = 5 * time.Second

	maxFile = 1 << 20 // bytes; a record is a few KiB
)

func (f file) Load(context.Context) ([]byte, error) {
	in, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxFile))
	_ = in.Close()
	if raw == nil {
		raw = []byte{} // a file that is empty is not one that is missing
	}
	return raw, err
}

// Swap compares under a lock. Where the lock cannot be had in time, it does
// without: the comparison comes last, so that what another could write in
// between has a few microseconds to do so.
func (f file) Swap(ctx context.Context, old, next []byte) (bool, error) {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, swapWait)
	defer cancel()
	unlock, err := lockFile(ctx, f.path+".lock")
	if err == nil {
		defer unlock()
		f.sweep()
	}
	var fresh string
	if next != nil {
		if fresh, err = f.write(next); err != nil {
			return false, err
		}
	}
	now, err := f.Load(ctx)
	if err != nil || !same(now, old) {
		return false, errors.Join(err, remove(fresh))
	}
	switch {
	case next != nil:
		err = replaceFile(fresh, f.path)
	case old != nil:
		err = os.Remove(f.path)
	}
	if err != nil {
		return false, errors.Join(err, remove(fresh))
	}
	return true, syncDir(filepath.Dir(f.path))
}

// Lock is the lock of those who renew. Swap has one of its own, so that a
// sign-in need not wait for the network of others.
func (f file) Lock(ctx context.Context) (func(), error) { return lockFile(ctx, f.path+".renewing") }

// Records that are being written are named so, with a number in between.
const tempSuffix = ".tmp"

func (f file) prefix() string { return filepath.Base(f.path) + "." }

// write makes a file with the record beside the one that it is to replace.
func (f file) write(record []byte) (name string, err error) {
	out, err := os.CreateTemp(filepath.Dir(f.path), f.prefix()+"*"+tempSuffix) // mode 0600
	if err != nil {
		return "", err
	}
	_, err = out.Write(record)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", errors.Join(err, os.Remove(out.Name()))
	}
	return out.Name(), nil
}

// sweep removes what programs left behind that were killed while they wrote:
// who holds the lock is the only one who does.
func (f file) sweep() {
	dir := filepath.Dir(f.path)
	all, _ := os.ReadDir(dir)
	for _, entry := range all {
		number, ok := strings.CutPrefix(entry.Name(), f.prefix())
		if ok && strings.Trim(strings.TrimSuffix(number, tempSuffix), "0123456789") == "" && strings.HasSuffix(number, tempSuffix) {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

func remove(name string) error {
	if name == "" {
		return nil
	}
	return os.Remove(name)
}

// lockPoll is how often a lock is asked for that somebody else holds: no system
// offers to wait for one and to give up in time.
const lockPoll = 5 * time.Millisecond

func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		ok, err := tryLock(f)
		if ok {
			return func() { _ = f.Close() }, nil // which unlocks
		}
		if err == nil {
			err = sleep(ctx, lockPoll, nil)
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
	}
}
