package hashpool

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// niced returns the threads of this program that have a lower priority.
func niced(t *testing.T) map[int]bool {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]bool{}
	for _, task := range tasks {
		stat, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// proc_pid_stat(5): niceness is field 19; field 2, in parentheses,
		// may hold spaces.
		_, rest, _ := strings.Cut(string(stat), ") ")
		if strings.Fields(rest)[19-3] != "0" {
			id, _ := strconv.Atoi(task.Name())
			found[id] = true
		}
	}
	return found
}

func TestOnlyTheWorkersAreNice(t *testing.T) {
	const workers = 3
	before := niced(t) // threads of other tests may not have ended yet
	p := New(workers)
	defer p.Close()
	var all, met sync.WaitGroup
	met.Add(workers)
	ids := make([]int, workers)
	for i := range workers {
		all.Go(func() {
			err := p.Do(t.Context(), func() error {
				ids[i] = unix.Gettid()
				met.Done()
				met.Wait() // so that each runs on a thread of its own
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	during := niced(t)
	for _, id := range ids {
		if !during[id] {
			t.Errorf("worker %d has the priority of the others", id)
		}
		delete(during, id)
	}
	for id := range during {
		if !before[id] {
			t.Errorf("thread %d is no worker and has a lower priority", id)
		}
	}
}
