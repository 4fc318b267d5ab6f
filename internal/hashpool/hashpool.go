// Package hashpool hashes passwords on threads of its own, of low priority, so
// that a flood of logins takes only the processor time that nothing else
// wants. What has no place in its bounded queue is refused at once.
package hashpool

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Bounds on what waits. A job that would wait longer than MaxWait is refused
// even if there is a place: whoever asked would have given up.
const (
	MaxQueue = 64
	MaxWait  = 5 * time.Second
)

// Errors of [Pool.Do].
var (
	ErrBusy   = errors.New("hashpool: the queue is full")
	ErrClosed = errors.New("hashpool: closed")

	errExited = errors.New("hashpool: the job called runtime.Goexit")
)

// Workers returns the number of workers that suits this machine: one for each
// processor that Go uses. Ask before GOMAXPROCS is raised to [Procs].
func Workers() int { return runtime.GOMAXPROCS(0) }

// Procs returns the GOMAXPROCS for a program with a pool of so many workers,
// to be set once, when it starts.
//
// A goroutine that computes holds one of GOMAXPROCS places for as long as its
// thread waits for a processor. Without places for the workers on top of the
// usual ones, one for each processor, the rest of the program would wait with
// them, and their low priority would make it worse.
func Procs(workers int) int { return runtime.GOMAXPROCS(0) + workers }

// Pool is a number of threads and a queue. It is safe for concurrent use.
type Pool struct {
	mu      sync.Mutex
	arrived sync.Cond // a job, or the end
	queue   []*job    // in order of arrival
	closed  bool
	stats   Stats
	typical time.Duration // how long a job takes, a moving average

	ended sync.WaitGroup
}

// Stats is what a pool did since it was made, and does now.
type Stats struct {
	Workers int
	Queued  int // waiting now
	Running int // running now

	Done    uint64        // ran, whether or not with an error
	Refused uint64        // ErrBusy
	GivenUp uint64        // the caller's context ended in the queue
	Busy    time.Duration // time spent in jobs, over all workers
}

type job struct {
	run  func() error
	done chan struct{} // closed when the fields below are set
	err  error
	pain any // what run panicked with
}

// New starts a pool. Zero workers means [Workers].
func New(workers int) *Pool { return start(workers, lowerPriority) }

func start(workers int, prepare func()) *Pool {
	if workers < 1 {
		workers = Workers()
	}
	p := &Pool{stats: Stats{Workers: workers}}
	p.arrived.L = &p.mu
	for range workers {
		p.ended.Go(func() {
			// Never unlocked: the thread ends with the goroutine, for its
			// priority could not be raised again.
			runtime.LockOSThread()
			prepare()
			p.work()
		})
	}
	return p
}

// Do runs fn on one of the pool's threads and returns its error. It returns
// ErrBusy at once if there is no place, and the cause of ctx if that ends
// before fn has started; a fn that has started is always waited for. A panic
// of fn is one of Do.
func (p *Pool) Do(ctx context.Context, fn func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j := &job{run: fn, done: make(chan struct{})}
	if err := p.enqueue(j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if p.withdraw(j) {
			return context.Cause(ctx)
		}
		<-j.done
	}
	if j.pain != nil {
		panic(j.pain)
	}
	return j.err
}

func (p *Pool) enqueue(j *job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return ErrClosed
	case len(p.queue) >= MaxQueue || p.wait() > MaxWait:
		p.stats.Refused++
		return ErrBusy
	}
	p.queue = append(p.queue, j)
	p.arrived.Signal()
	return nil
}

// wait is about how long a job that comes now is in the queue.
func (p *Pool) wait() time.Duration {
	ahead := len(p.queue) + p.stats.Running - p.stats.Workers + 1
	return p.typical * time.Duration(max(0, ahead)) / time.Duration(p.stats.Workers)
}

// withdraw takes j out of the queue. It is no more there once it has started.
func (p *Pool) withdraw(j *job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.queue, j)
	if i < 0 {
		return false
	}
	p.queue = slices.Delete(p.queue, i, i+1)
	p.stats.GivenUp++
	return true
}

// work runs jobs until there are no more.
func (p *Pool) work() {
	for {
		j := p.next()
		if j == nil {
			return
		}
		p.run(j)
	}
}

// next waits for a job and takes it; nil once the pool is closed and the queue
// empty.
func (p *Pool) next() *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 {
		if p.closed {
			return nil
		}
		p.arrived.Wait()
	}
	j := p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	p.stats.Running++
	return j
}

func (p *Pool) run(j *job) {
	defer close(j.done)
	begun := time.Now()
	defer func() { p.finish(time.Since(begun)) }()
	defer func() { j.pain = recover() }()
	j.err = errExited // should run end the goroutine, and with it this worker
	j.err = j.run()
}

func (p *Pool) finish(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Running--
	p.stats.Done++
	p.stats.Busy += took
	if p.stats.Done == 1 {
		p.typical = took
	}
	p.typical += (took - p.typical) / 8
}

// RetryAfter returns when it is worth to ask again after an ErrBusy: when what
// waits now will have run, in whole seconds, at least one.
func (p *Pool) RetryAfter() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait().Truncate(time.Second) + time.Second
}

// Stats returns the numbers of this moment.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Queued = len(p.queue)
	return s
}

// Close takes no more jobs, and returns when those that were taken have run.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.arrived.Broadcast()
	p.mu.Unlock()
	p.ended.Wait()
}
