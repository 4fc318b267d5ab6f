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
	Also       []Cause    `json:"also"`
	Others     []Also     `json:"others,omitempty"` // what is said of those in also
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
	heard bool // it rests on the words of the answer alone
}

// byItself are the causes that are true whatever else is: what follows from
// another, or is not proved, is noise beside it.
var byItself = map[Cause]bool{
	"EXPIRED": true, "NOT_YET_VALID": true, "TIME_IN_MILLISECONDS": true, "ALG_NONE": true, "ID_TOKEN_AS_ACCESS": true, "REFRESH_AS_ACCESS": true, "SENDER_CONSTRAINED": true,
	"WRONG_ISSUER": true, "NO_CHALLENGE": true,
}

func certain(c Cause, proof ...string) *finding { return &finding{cause: c, sure: true, proof: proof} }
func likely(c Cause, proof ...string) *finding  { return &finding{cause: c, proof: proof} }

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
	for _, f := range found {
		// What nobody but the server knows is as sure as its words are plain.
		if onlyTheServerKnows[f.cause] && slices.ContainsFunc(f.proof, func(line string) bool { return c.prose[line] }) {
			f.sure = false
		}
	}
	if c.alikeBare() {
		for _, f := range found {
			// What is said to who sends no credential says nothing of this one, but
			// where the token bears it out.
			if tokenCause[f.cause] && f.cause != "MISSING_CLAIM" && f.cause != "NO_KID" && len(f.proof) > 0 && c.quoted[f.proof[0]] {
				f.sure = false
			}
		}
	}
	if c.inside == saysRefused {
		for _, f := range found {
			f.sure = false // the words of a body that says "failed" are all there is
		}
	}
	d := Diagnosis{Evidence: []string{}, Also: []Cause{}, Hops: c.steps()}
	switch {
	case len(found) > 0 && found[0].cause != noChallenge:
		first := found[0]
		d.Cause, d.Confidence = first.cause, first.confidence()
		d.Evidence = append(first.proof, c.context()...)
		d.Fix = c.fixFor(first)
		found = found[1:]
	case c.outcome == letThrough, c.outcome == notSent && e.Request.URL == "" && c.token != nil && c.sound():
		d.Cause, d.Confidence, d.Evidence = None, Certain, c.context()
		if h := e.last(); h == nil || h.Answer.Status >= 400 || c.inside == saysFailed {
			d.Confidence = Likely
		}
		d.Fix = Fix{Caller: "Nothing: the request is let through."}
	default:
		d.Cause, d.Confidence, d.Evidence = Unknown, Likely, c.context()
		d.Fix = c.fixForUnknown()
	}
	for _, f := range found {
		if f.cause == d.Cause || !f.sure || !byItself[f.cause] || f.heard {
			continue
		}
		d.Also = append(d.Also, f.cause)
		d.Others = append(d.Others, Also{Cause: f.cause, Confidence: f.confidence(), Evidence: f.proof, Fix: c.fixFor(f)})
	}
	d.Title = titles[d.Cause]
	d.Requests = c.requests()
	return c.mask(d)
}

// fixForUnknown says how to come to know more.
func (c *Case) fixForUnknown() Fix {
	switch {
	case c.answer == nil && c.Request.URL == "":
		return Fix{Caller: "Give the URL of the request, too: what was given proves nothing by itself."}
	case c.answer == nil:
		return Fix{Caller: "Let the server be asked: what was given proves nothing by itself."}
	}
	switch c.answer.Kind {
	case FaultNone:
		return Fix{
			Caller:   "Ask whoever runs the server for its log of this request; the time and the answer above say which one it is.",
			Operator: "Look for the reason in the application's log: the answer does not give it.",
		}
	case FaultName:
		return Fix{Caller: "See that the host in the URL is spelt right, and that its name resolves from here."}
	case FaultRefused:
		return Fix{Caller: "See that the server runs, and that host and port in the URL are its."}
	case FaultTimeout:
		return Fix{Caller: "Ask again; if no answer comes, see that the server runs and that no firewall stands before it."}
	case FaultPlain:
		return Fix{Caller: "Write the other of http:// and https:// in the URL."}
	default:
		return Fix{Caller: "Mend the connection first: no answer came, so nobody has judged the credential."}
	}
}
