package corpus

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// diagnosis is what `doctor --json` prints.
type diagnosis struct {
	Cause      string   `json:"cause"`
	Confidence string   `json:"confidence"`
	Also       []string `json:"also"`
}

func (d diagnosis) String() string {
	text := d.Cause + " " + d.Confidence
	if len(d.Also) > 0 {
		text += ", also " + strings.Join(d.Also, " ")
	}
	return text
}

type grade int

const (
	right      grade = iota // with certainty
	likelyOnly              // right, called likely
	unknown                 // nothing said, and nothing wrong
	wrong
	wrongCertain // no count of right ones makes up for it
	grades
)

func (g grade) String() string {
	return [...]string{"right", "right, likely", "unknown", "wrong", "wrong with certain"}[g]
}

// judge grades what the doctor found, first to mend first.
func (e expectation) judge(found []diagnosis) (grade, string) {
	first := found[0]
	certain := first.Confidence == "certain"
	if first.Confidence != "certain" && first.Confidence != "likely" && first.Cause != "NONE" && first.Cause != "UNKNOWN" {
		return wrong, fmt.Sprintf("the confidence is %q", first.Confidence)
	}
	same := slices.Contains(e.equal, first.Cause)
	switch {
	case first.Cause == "UNKNOWN" && !same:
		return unknown, ""
	case !same && certain:
		return wrongCertain, ""
	case !same && !slices.Contains(e.or, first.Cause):
		return wrong, ""
	case certain && e.likely:
		return wrongCertain, "nothing proves it"
	}
	if err := e.judgeRest(found); err != nil {
		return wrong, err.Error()
	}
	if certain || e.cause == "NONE" || e.cause == "UNKNOWN" {
		return right, ""
	}
	return likelyOnly, ""
}

// judgeRest looks at what is said beside the first cause.
func (e expectation) judgeRest(found []diagnosis) error {
	also := found[0].Also
	for _, cause := range e.must {
		if !slices.Contains(also, cause) {
			return fmt.Errorf("also does not say %s", cause)
		}
	}
	for _, cause := range also {
		if cause != onlyAlso && !slices.Contains(slices.Concat(e.must, e.may), cause) {
			return fmt.Errorf("also says %s, which it is not", cause)
		}
	}
	var then []string
	for _, d := range found[1:] {
		then = append(then, d.Cause)
	}
	if e.then != nil && !slices.Equal(then, e.then) {
		return fmt.Errorf("the findings that follow are %v", then)
	}
	for _, cause := range then {
		if e.then == nil && !slices.Contains(slices.Concat(e.equal, e.must, e.may, e.or), cause) {
			return fmt.Errorf("a finding that follows says %s, which it is not", cause)
		}
	}
	return nil
}

// readDiagnosis reads one diagnosis, or the findings of a HAR.
func readDiagnosis(out []byte) ([]diagnosis, error) {
	var one struct {
		diagnosis
		Findings *[]diagnosis `json:"findings"`
	}
	if err := json.Unmarshal(out, &one); err != nil {
		return nil, err
	}
	switch {
	case one.Findings == nil && one.Cause == "":
		return nil, fmt.Errorf("it names no cause")
	case one.Findings == nil:
		return []diagnosis{one.diagnosis}, nil
	case len(*one.Findings) == 0:
		return []diagnosis{{Cause: "NONE"}}, nil
	}
	return *one.Findings, nil
}

// TestJudge: what decides about the doctor is itself judged.
func TestJudge(t *testing.T) {
	for _, test := range []struct {
		expect, said string
		want         grade
	}{
		{"EXPIRED", `{"cause":"EXPIRED","confidence":"certain"}`, right},
		{"EXPIRED", `{"cause":"EXPIRED","confidence":"likely"}`, likelyOnly},
		{"EXPIRED", `{"cause":"EXPIRED"}`, wrong},
		{"EXPIRED", `{"cause":"UNKNOWN"}`, unknown},
		{"EXPIRED", `{"cause":"NONE"}`, wrong},
		{"EXPIRED", `{"cause":"NONE","confidence":"certain"}`, wrongCertain},
		{"EXPIRED", `{"cause":"BAD_SIGNATURE","confidence":"certain"}`, wrongCertain},
		{"EXPIRED", `{"cause":"BAD_SIGNATURE","confidence":"likely"}`, wrong},
		{"EXPIRED", `{"cause":"EXPIRED","confidence":"certain","also":["NO_CHALLENGE"]}`, right},
		{"EXPIRED", `{"cause":"EXPIRED","confidence":"certain","also":["WRONG_AUDIENCE"]}`, wrong},
		{"EXPIRED\nmay: WRONG_AUDIENCE", `{"cause":"EXPIRED","confidence":"certain","also":["WRONG_AUDIENCE"]}`, right},
		{"EXPIRED\nmust: WRONG_AUDIENCE", `{"cause":"EXPIRED","confidence":"certain"}`, wrong},
		{"HANDLER_NOT_RUN likely", `{"cause":"HANDLER_NOT_RUN","confidence":"certain"}`, wrongCertain},
		{"HANDLER_NOT_RUN likely", `{"cause":"HANDLER_NOT_RUN","confidence":"likely"}`, likelyOnly},
		{"EXPIRED\nor: CLOCK_SKEW", `{"cause":"CLOCK_SKEW","confidence":"likely"}`, likelyOnly},
		{"EXPIRED\nor: CLOCK_SKEW", `{"cause":"CLOCK_SKEW","confidence":"certain"}`, wrongCertain},
		{"EXPIRED/CLOCK_SKEW", `{"cause":"CLOCK_SKEW","confidence":"certain"}`, right},
		{"UNKNOWN", `{"cause":"UNKNOWN"}`, right},
		{"UNKNOWN", `{"cause":"BAD_SIGNATURE","confidence":"likely"}`, wrong},
		{"UNKNOWN", `{"cause":"BAD_SIGNATURE","confidence":"certain"}`, wrongCertain},
		{"NONE", `{"findings":[]}`, right},
		{"NONE", `{"cause":"NO_CREDENTIALS","confidence":"certain"}`, wrongCertain},
		{"EXPIRED\nthen: NO_CREDENTIALS", `{"findings":[{"cause":"EXPIRED","confidence":"certain"}]}`, wrong},
		{"EXPIRED\nthen: NO_CREDENTIALS", `{"findings":[{"cause":"EXPIRED","confidence":"certain"},{"cause":"NO_CREDENTIALS","confidence":"certain"}]}`, right},
		{"EXPIRED", `{"findings":[{"cause":"EXPIRED","confidence":"certain"},{"cause":"NO_CREDENTIALS","confidence":"certain"}]}`, wrong},
		{"EXPIRED", `{"findings":[{"cause":"EXPIRED","confidence":"certain"},{"cause":"EXPIRED","confidence":"certain"}]}`, right},
	} {
		s, err := parse("test", []byte("Title\nexpect: "+test.expect+"\n-- args --\nx\n"))
		if err != nil {
			t.Fatal(err)
		}
		found, err := readDiagnosis([]byte(test.said))
		if err != nil {
			t.Fatal(err)
		}
		if got, reason := s.expect.judge(found); got != test.want {
			t.Errorf("%s, said %s: %v (%s), want %v", test.expect, test.said, got, reason, test.want)
		}
	}
}

// TestManners: what must never happen is seen when it happens.
func TestManners(t *testing.T) {
	const secret = "K7Q2XV5M3ZJ4N6P8R2T4W6Y8B3"
	named, other := &host{decl: &hostDecl{name: "api"}}, &host{decl: &hostDecl{name: "idp"}}
	for _, test := range []struct {
		name  string
		args  string
		a     arrival
		text  string
		fault string
	}{
		{"all is well", "@{api}/", arrival{named, "GET", "/", "GET / HTTP/1.1\r\nAuthorization: Bearer " + secret}, "EXPIRED", ""},
		{"nothing sent to the issuer", "@{api}/", arrival{other, "GET", "/", "GET / HTTP/1.1"}, "", ""},
		{"at the issuer", "@{api}/", arrival{other, "GET", "/?t=" + secret, "GET /?t=" + secret}, "", "which the input does not name"},
		{"the input names the issuer too", "@{idp}/token", arrival{other, "GET", "/", secret}, "", ""},
		{"a POST", "@{api}/", arrival{named, "POST", "/", ""}, "", "nobody asked"},
		{"a POST that was asked for", "--send\n@{api}/", arrival{named, "POST", "/", ""}, "", ""},
		{"in what it writes", "@{api}/", arrival{named, "GET", "/", ""}, "the token " + secret + " has expired", "is in the report"},
	} {
		r := &result{}
		st := &stage{canaries: []string{secret}}
		st.manners(r, &scenario{args: test.args}, []arrival{test.a}, map[string][]byte{"the report": []byte(test.text)})
		got := strings.Join(r.faults, "; ")
		if test.fault == "" && got != "" || !strings.Contains(got, test.fault) {
			t.Errorf("%s: %q, want %q", test.name, got, test.fault)
		}
	}
}
