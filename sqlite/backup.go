package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Backup writes a copy of the database, as it is at one moment, to a file that
// must not exist, readable by its owner only. It works beside everything else.
// The file appears once it is complete and on the disk; it can be opened like
// any other.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.backup(ctx, path); err != nil {
		return fmt.Errorf("cannot back up to %s: %w", path, err)
	}
	return nil
}

func (s *Store) backup(ctx context.Context, path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	// CreateTemp makes the file with mode 0600; SQLite fills it if it is empty.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreMissing(os.Remove(f.Name()))) }()
	if err := s.copyInto(ctx, f.Name()); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := publish(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// copyInto reads one snapshot, so writers neither wait nor spoil the copy.
func (s *Store) copyInto(ctx context.Context, path string) error {
	c, err := dial(s.path)
	if err != nil {
		return err
	}
	c.busyFor(int32(defaultPatience.Milliseconds()))
	watched := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.interrupt()
		close(watched)
	})
	err = c.prepare(`VACUUM INTO ?`).text(path).run()
	if !stop() {
		<-watched // it must not meet a connection that is closed
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return errors.Join(err, c.close())
}

// publish gives a file its name, which nobody may have yet.
func publish(temporary, path string) error {
	err := os.Link(temporary, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Not every file system has hard links. Without them, the moment between
	// the look and the renaming remains.
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	return os.Rename(temporary, path)
}

// syncDir makes a name durable. Windows has no such call.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
