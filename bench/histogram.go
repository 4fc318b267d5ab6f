package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are 1/64 as wide as what they
// hold. The zero histogram is empty.
type histogram struct {
	counts []uint32
	n      int
}

// fine is how many bits of a duration are told apart.
const fine = 6

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-fine-1, 0)
	return shift<<fine + int(v>>shift)
}

// top returns the longest duration of a bucket.
func top(i int) time.Duration {
	shift := max(i>>fine-1, 0)
	return time.Duration((i-shift<<fine+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	i := bucket(d)
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]uint32, i+1-len(h.counts))...)
	}
	h.counts[i]++
	h.n++
}

func (h *histogram) merge(other histogram) {
	if len(h.counts) < len(other.counts) {
		h.counts = append(h.counts, make([]uint32, len(other.counts)-len(h.counts))...)
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
}

// quantile returns the duration that the share q of them did not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	left := int(q * float64(h.n))
	for i, n := range h.counts {
		if left -= int(n); left < 0 {
			return top(i)
		}
	}
	if len(h.counts) == 0 {
		return 0
	}
	return top(len(h.counts) - 1)
}
