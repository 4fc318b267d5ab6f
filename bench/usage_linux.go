package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// ownUsage returns what this process has used so far.
func ownUsage() (Usage, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return Usage{}, err
	}
	resident, err := residentBytes()
	return Usage{CPU: time.Duration(u.Utime.Nano() + u.Stime.Nano()), Resident: resident}, err
}

// residentBytes returns how much memory this process has, from proc(5).
func residentBytes() (int64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm reads %q", statm)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// treeCPU returns what processes and their children have used so far, from
// proc(5), those included that have ended and were waited for.
func treeCPU(roots []int) (time.Duration, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	type process struct {
		parent int
		used   time.Duration
	}
	all := make(map[int]process)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it has ended meanwhile, and its parent knows what it used
		}
		// The second field is the name in parentheses and may hold anything.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 15 {
			return 0, fmt.Errorf("/proc/%d/stat reads %q", pid, stat)
		}
		var p process
		if p.parent, err = strconv.Atoi(string(fields[1])); err != nil {
			return 0, err
		}
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			ticks, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				return 0, err
			}
			p.used += time.Duration(ticks) * time.Second / hertz
		}
		all[pid] = p
	}
	var sum time.Duration
	for pid := range all {
		for at := pid; at != 0; at = all[at].parent {
			if slices.Contains(roots, at) {
				sum += all[pid].used
				break
			}
		}
	}
	for _, root := range roots {
		if _, alive := all[root]; !alive {
			return 0, fmt.Errorf("process %d has ended", root)
		}
	}
	return sum, nil
}

// hertz is the unit of times in proc(5), on every architecture that Go runs on.
const hertz = 100

// machineCPU returns the time that the processors were not idle since the
// system started, and how much of it went to this process and to its children
// that have ended. What a hypervisor took away counts as not idle.
func machineCPU() (all, own time.Duration, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	for i, field := range bytes.Fields(line) {
		// cpu user nice system idle iowait irq softirq steal, and guest
		// times, which are part of user.
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, 0, err
		}
		all += time.Duration(ticks) * time.Second / hertz
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			return 0, 0, err
		}
		own += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return all, own, nil
}

// processor returns the name of the processor, or "".
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(info, []byte("model name"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	_, name, _ := bytes.Cut(line, []byte(":"))
	return string(bytes.TrimSpace(name))
}
