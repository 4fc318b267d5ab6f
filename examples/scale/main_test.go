package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const document = "../../docs/scale.md"

// The tables of the document are those that the program prints, and every
// figure in its text that is in bold type stands in one of them.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	tables := compute(1)
	want, err := fill(string(text), tables)
	if err != nil {
		t.Fatal(err)
	}
	if want != string(text) {
		t.Errorf("the tables are others: go run ./examples/scale -into docs/scale.md")
	}
	var cells []string
	for _, table := range tables {
		for _, line := range table.lines {
			cells = append(cells, line...)
		}
	}
	figures := regexp.MustCompile(`\*\*[^*]+\*\*`).FindAllString(string(text), -1)
	if len(figures) < 10 {
		t.Errorf("only %d figures in the text", len(figures))
	}
	for _, figure := range figures {
		if !slices.Contains(cells, strings.Join(strings.Fields(strings.Trim(figure, "*")), " ")) {
			t.Errorf("the text says %s, and no table does", figure)
		}
	}
}

// What is simulated agrees with what can be worked out by hand.
func TestByHand(t *testing.T) {
	c := simulateCrowd(2)
	// Sessions are used by visits of 4 min · e^(1.1²/2) on average.
	visits := 0.0
	for _, h := range habits {
		visits += h.share * h.visits
	}
	var present float64
	for _, share := range c.present {
		present += share / 24
	}
	if want := visits * 4 * 1.83 / (24 * 60); present < 0.9*want || present > 1.1*want {
		t.Errorf("a share of %.5f is there, by hand %.5f", present, want)
	}
	if ends := sum(c.endings); ends < 0.9*signOut*visits || ends > 1.1*signOut*visits {
		t.Errorf("%.4f sign-outs a day, by hand %.4f", ends, signOut*visits)
	}
	// Each visit needs a token or has one from at most ten minutes before, and
	// one more for each ten minutes of it.
	if n := sum(c.refreshes) + sum(c.logins); n < visits || n > 2*visits {
		t.Errorf("%.2f tokens a day for %.2f visits", n, visits)
	}
	// After the life of a token nobody has one.
	if last := len(outages) - 1; c.stranded[last] != c.there[last] || c.stranded[0] >= c.stranded[1] {
		t.Errorf("stranded: %v of %v", c.stranded, c.there)
	}
}

func TestSameSeedSameTables(t *testing.T) {
	var a, b, other bytes.Buffer
	for out, seed := range map[*bytes.Buffer]string{&a: "7", &b: "7", &other: "8"} {
		if status := run([]string{"-seed", seed}, out, t.Output()); status != 0 {
			t.Fatal(status)
		}
	}
	if a.String() != b.String() || a.String() == other.String() {
		t.Error("the seed does not decide what is printed")
	}
}

func TestWrongUse(t *testing.T) {
	if status := run([]string{"more"}, nil, t.Output()); status != 2 {
		t.Error(status)
	}
	if status := run([]string{"-into", "main.go"}, nil, t.Output()); status != 1 {
		t.Error(status)
	}
}
