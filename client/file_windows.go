package client

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

const (
	lockfileFailImmediately = 1
	lockfileExclusiveLock   = 2

	errorSharingViolation syscall.Errno = 32
	errorLockViolation    syscall.Errno = 33
)

// tryLock takes the lock unless somebody has it.
func tryLock(f *os.File) (bool, error) {
	var at syscall.Overlapped
	ok, _, err := lockFileEx.Call(f.Fd(), lockfileExclusiveLock|lockfileFailImmediately, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case ok != 0:
		return true, nil
	case errors.Is(err, errorLockViolation), errors.Is(err, syscall.ERROR_IO_PENDING):
		return false, nil
	}
	return false, err
}

// replaceFile waits for those who are just reading the old file.
func replaceFile(from, to string) error {
	for begin := time.Now(); ; time.Sleep(lockPoll) {
		err := os.Rename(from, to)
		busy := errors.Is(err, errorSharingViolation) || errors.Is(err, syscall.ERROR_ACCESS_DENIED)
		if !busy || time.Since(begin) > time.Second {
			return err
		}
	}
}

// syncDir has nothing to do: no program can flush a directory there.
func syncDir(string) error { return nil }
