package main

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/doorward/doorward/internal/pgtest"
)

// row is one thing that is measured.
type row struct {
	name    string
	measure func(context.Context, *bench) ([]figure, error)
}

var rows = []row{
	{"guard", guardRow},
	{"first-sight", firstSightRow},
	{"refresh", refreshRow},
	{"login", loginRow},
	{"flood", floodRow},
	{"size", sizeRow},
	{"memory", memoryRow},
	{"start", startRow},
	{"postgres", postgresRow},
	{"endings", endingsRow},
	{"introspect", introspectRow},
	{"compare", compareRow},
}

// bench is what the rows share.
type bench struct {
	scale
	dir      string // for databases; removed at the end
	profiles string // a directory, or "" for no profiles
	profile  string // the file of this row, or ""
	offline  bool   // what must be fetched is skipped
	stderr   io.Writer

	crowd   *crowd // measured once, for two rows
	cluster *pgtest.Cluster
	skipped []missing // what could not be measured here
}

func (b *bench) forRow(name string) *bench {
	if b.profiles != "" {
		b.profile = filepath.Join(b.profiles, name+".pprof")
	}
	return b
}

// skip notes what the machine lacks; measure tells.
func (b *bench) skip(m missing) {
	if !slices.Contains(b.skipped, m) {
		b.skipped = append(b.skipped, m)
	}
}

// scale is how much of everything is done.
type scale struct {
	rounds    int           // of each side, after one to warm up
	round     time.Duration // of one side
	clients   int           // that ask at the same time
	accounts  int           // that log in
	strangers int           // tokens at first sight, in one round
	sessions  int           // in the large store
	starts    int
	rate      int // requests a second of the open loop
	crowded   int // clients of the compared stacks
	easyRate  int // requests a second that each of them can bear
	some      int // sessions in a store that is compared with
	most      int // the one with most
	observed  int // endings that are waited for elsewhere
}

// scaleFor returns the scale at which each timed row takes so many seconds.
func scaleFor(seconds float64) scale {
	const rounds = 5
	return scale{
		rounds: rounds, round: time.Duration(seconds / (2 * (rounds + 1)) * float64(time.Second)),
		clients: 32, accounts: 64, strangers: max(int(500*seconds), 32), sessions: 100_000, starts: 20, rate: 10_000, crowded: 64, easyRate: 1000, some: 10_000, most: 1_000_000, observed: 200,
	}
}

// sample is what one round of one side came to.
type sample struct {
	n    int           // requests, hashes or commits
	wall time.Duration // from the first to the last
	cpu  time.Duration // that the server's process used, for all of it
	took histogram     // for each; empty where that is not known

	database time.Duration // of cpu, what the database's own processes used
}

func (s sample) cpuEach() float64      { return micros(s.cpu) / float64(s.n) }
func (s sample) databaseEach() float64 { return micros(s.database) / float64(s.n) }

func (s sample) wallEach() float64  { return micros(s.wall) / float64(s.n) }
func (s sample) perSecond() float64 { return float64(s.n) / s.wall.Seconds() }

func quantile(q float64) func(sample) float64 {
	return func(s sample) float64 { return micros(s.took.quantile(q)) }
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// inTurns runs the sides in turns, a round each, and returns the samples of
// each side. What the machine does beside, and what its clock does, then
// happens to all of them. The first turn warms up and does not count.
func inTurns(rounds int, sides ...func() (sample, error)) ([][]sample, error) {
	samples := make([][]sample, len(sides))
	for turn := range 1 + rounds {
		for i, side := range sides {
			s, err := side()
			if err != nil {
				return nil, err
			}
			if turn > 0 {
				samples[i] = append(samples[i], s)
			}
		}
	}
	return samples, nil
}
