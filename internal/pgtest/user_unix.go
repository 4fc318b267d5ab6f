//go:build unix

package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// other is the user whom servers run as: PostgreSQL refuses root.
var other = sync.OnceValues(func() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("pgtest: PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
})

// give makes a directory the property of whom servers run as.
func give(dir string) error {
	who, err := other()
	if err != nil || who == nil {
		return err
	}
	return os.Chown(dir, int(who.Uid), int(who.Gid))
}

// demote makes a command run as whom servers run as, in a group of its own: a
// signal from the terminal is not for it.
func demote(cmd *exec.Cmd) {
	who, _ := other() // give has told
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
}

func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killAll kills a server and its children, and returns once the children are
// gone: a server does not start on data that others still work on.
func killAll(server int) error {
	// One that is stopped starts no more children.
	if err := syscall.Kill(server, syscall.SIGSTOP); err != nil {
		return err
	}
	kids := children(server)
	err := syscall.Kill(server, syscall.SIGKILL)
	for _, pid := range kids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	for range 500 {
		if kids = slices.DeleteFunc(kids, gone); len(kids) == 0 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(err, fmt.Errorf("pgtest: processes %v did not end", kids))
}

// children returns the processes that another one has begun; none where there
// is no /proc, and they end by themselves a moment later.
func children(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if pid, ppid, state := stat(path); ppid == parent && state != "Z" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone reports whether a process has ended, even if nobody has asked how.
func gone(pid int) bool {
	found, _, state := stat(fmt.Sprintf("/proc/%d/stat", pid))
	return found == 0 || state == "Z"
}

func stat(path string) (pid, parent int, state string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, ""
	}
	// The name, in brackets, can hold anything.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return 0, 0, ""
	}
	pid, _ = strconv.Atoi(strings.TrimSpace(string(text[:open])))
	if _, err := fmt.Sscan(string(text[end+1:]), &state, &parent); err != nil {
		return 0, 0, ""
	}
	return pid, parent, state
}

// CPU returns the processor time that the server has used, to a hundredth of a
// second, that of its processes which have ended included; zero where there is no
// /proc.
func (c *Cluster) CPU() time.Duration {
	ticks := 0
	for i, pid := range append([]int{c.PID()}, children(c.PID())...) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended meanwhile, and is its parent's
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		last := 12 // utime, stime
		if i == 0 {
			last = 14 // cutime, cstime
		}
		for _, field := range fields[11 : last+1] {
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond // 100 of them are a second wherever Go runs
}
