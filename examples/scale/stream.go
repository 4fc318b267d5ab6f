package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	toNode   = 600 * time.Microsecond // from the answer to a sign-out to another node: the median of the bench's row "endings"
	hop      = 500 * time.Microsecond // of the network in one place
	outCores = 2                      // of a node, that may write to guards
	branch   = 1000                   // guards or relays that follow one relay
	perNode  = 4                      // nodes that share the guards
)

// fanOut is how long an ending takes to all guards: each node writing to its
// share of them, or through relays that follow the stream and pass it on.
func fanOut(seed uint64) table {
	t := table{"fan-out", [][]string{{
		"guards", "endings a second", "4 nodes: p50", "p99", "cores of each node", "through relays: p50", "p99", "relays",
	}}}
	r := rand.New(rand.NewPCG(seed, 2))
	for _, guards := range []int{1e3, 1e4, 1e5} {
		for _, rate := range []float64{1, 100, 1000} {
			direct := round{connections: guards / perNode}
			d50, d99, used := deliver(r, rate, []round{direct})
			// Nodes feed relays, each of which feeds a thousand guards.
			relays := guards / branch
			r50, r99, _ := deliver(r, rate, []round{{max(1, relays/perNode)}, {branch}})
			t.add(three(float64(guards)), three(rate), span(d50), span(d99), three(used), span(r50), span(r99), three(float64(relays)))
		}
	}
	return t
}

// round is what one process does with endings that have come in: one write to
// each of its connections, with all of them in it. What comes meanwhile waits
// for the next round, so that no rate can overwhelm it; it only fills it.
type round struct{ connections int }

func (r round) takes() time.Duration {
	return time.Duration(r.connections) * writeCPU / outCores
}

// deliver sends endings that come by chance through processes one behind the
// other, and returns how long they took to a guard anywhere, and how many cores
// the first process was busy with.
func deliver(r *rand.Rand, rate float64, path []round) (p50, p99 time.Duration, used float64) {
	const endings = 20_000
	took := make([]time.Duration, endings)
	at := make([]time.Duration, endings) // when it is known to the process
	clock := time.Duration(0)
	for i := range took {
		clock += time.Duration(r.ExpFloat64() / rate * float64(time.Second))
		took[i], at[i] = clock, clock+toNode
	}
	begun := slices.Clone(took)
	rounds := 0
	for level, process := range path {
		arrived := slices.Clone(at)
		for i := 0; i < endings; {
			free := arrived[i] // when the process begins a round
			for i < endings && arrived[i] <= free {
				// All that have come by now go out in this round.
				end := i
				for end < endings && arrived[end] <= free {
					end++
				}
				for j := i; j < end; j++ {
					at[j] = free + time.Duration(r.Float64()*float64(process.takes())) + hop
				}
				free += process.takes()
				i = end
				if level == 0 {
					rounds++
				}
			}
		}
		// The next process of one ending's path sees the others in its own
		// order; to order them costs nothing and changes no quantile.
		order(at, begun)
	}
	for i := range took {
		took[i] = at[i] - begun[i]
	}
	slices.Sort(took)
	used = float64(rounds) * path[0].takes().Seconds() * outCores / (clock.Seconds())
	return took[endings/2], took[endings*99/100], used
}

// order sorts the times of arrival, and what belongs to them.
func order(at, with []time.Duration) {
	index := make([]int, len(at))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return int(at[a] - at[b]) })
	sortedAt, sortedWith := make([]time.Duration, len(at)), make([]time.Duration, len(at))
	for i, from := range index {
		sortedAt[i], sortedWith[i] = at[from], with[from]
	}
	copy(at, sortedAt)
	copy(with, sortedWith)
}
