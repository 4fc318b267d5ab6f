package sqlite

import (
	"sync/atomic"
	"time"
)

// Stats is what a store has done since it was opened.
type Stats struct {
	Batches     int64         // transactions that were committed
	Changes     int64         // swaps and Updates in them
	Failed      int64         // swaps and Updates in transactions that failed
	Reads       int64         // sessions that were read
	ReadBatches int64         // in how many goes
	LockTime    time.Duration // waited for the write lock, in sum
	CommitTime  time.Duration // from the lock to the end of the commit, in sum
	Waiting     int           // swaps, Updates and reads that wait now
}

type counters struct {
	batches, changes, failed, reads, readBatches, lockTime, commitTime atomic.Int64
}

func (c *counters) batch(n int, err error, lock, commit time.Duration) {
	c.lockTime.Add(int64(lock))
	if err != nil {
		c.failed.Add(int64(n))
		return
	}
	c.batches.Add(1)
	c.changes.Add(int64(n))
	c.commitTime.Add(int64(commit))
}

// Stats returns the figures as they are now.
func (s *Store) Stats() Stats {
	c := &s.stats
	return Stats{
		Batches: c.batches.Load(), Changes: c.changes.Load(), Failed: c.failed.Load(),
		Reads: c.reads.Load(), ReadBatches: c.readBatches.Load(),
		LockTime: time.Duration(c.lockTime.Load()), CommitTime: time.Duration(c.commitTime.Load()),
		Waiting: s.writer.waiting(),
	}
}
