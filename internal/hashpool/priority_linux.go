package hashpool

import "golang.org/x/sys/unix"

// niceness of the threads, by BenchmarkFlood. From 0 to 10 each step helps the
// other requests; beyond, there is little left to gain, and much to lose where
// other programs keep the processors busy: the garbage collector waits for
// every thread that holds a place, and so the requests wait for one that gets
// no processor. SCHED_IDLE makes that seconds.
const niceness = 10

// lowerPriority makes the calling thread give way to all others. On Linux a
// niceness is a thread's own, and 0 names the calling one. Any program may
// lower a priority; should the system refuse, the pool is only less polite.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) }
