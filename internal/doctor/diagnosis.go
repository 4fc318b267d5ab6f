package doctor

import "slices"

// Cause is one root cause of a refusal.
type Cause string

// What is no cause.
const (
	None    Cause = "NONE"    // the request is let through
	Unknown Cause = "UNKNOWN" // nothing is proved
)

// Confidence says whether the evidence proves the cause.
type Confidence string

// The confidences.
const (
	Certain Confidence = "certain"
	Likely  Confidence = "likely"
)

// Fix says who mends it, and how.
type Fix struct {
	Caller    string `json:"caller,omitempty"`
	Developer string `json:"developer,omitempty"`
	Operator  string `json:"operator,omitempty"`
}

// Diagnosis is what is wrong with one request.
type Diagnosis struct {
	Cause      Cause      `json:"cause"`
	Confidence Confidence `json:"confidence"`
	Title      string     `json:"title"`
	Evidence   []string   `json:"evidence"`
	Fix        Fix        `json:"fix"`
	Also       []Also     `json:"also"`
	Hops       []Step     `json:"hops,omitempty"`
	Requests   int        `json:"requests"`
}

// Also is what else is wrong, and is mended after the cause.
type Also struct {
	Cause      Cause      `json:"cause"`
	Confidence Confidence `json:"confidence"`
	Evidence   []string   `json:"evidence"`
	Fix        Fix        `json:"fix"`
}

// Step is one stretch of the way, for the picture.
type Step struct {
	Request    string `json:"request"`
	Answer     string `json:"answer"`
	By         string `json:"by,omitempty"`
	Credential string `json:"credential"` // sent, none, dropped
}

// finding is what a rule found.
type finding struct {
	cause Cause
	sure  bool
	proof []string
	fix   *Fix // where the usual one does not fit
}

func certain(c Cause, proof ...string) *finding { return &finding{cause: c, sure: true, proof: proof} }
func likely(c Cause, proof ...string) *finding  { return &finding{cause: c, proof: proof} }

func (f *finding) with(fix Fix) *finding {
	f.fix = &fix
	return f
}

func (f *finding) confidence() Confidence {
	if f.sure {
		return Certain
	}
	return Likely
}

// Diagnose decides.
func Diagnose(e *Evidence) Diagnosis {
	c := newCase(e)
	var found []*finding
	for _, r := range rules {
		for _, f := range r.judge(c) {
			if f != nil && !slices.ContainsFunc(found, func(o *finding) bool { return o.cause == f.cause }) {
				found = append(found, f)
			}
		}
	}
	d := Diagnosis{Evidence: []string{}, Also: []Also{}, Hops: c.steps()}
	switch {
	case len(found) > 0 && found[0].cause != noChallenge:
		first := found[0]
		d.Cause, d.Confidence = first.cause, first.confidence()
		d.Evidence = append(first.proof, c.context()...)
		d.Fix = c.fixFor(first)
		found = found[1:]
	case c.outcome == letThrough:
		d.Cause, d.Confidence, d.Evidence = None, Certain, c.context()
		if len(e.Hops) == 0 {
			d.Confidence = Likely
		}
		d.Fix = Fix{Caller: "Nothing: the request is let through."}
	default:
		d.Cause, d.Confidence, d.Evidence = Unknown, Likely, c.context()
		d.Fix = Fix{
			Caller:   "Ask whoever runs the server for its log of this request; the time and the answer above say which one it is.",
			Operator: "Look for the reason in the application's log: the answer does not give it.",
		}
	}
	for _, f := range found {
		// What is not proved is told once, as the cause; beside another it is noise.
		if f.cause == d.Cause || !f.sure {
			continue
		}
		d.Also = append(d.Also, Also{Cause: f.cause, Confidence: f.confidence(), Evidence: f.proof, Fix: c.fixFor(f)})
	}
	d.Title = titles[d.Cause]
	d.Requests = c.requests()
	return c.mask(d)
}
