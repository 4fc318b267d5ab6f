package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Three regions, and the time between them there and back, on a good day.
var places = []string{"Europe", "America", "Asia"}

var between = [3][3]time.Duration{
	{0, 90 * time.Millisecond, 180 * time.Millisecond},
	{90 * time.Millisecond, 0, 150 * time.Millisecond},
	{180 * time.Millisecond, 150 * time.Millisecond, 0},
}

const (
	inPlace  = 15 * time.Millisecond // from a person to the region they are in, there and back
	answered = 1 * time.Millisecond  // by a node with its database in the same place
	away     = 0.03                  // of the people are in another region than that of their session
	jitter   = 0.25                  // of the logarithm of a time on the network
)

// regions is how long a refresh takes, and how long an ending is unknown, with
// one database for all and with a home for each session.
func regions(seed uint64) table {
	t := table{"regions", [][]string{{"", "refresh: p50", "p99", "of them over an ocean", "an ending known in its region: p99", "in all regions: p99"}}}
	r := rand.New(rand.NewPCG(seed, 3))
	for _, way := range []struct {
		name string
		home func(place int) int
	}{
		{"one primary, in Europe", func(int) int { return 0 }},
		{"each session at home", func(place int) int {
			if r.Float64() < away {
				return (place + 1 + r.IntN(2)) % 3
			}
			return place
		}},
	} {
		const people = 100_000
		var refresh, here, everywhere []time.Duration
		over := 0
		for range people {
			place := r.IntN(len(places))
			home := way.home(place)
			if home != place {
				over++
			}
			there := noisy(r, inPlace) + noisy(r, between[place][home]) + answered
			refresh = append(refresh, there)
			// An ending is committed at home, and goes from there to every node.
			known, all := time.Duration(0), time.Duration(0)
			for other := range places {
				after := toNode + noisy(r, between[home][other])/2
				all = max(all, after)
				if other == place {
					known = after
				}
			}
			here, everywhere = append(here, known), append(everywhere, all)
		}
		t.add(way.name, span(quantile(refresh, 0.5)), span(quantile(refresh, 0.99)), percent(float64(over)/people),
			span(quantile(here, 0.99)), span(quantile(everywhere, 0.99)))
	}
	return t
}

func noisy(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(float64(d) * math.Exp(jitter*r.NormFloat64()))
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[int(q*float64(len(all)))]
}

// outage is how many of those who are there can do nothing, so long after a
// region, or the database, went away.
func outage(c *crowd) table {
	t := table{"outage", [][]string{{"minutes after the database went away", "of those who are there, have no access token any more"}}}
	for i, after := range outages {
		t.add(three(after.Minutes()), percent(c.stranded[i]/c.there[i]))
	}
	return t
}
