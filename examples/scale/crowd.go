package main

import (
	"math"
	"math/rand/v2"
	"time"
)

// What people do is assumed, not measured: no two services are alike here. A
// reader who knows better changes these.
const (
	visitMedian  = 4 * time.Minute // half of all visits are shorter
	visitSpread  = 1.1             // of the logarithm: the mean is 7 minutes
	visitLongest = 4 * time.Hour
	signOut      = 0.03 // of the visits that end, end with a sign-out
	swing        = 0.8  // how far the visits of an hour are from their mean, by day and by night
	zones        = 4    // hours over which the people of one region are spread
)

// habits are how many visits a day a session sees, and how many have that
// habit: a phone in daily use, a laptop at the weekend, a browser that somebody
// signed in with once.
var habits = []struct{ share, visits float64 }{{0.35, 3}, {0.35, 0.4}, {0.30, 0.05}}

const (
	sampled = 40_000 // sessions that are simulated, for any number
	days    = 7
)

// crowd is what the sampled sessions did.
type crowd struct {
	refreshes, logins, endings [24]float64 // in each hour of the day, for each session and day
	present                    [24]float64 // of the sessions, that are being used at a moment of the hour

	// Of an outage that begins at a full hour: who is there so long after, and
	// whose access token has expired by then.
	there, stranded [len(outages)]float64

	// Which pages of the table were written to between two checkpoints.
	touched [len(checkpoints)]map[touch]bool
}

// simulateCrowd lets each session live for some days.
func simulateCrowd(seed uint64) *crowd {
	r := rand.New(rand.NewPCG(seed, 1))
	c := &crowd{}
	for i := range c.touched {
		c.touched[i] = make(map[touch]bool)
	}
	for i := range sampled {
		c.live(r, i/pageRows)
	}
	for hour := range 24 {
		c.refreshes[hour] /= sampled * days
		c.logins[hour] /= sampled * days
		c.endings[hour] /= sampled * days
		c.present[hour] /= sampled * days * float64(time.Hour)
	}
	return c
}

const day = 24 * time.Hour

// checkpoints are how far apart: PostgreSQL's default, and what can be set.
var checkpoints = [...]time.Duration{5 * time.Minute, time.Hour}

type touch struct{ page, interval int }

// refresh is one of a session on a page.
func (c *crowd) refresh(at time.Duration, page int) {
	count(&c.refreshes, at)
	for i, apart := range checkpoints {
		c.touched[i][touch{page, int(at / apart)}] = true
	}
}

// images is the share of refreshes that were the first on their page since a
// checkpoint.
func (c *crowd) images(checkpoint int) float64 {
	return float64(len(c.touched[checkpoint])) / (sum(c.refreshes) * sampled * days)
}

// live is one session, and after a sign-out the next one on that device.
func (c *crowd) live(r *rand.Rand, page int) {
	visits := habits[len(habits)-1].visits
	for p, i := r.Float64(), 0; i < len(habits); i++ {
		if p -= habits[i].share; p < 0 {
			visits = habits[i].visits
			break
		}
	}
	zone := time.Duration(r.IntN(zones)) * time.Hour
	issued := -time.Duration(r.Float64() * float64(day)) // the token at hand
	signedIn := true
	for at := time.Duration(0); ; {
		// Visits come by chance, more by day: those that are too many by night
		// are left out.
		at += time.Duration(r.ExpFloat64() / (visits * (1 + swing)) * float64(day))
		if at >= days*day {
			return
		}
		if local := float64((at+zone)%day) / float64(day); r.Float64()*(1+swing) > 1-swing*math.Cos(2*math.Pi*local) {
			continue
		}
		length := min(time.Duration(float64(visitMedian)*math.Exp(visitSpread*r.NormFloat64())), visitLongest)
		before := issued
		if !signedIn || at-issued > idleLife {
			count(&c.logins, at)
			signedIn, issued, before = true, at, at-idleLife
		}
		if at-issued >= renewAfter {
			c.refresh(at, page)
			issued = at
		}
		c.strand(at, at+length, before, issued)
		for issued+renewAfter < at+length {
			issued += renewAfter
			c.refresh(issued, page)
		}
		for hour := at.Truncate(time.Hour); hour < at+length; hour += time.Hour {
			c.present[int(hour/time.Hour)%24] += float64(min(at+length, hour+time.Hour) - max(at, hour))
		}
		if r.Float64() < signOut {
			count(&c.endings, at)
			signedIn = false
		}
		at += length
	}
}

// strand looks at outages during a visit, in which nothing can be renewed. The
// visitor came with a token issued at before, and went on with one issued at
// first, and others after it.
func (c *crowd) strand(begin, end, before, first time.Duration) {
	for i, after := range outages {
		for then := (begin - after).Truncate(time.Hour) + after; then < end; then += time.Hour {
			outage := then - after
			if then < begin {
				continue
			}
			last := before
			if outage >= first {
				last = first + (outage - first).Truncate(renewAfter)
			}
			c.there[i]++
			if then-last > accessLife || last > outage { // the latter is one that could not be issued
				c.stranded[i]++
			}
		}
	}
}

// outages are how long after its beginning one is looked at.
var outages = [...]time.Duration{time.Minute, 5 * time.Minute, 8 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute}

func count(hours *[24]float64, at time.Duration) { hours[int(at/time.Hour)%24]++ }

// peak returns the rate in the busiest hour, a second for each session.
func peak(hours [24]float64) float64 {
	most := 0.0
	for _, n := range hours {
		most = max(most, n)
	}
	return most / time.Hour.Seconds()
}

func sum(hours [24]float64) (all float64) {
	for _, n := range hours {
		all += n
	}
	return all
}
