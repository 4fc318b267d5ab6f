package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	Row   string  `json:"row"`
	What  string  `json:"what"`
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
	Failed  []failure `json:"failed,omitempty"`
}

// failure is a row in which something was answered wrongly.
type failure struct {
	Row   string `json:"row"`
	Error string `json:"error"`
}

func (r report) write(to io.Writer) error {
	fmt.Fprintf(to, "\n%s\n\n", r.Machine)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	line("row", "what", "doorward", "floor", "ratio", "goal", "met")
	for _, f := range r.Figures {
		line(f.Row, f.What, quantity(f.Value, f.Unit), optional(f.Floor, quantity(f.Floor, f.Unit)),
			optional(f.Ratio, number(f.Ratio)+"×"), f.Goal, f.verdict())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range r.Failed {
		if _, err := fmt.Fprintf(to, "\n%s FAILED: %s\n", f.Row, f.Error); err != nil {
			return err
		}
	}
	return nil
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
