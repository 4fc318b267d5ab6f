package main

import (
	"fmt"
	"math"
	"time"
)

// numbers of sessions that the document speaks of.
var numbers = []float64{1e6, 1e8, 1e9}

func behaviour(c *crowd) table {
	t := table{"behaviour", [][]string{{"of a session", "simulated"}}}
	quietest, busiest := 1.0, 0.0
	for _, share := range c.present {
		quietest, busiest = min(quietest, share), max(busiest, share)
	}
	t.add("is being used, in the busiest hour", percent(busiest))
	t.add("is being used, in the quietest hour", percent(quietest))
	t.add("refreshes a day", three(sum(c.refreshes)))
	t.add("refreshes in the busiest hour, against the mean", three(peak(c.refreshes)*day.Seconds()/sum(c.refreshes))+"×")
	t.add("logins a day", three(sum(c.logins)))
	t.add("sign-outs a day", three(sum(c.endings)))
	t.add("refreshes a second of a million, in the busiest hour", three(1e6*peak(c.refreshes)))
	t.add("the same if all of them were in use at once", three(1e6/renewAfter.Seconds()))
	return t
}

// load is what N sessions ask of nodes and database.
func load(c *crowd) table {
	t := table{name: "load"}
	head, rates, all := []string{"sessions"}, []string{"refreshes a second, busiest hour"}, []string{"the same, all in use at once"}
	signIns := []string{"logins a second"}
	nodes, hashing, database := []string{"cores of nodes for refreshes"}, []string{"cores of nodes for logins"}, []string{"cores of PostgreSQL"}
	bare := []string{"WAL a second, without images of pages"}
	often, seldom := []string{"the same with them, a checkpoint every 5 minutes"}, []string{"the same with them, a checkpoint every hour"}
	rows := []string{"rows and indexes"}
	for _, n := range numbers {
		rate, login := n*peak(c.refreshes), n*peak(c.logins)
		head = append(head, count3(n))
		rates = append(rates, three(rate))
		all = append(all, three(n/renewAfter.Seconds()))
		signIns = append(signIns, three(login))
		nodes = append(nodes, cores(rate, nodeCPU))
		hashing = append(hashing, cores(login, signInCPU))
		database = append(database, cores(rate, databaseCPU))
		bare = append(bare, size(rate*walBytes))
		often = append(often, size(rate*(walBytes+c.images(0)*(imageBytes-walBytes))))
		seldom = append(seldom, size(rate*(walBytes+c.images(1)*(imageBytes-walBytes))))
		rows = append(rows, size(n*rowBytes))
	}
	t.lines = [][]string{head, rates, all, signIns, nodes, hashing, database, bare, often, seldom, rows}
	return t
}

// window is the part of the log of revocations that may still matter.
func window(c *crowd) table {
	t := table{name: "window"}
	head, rates := []string{"sessions"}, []string{"endings a second, busiest hour"}
	matter, memory := []string{"endings that still matter"}, []string{"a guard's memory for them"}
	snapshot, stream := []string{"a snapshot, for a guard that connects"}, []string{"the stream to one guard"}
	burst := []string{"one session in a hundred ended at once"}
	shorter := []string{"a snapshot with access tokens of 5 minutes, and 5 for clocks"}
	for _, n := range numbers {
		rate := n * peak(c.endings)
		known := rate * remembered.Seconds()
		head = append(head, count3(n))
		rates = append(rates, three(rate))
		matter = append(matter, three(known))
		memory = append(memory, size(known*entryBytes))
		snapshot = append(snapshot, size(known*eventBytes))
		stream = append(stream, size(rate*eventBytes)+"/s")
		burst = append(burst, size(n/100*eventBytes))
		shorter = append(shorter, size(rate*(10*time.Minute).Seconds()*eventBytes))
	}
	t.lines = [][]string{head, rates, matter, memory, snapshot, shorter, stream, burst}
	return t
}

func cores(rate float64, each time.Duration) string {
	return three(math.Ceil(rate * each.Seconds() / busy))
}

// count3 writes a power of ten.
func count3(n float64) string { return fmt.Sprintf("10^%d", int(math.Round(math.Log10(n)))) }

func percent(share float64) string {
	return three(100*share) + " %"
}

// three writes three digits, or all of a larger number, with commas.
func three(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.995:
		return fmt.Sprintf("%.2g", v)
	case v < 9.95:
		return fmt.Sprintf("%.1f", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	if len(digits) > 3 { // three of them mean something
		unit := math.Pow(10, float64(len(digits)-3))
		digits = fmt.Sprintf("%.0f", math.Round(v/unit)*unit)
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func size(v float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return three(v) + " " + units[i]
}

// span writes a duration with two digits or three.
func span(d time.Duration) string {
	if d >= time.Second {
		return three(d.Seconds()) + " s"
	}
	return three(float64(d)/float64(time.Millisecond)) + " ms"
}
