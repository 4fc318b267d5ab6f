package main

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/doorward/doorward/internal/doctor"
	"github.com/doorward/doorward/internal/why"
)

// narrowest and widest a diagnosis is set.
const (
	narrowest = 30
	widest    = 100
)

// ink writes to a terminal or to a file: with colours there, without here.
type ink struct {
	app   *app
	width int
	color bool
}

func (a *app) ink() *ink {
	k := &ink{app: a, width: 80}
	if o, ok := a.out.(*output); ok {
		if f, ok := o.w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			k.color = a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
			if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
				k.width = w
			}
		}
	}
	if w, err := strconv.Atoi(a.getenv("COLUMNS")); err == nil && w > 0 {
		k.width = w
	}
	k.width = min(max(k.width, narrowest), widest)
	return k
}

func (k *ink) paint(code, s string) string {
	if !k.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// para sets a text with a hanging indent.
func (k *ink) para(first, rest, text string) {
	line := first
	room := func() int { return k.width - len([]rune(line)) }
	fresh := true
	for word := range strings.FieldsSeq(why.Printable(text)) {
		for {
			n := len([]rune(word)) + 1
			if fresh {
				n--
			}
			if n <= room() {
				break
			}
			if !fresh {
				k.app.say("%s", line)
				line, fresh = rest, true
				continue
			}
			runes := []rune(word)
			cut := max(room(), 8)
			if cut >= len(runes) {
				break
			}
			k.app.say("%s", line+string(runes[:cut]))
			line, word = rest, string(runes[cut:])
		}
		if !fresh {
			line += " "
		}
		line += word
		fresh = false
	}
	k.app.say("%s", line)
}

func (a *app) showDiagnosis(d doctor.Diagnosis) {
	k := a.ink()
	code := "31;1"
	switch d.Cause {
	case doctor.None:
		code = "32;1"
	case doctor.Unknown:
		code = "33;1"
	}
	a.say("%s", k.paint(code, string(d.Cause)))
	how := d.Title
	if d.Cause != doctor.None && d.Cause != doctor.Unknown {
		how += " (" + string(d.Confidence) + ")"
	}
	k.para("  ", "  ", how)
	for _, e := range d.Evidence {
		k.para("  - ", "    ", e)
	}
	k.fix("", d.Fix)
	if len(d.Hops) > 0 {
		a.say("")
		k.picture(d.Hops)
	}
	for _, also := range d.Others {
		a.say("")
		k.para("Also ", "     ", string(also.Cause)+": "+doctor.Title(also.Cause))
		for _, e := range also.Evidence {
			k.para("  - ", "    ", e)
		}
		k.fix("  ", also.Fix)
	}
}

func (k *ink) fix(indent string, f doctor.Fix) {
	for _, who := range []struct{ name, text string }{{"Caller", f.Caller}, {"Developer", f.Developer}, {"Operator", f.Operator}} {
		if who.text == "" {
			continue
		}
		label := indent + who.name + ": "
		k.para(label, strings.Repeat(" ", min(len(label), 4)), who.text)
	}
}

// picture draws the way of the request, and where the credential was lost.
func (k *ink) picture(hops []doctor.Step) {
	k.app.say("%s", "client")
	for i, h := range hops {
		mark := map[string]string{"sent": "with the credential", "dropped": "the credential stayed behind", "none": "without a credential"}[h.Credential]
		if h.Credential == "dropped" {
			mark = k.paint("31", mark)
		}
		k.para("  |  ", "  |  ", h.Request)
		k.app.say("  |  %s", mark)
		target := "server"
		if h.By != "" {
			target = h.By
		}
		if i < len(hops)-1 {
			target = h.Answer
			k.para("  +- ", "  |  ", target)
			continue
		}
		k.para("  v  ", "     ", target)
		k.para("  =  ", "     ", h.Answer)
	}
}

func (a *app) showFindings(list []doctor.Finding) {
	if len(list) == 0 {
		a.say("NONE: nothing in this recording was refused")
		return
	}
	k := a.ink()
	for i, f := range list {
		if i > 0 {
			a.say("")
		}
		k.para("", "  ", strconv.Itoa(i+1)+". "+f.Method+" "+f.URL+" → "+strconv.Itoa(f.Status)+", "+why.Stamp(f.StartedDateTime))
		a.showDiagnosis(f.Diagnosis)
	}
}
