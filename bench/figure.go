package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// figure is one line of the table.
type figure struct {
	Row   string  `json:"row"`
	What  string  `json:"what"`
	Side  string  `json:"side,omitempty"` // of what compares; empty where doorward stands beside a floor
	Unit  string  `json:"unit,omitempty"`
	Value float64 `json:"value"`
	Floor float64 `json:"floor,omitempty"` // zero where there is none
	Ratio float64 `json:"ratio,omitempty"` // of value and floor
	Goal  string  `json:"goal,omitempty"`
	Met   *bool   `json:"met,omitempty"` // nil where there is no goal
}

// each takes one measure of every round.
func each(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

func median(samples []sample, of func(sample) float64) float64 { return middle(each(samples, of)) }

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// single is a figure without a floor.
func single(what, unit string, value float64) figure {
	return figure{What: what, Unit: unit, Value: value}
}

// beside is a figure of one side with that of the other as its floor. The
// ratio is the median of the ratios of the rounds: two rounds in a turn met the
// same conditions, two medians may be of different turns.
func beside(what, unit string, values, floors []float64) figure {
	ratios := make([]float64, len(values))
	for i := range values {
		ratios[i] = values[i] / floors[i]
	}
	return figure{What: what, Unit: unit, Value: middle(values), Floor: middle(floors), Ratio: middle(ratios)}
}

// atMost and atLeast set a goal for the value, or for the ratio.

func (f figure) atMost(goal float64) figure {
	return f.aim(fmt.Sprintf("≤ %s", number(goal)), f.Value <= goal)
}

func (f figure) atLeast(goal float64) figure {
	return f.aim(fmt.Sprintf("≥ %s", number(goal)), f.Value >= goal)
}

func (f figure) ratioAtMost(goal float64) figure {
	return f.aim(fmt.Sprintf("≤ %s×", number(goal)), f.Ratio <= goal)
}

func (f figure) ratioAtLeast(goal float64) figure {
	return f.aim(fmt.Sprintf("≥ %s×", number(goal)), f.Ratio >= goal)
}

func (f figure) aim(goal string, met bool) figure {
	f.Goal, f.Met = goal, &met
	return f
}

// report is everything that a run found out.
type report struct {
	Machine machine   `json:"machine"`
	Figures []figure  `json:"figures"`
	Skipped []missing `json:"skipped,omitempty"`
	Failed  []failure `json:"failed,omitempty"`
}

// failure is a row in which something was answered wrongly.
type failure struct {
	Row   string `json:"row"`
	Error string `json:"error"`
}

// The sides of figures that compare, in the order of their columns. The goals
// are for the first.
const (
	sidePostgres = "PostgreSQL"
	sideSQLite   = "SQLite"
	sideExpress  = "Express"
)

var sides = []string{sidePostgres, sideSQLite, sideExpress}

// busy is the share of the cores above which what others do is no noise.
const busy = 0.05

// String returns the report in Markdown, as docs/performance.md shows it.
func (r report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", r.Machine)
	if r.Machine.Others > busy {
		b.WriteString("\nThe machine was not quiet: compare within a line, and measure again before you quote a figure.\n")
	}
	r.writeFloors(&b)
	r.writeSides(&b)
	for _, m := range r.Skipped {
		fmt.Fprintf(&b, "\n%s\n", m)
	}
	for _, f := range r.Failed {
		fmt.Fprintf(&b, "\n%s FAILED: %s\n", f.Row, f.Error)
	}
	b.WriteString("\n")
	return b.String()
}

// writeFloors writes the figures that stand beside a floor, or alone.
func (r report) writeFloors(b *strings.Builder) {
	t := table{{"row", "what", "doorward", "floor", "ratio", "goal", "met"}}
	for _, f := range r.Figures {
		if f.Side == "" {
			t = append(t, []string{f.Row, f.What, quantity(f.Value, f.Unit), optional(f.Floor, quantity(f.Floor, f.Unit)),
				optional(f.Ratio, number(f.Ratio)+"×"), f.Goal, f.verdict()})
		}
	}
	t.write(b)
}

// writeSides writes the figures that compare, a column for each side.
func (r report) writeSides(b *strings.Builder) {
	head := []string{"row", "what"}
	measured := slices.DeleteFunc(slices.Clone(sides), func(side string) bool {
		return !slices.ContainsFunc(r.Figures, func(f figure) bool { return f.Side == side })
	})
	t := table{append(append(head, measured...), "goal of "+sidePostgres, "met")}
	lines := make(map[[2]string][]string)
	for _, f := range r.Figures {
		column := slices.Index(measured, f.Side)
		if column < 0 {
			continue
		}
		key := [2]string{f.Row, f.What}
		line, ok := lines[key]
		if !ok {
			line = make([]string, len(t[0]))
			line[0], line[1] = f.Row, f.What
			lines[key] = line
			t = append(t, line)
		}
		line[len(head)+column] = quantity(f.Value, f.Unit)
		if f.Side == sidePostgres {
			line[len(line)-2], line[len(line)-1] = f.Goal, f.verdict()
		}
	}
	t.write(b)
}

// table is lines of cells, the first of them the head.
type table [][]string

// write writes the table in Markdown, so that it reads well without being
// rendered too; nothing where there is only a head.
func (t table) write(b *strings.Builder) {
	if len(t) < 2 {
		return
	}
	widths := make([]int, len(t[0]))
	for _, line := range t {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), len("---"))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	b.WriteString("\n")
	for _, line := range slices.Insert(slices.Clone(t), 1, rule) {
		for i, cell := range line {
			fmt.Fprintf(b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
}

func (f figure) verdict() string {
	switch {
	case f.Met == nil:
		return ""
	case *f.Met:
		return "yes"
	default:
		return "NO"
	}
}

func optional(value float64, text string) string {
	if value == 0 {
		return ""
	}
	return text
}

func quantity(value float64, unit string) string {
	if unit == "" {
		return number(value)
	}
	return number(value) + " " + unit
}

// number writes three digits, or all of a larger number.
func number(v float64) string {
	switch abs := math.Abs(v); {
	case v == math.Trunc(v) || abs >= 100:
		return thousands(v)
	case abs >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", math.Abs(v))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if v <= -0.5 {
		return "-" + digits
	}
	return digits
}
