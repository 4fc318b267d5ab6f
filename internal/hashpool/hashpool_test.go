package hashpool

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func nothing() {}

// occupy makes every worker of p run a job until the function it returns is
// called.
func occupy(t *testing.T, p *Pool) (release func()) {
	t.Helper()
	hold := make(chan struct{})
	for range p.Stats().Workers {
		go func() {
			if err := p.Do(context.Background(), func() error { <-hold; return nil }); err != nil {
				t.Error(err)
			}
		}()
	}
	synctest.Wait()
	if s := p.Stats(); s.Running != s.Workers || s.Queued != 0 {
		t.Fatalf("%+v", s)
	}
	return func() { close(hold) }
}

func TestDo(t *testing.T) {
	p := New(2)
	defer p.Close()
	ran := false
	if err := p.Do(t.Context(), func() error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("ran %v, %v", ran, err)
	}
	broken := errors.New("broken")
	if err := p.Do(t.Context(), func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if s := p.Stats(); s.Done != 2 || s.Running != 0 || s.Queued != 0 || s.Refused != 0 || s.Workers != 2 {
		t.Errorf("%+v", s)
	}
}

func TestAsManyAsWorkers(t *testing.T) {
	for _, workers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			p := start(workers, nothing)
			defer p.Close()
			var wg sync.WaitGroup
			begun := time.Now()
			for range 12 {
				wg.Go(func() {
					if err := p.Do(t.Context(), func() error { time.Sleep(time.Second); return nil }); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if took := time.Since(begun); took != time.Duration(12/workers)*time.Second {
				t.Errorf("%d workers took %v", workers, took)
			}
			if s := p.Stats(); s.Done != 12 || s.Busy != 12*time.Second {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(1, nothing)
		defer p.Close()
		release := occupy(t, p)
		var order []int
		for i := range 5 {
			go func() { _ = p.Do(t.Context(), func() error { order = append(order, i); return nil }) }()
			synctest.Wait()
		}
		release()
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("ran in the order %v", order)
		}
	})
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(2, nothing)
		defer p.Close()
		release := occupy(t, p)
		for range MaxQueue {
			go func() { _ = p.Do(t.Context(), func() error { return nil }) }()
		}
		synctest.Wait()
		if err := p.Do(t.Context(), func() error { t.Error("ran"); return nil }); !errors.Is(err, ErrBusy) {
			t.Errorf("%v", err)
		}
		if s := p.Stats(); s.Refused != 1 || s.Queued != MaxQueue {
			t.Errorf("%+v", s)
		}
		release()
		synctest.Wait()
		if err := p.Do(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("after the flood: %v", err)
		}
		if s := p.Stats(); s.Done != MaxQueue+3 || s.Queued != 0 || s.Running != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(2, nothing)
		defer p.Close()
		second := func() error { time.Sleep(time.Second); return nil }
		_ = p.Do(t.Context(), second)
		if got := p.RetryAfter(); got != time.Second {
			t.Errorf("an idle pool says %v", got)
		}
		var wg sync.WaitGroup
		for range 2 + 10 { // two run, and of ten that wait the last one does so for 5 s
			wg.Go(func() {
				if err := p.Do(t.Context(), second); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if err := p.Do(t.Context(), second); !errors.Is(err, ErrBusy) {
			t.Errorf("a wait of over 5 s: %v", err)
		}
		if got := p.RetryAfter(); got != 6*time.Second {
			t.Errorf("RetryAfter is %v", got)
		}
		wg.Wait()
	})
}

func TestContextEndsInQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(1, nothing)
		defer p.Close()
		release := occupy(t, p)
		gone := errors.New("the client is gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var err error
		go func() { err = p.Do(ctx, func() error { t.Error("ran"); return nil }) }()
		synctest.Wait()
		cancel(gone)
		synctest.Wait()
		if !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
		if s := p.Stats(); s.Queued != 0 || s.GivenUp != 1 {
			t.Errorf("its place is not free: %+v", s)
		}
		if err := p.Do(ctx, func() error { t.Error("ran"); return nil }); !errors.Is(err, gone) {
			t.Errorf("begun with an ended context: %v", err)
		}
		release()
		synctest.Wait()
		if s := p.Stats(); s.Done != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestContextEndsWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(1, nothing)
		defer p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		finished := false
		err := p.Do(ctx, func() error { time.Sleep(time.Minute); finished = true; return nil })
		if err != nil || !finished {
			t.Errorf("not waited for: %v", err)
		}
	})
}

func TestPanic(t *testing.T) {
	p := start(1, nothing)
	defer p.Close()
	func() {
		defer func() {
			if got := recover(); got != "ouch" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = p.Do(t.Context(), func() error { panic("ouch") })
		t.Error("no panic")
	}()
	if err := p.Do(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("the worker is gone: %v", err)
	}
	if s := p.Stats(); s.Done != 2 || s.Running != 0 {
		t.Errorf("%+v", s)
	}
}

func TestGoexitReachesTheCaller(t *testing.T) {
	p := start(2, nothing)
	defer p.Close()
	if err := p.Do(t.Context(), func() error { runtime.Goexit(); return nil }); !errors.Is(err, errExited) {
		t.Errorf("%v", err)
	}
	if err := p.Do(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("the other worker: %v", err)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(1, nothing)
		release := occupy(t, p)
		ran := 0
		for range 3 {
			go func() { _ = p.Do(t.Context(), func() error { ran++; return nil }) }()
		}
		synctest.Wait()
		closed := false
		go func() { p.Close(); closed = true }()
		synctest.Wait()
		if closed {
			t.Error("closed while a job runs")
		}
		if err := p.Do(t.Context(), func() error { t.Error("ran"); return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
		release()
		synctest.Wait()
		if !closed || ran != 3 {
			t.Errorf("closed %v, %d of 3 ran", closed, ran)
		}
		p.Close() // again is fine
	})
}

// Many callers, some of whom give up, against the race detector.
func TestFlood(t *testing.T) {
	p := New(3)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ran, answers := 0, map[error]int{}
	const callers, tries = 2 * MaxQueue, 20
	for i := range callers {
		wg.Go(func() {
			for range tries {
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					go cancel()
				}
				err := p.Do(ctx, func() error {
					mu.Lock()
					defer mu.Unlock()
					ran++
					return nil
				})
				cancel()
				mu.Lock()
				answers[err]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	p.Close()
	s := p.Stats()
	if ran != answers[nil] || int(s.Done) != ran || int(s.Refused) != answers[ErrBusy] || s.Queued != 0 || s.Running != 0 {
		t.Errorf("%d ran; answers %v; %+v", ran, answers, s)
	}
	if total := answers[nil] + answers[ErrBusy] + answers[context.Canceled]; total != callers*tries {
		t.Errorf("%d of %d answers: %v", total, callers*tries, answers)
	}
}

func TestProcs(t *testing.T) {
	n := runtime.GOMAXPROCS(0)
	if Workers() != n || Procs(2) != n+2 {
		t.Errorf("%d workers, %d places, of %d", Workers(), Procs(2), n)
	}
	p := New(0)
	defer p.Close()
	if got := p.Stats().Workers; got != Workers() {
		t.Errorf("by default %d", got)
	}
}
