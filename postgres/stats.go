package postgres

// Stats is what the hot path of a store has done since it was opened.
type Stats struct {
	Reads       int64 // sessions that were read
	ReadBatches int64 // in how many statements
	Swaps       int64 // sessions that were to be swapped
	SwapBatches int64 // in how many statements
	Waiting     int   // reads and swaps that wait now
}

// Stats returns the figures as they are now.
func (s *Store) Stats() Stats {
	return Stats{
		Reads: s.reads.calls.Load(), ReadBatches: s.reads.batches.Load(),
		Swaps: s.swaps.calls.Load(), SwapBatches: s.swaps.batches.Load(),
		Waiting: s.reads.waiting() + s.swaps.waiting(),
	}
}
