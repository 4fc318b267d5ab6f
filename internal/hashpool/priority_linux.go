package hashpool

import "golang.org/x/sys/unix"

// niceness of the threads: see BenchmarkFlood.
const niceness = 10

// lowerPriority makes the calling thread give way to all others. On Linux a
// niceness is a thread's own, and 0 names the calling one. Any program may
// lower a priority; should the system refuse, the pool is only less polite.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) }
