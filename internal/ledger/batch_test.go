package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
)

func denialAt(t time.Time, code doorward.Code) Record {
	d := doorward.NewDenial(code, t, doorward.Reason{Check: "exp", Text: "expired"})
	return Record{ID: d.ID, Code: code, At: t, Method: "GET", Path: "/", Detail: d.PublicDetail(), Private: d.Private}
}

func TestAcceptChecksTheBatch(t *testing.T) {
	for name, test := range map[string]struct {
		batch Batch
		fault string
	}{
		"no time":            {Batch{}, "sent is missing"},
		"a clock too far":    {Batch{Sent: noon.Add(MaxAhead + time.Second)}, "more than a clock is off"},
		"a clock too late":   {Batch{Sent: noon.Add(-MaxAhead - time.Second)}, "more than a clock is off"},
		"too many denials":   {Batch{Sent: noon, Denials: make([]Record, MaxDenials+1)}, "at most"},
		"too many counts":    {Batch{Sent: noon, Counted: make([]Flood, MaxCounted+1)}, "at most"},
		"nothing":            {Batch{Sent: noon}, ""},
		"a clock a day late": {Batch{Sent: noon.Add(-24 * time.Hour)}, ""},
	} {
		_, _, _, err := test.batch.Accept("k", noon)
		if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %v, want %q", name, err, test.fault)
		}
	}
}

func TestAcceptChecksEachDenial(t *testing.T) {
	good := denialAt(noon, doorward.TokenExpired)
	with := func(change func(*Record)) Record { r := good; change(&r); return r }
	for name, test := range map[string]struct {
		record Record
		fault  string
	}{
		"good":              {good, ""},
		"no id":             {with(func(r *Record) { r.ID = "" }), "id is not"},
		"an id of no kind":  {with(func(r *Record) { r.ID = "dn_../../x" }), "id is not"},
		"another's time":    {with(func(r *Record) { r.At = noon.Add(-time.Second) }), "another time"},
		"to come":           {denialAt(noon.Add(time.Minute), doorward.TokenExpired), "after that of sending"},
		"long ago":          {denialAt(noon.Add(-Keep-time.Minute), doorward.TokenExpired), "longer ago"},
		"an unknown code":   {with(func(r *Record) { r.Code = "X" }), "code is none"},
		"a code of input":   {with(func(r *Record) { r.Code = doorward.NotFound }), "code is none"},
		"a fault is kept":   {denialAt(noon, doorward.Unavailable), ""},
		"yesterday's is ok": {denialAt(noon.Add(-24*time.Hour), doorward.TokenExpired), ""},
	} {
		kept, _, refused, err := Batch{Sent: noon, Denials: []Record{test.record}}.Accept("k", noon)
		if err != nil || len(kept)+len(refused) != 1 || (len(kept) == 1) != (test.fault == "") {
			t.Errorf("%s: kept %v, refused %v, %v", name, kept, refused, err)
		} else if test.fault != "" && !strings.Contains(refused[0].Reason, test.fault) {
			t.Errorf("%s: refused for %q, want %q", name, refused[0].Reason, test.fault)
		}
	}
	for name, test := range map[string]struct {
		flood Flood
		fault string
	}{
		"good":         {Flood{noon, doorward.TokenMissing, 3}, ""},
		"none":         {Flood{noon, doorward.TokenMissing, 0}, "bounds"},
		"less":         {Flood{noon, doorward.TokenMissing, -1}, "bounds"},
		"too many":     {Flood{noon, doorward.TokenMissing, maxCount + 1}, "bounds"},
		"no such code": {Flood{noon, "X", 1}, "code"},
		"to come":      {Flood{noon.Add(time.Hour), doorward.TokenMissing, 1}, "after"},
	} {
		_, kept, refused, _ := Batch{Sent: noon, Counted: []Flood{test.flood}}.Accept("k", noon)
		if (len(kept) == 1) != (test.fault == "") || test.fault != "" && (len(refused) != 1 || !strings.Contains(refused[0].Reason, test.fault)) {
			t.Errorf("%s: kept %v, refused %v", name, kept, refused)
		}
	}
}

// TestAcceptKeepsNoClockButOurs: a guard's clock may be wrong by hours; what it
// refused is told by ours, never in a time to come, and says by how much.
func TestAcceptKeepsNoClockButOurs(t *testing.T) {
	for _, test := range []struct{ off, ahead time.Duration }{
		{0, 0}, {time.Second, 0}, {-time.Second, 0}, {10 * time.Minute, 10 * time.Minute}, {-5 * time.Hour, -5 * time.Hour},
	} {
		sent := noon.Add(test.off)
		records, floods, refused, err := Batch{
			Node: "api", Sent: sent,
			Denials: []Record{denialAt(sent.Add(-3*time.Second), doorward.TokenExpired), denialAt(sent, doorward.TokenExpired)},
			Counted: []Flood{{sent, doorward.TokenMissing, 1}},
		}.Accept("reports", noon)
		if err != nil || len(refused) > 0 || len(records) != 2 || len(floods) != 1 {
			t.Fatalf("%s: %v %v", test.off, err, refused)
		}
		for i, r := range records {
			want := noon.Add(time.Duration(3*(i-1)) * time.Second)
			if d := r.At.Sub(want); r.At.After(noon) || d > agree || d < -agree {
				t.Errorf("%s: it was at %s, want %s", test.off, r.At, want)
			}
			if r.Ahead != test.ahead || r.Node != "api" || r.Key != "reports" || r.Status != 401 {
				t.Errorf("%s: %+v", test.off, r)
			}
		}
		if floods[0].Minute.After(noon) {
			t.Errorf("%s: counted in a time to come: %s", test.off, floods[0].Minute)
		}
	}
}

// TestAcceptBelievesNothingElse: what a batch says of itself that is not its to
// say is overwritten, and its texts are masked.
func TestAcceptBelievesNothingElse(t *testing.T) {
	r := denialAt(noon, doorward.TokenExpired)
	r.Status, r.Key, r.Node, r.Ahead = 200, "another's", "another", time.Hour
	r.Private.Text = "the token eyJhbGciOiJFUzI1NiJ9.e30.c2ln has expired"
	records, _, _, err := Batch{Node: strings.Repeat("n ", 200), Sent: noon, Denials: []Record{r}}.Accept("reports", noon)
	if err != nil || len(records) != 1 {
		t.Fatal(err)
	}
	got := records[0]
	if got.Status != 401 || got.Key != "reports" || len(got.Node) > maxName || got.Ahead != 0 || got.Private.Text != "the token [masked] has expired" {
		t.Errorf("%+v", got)
	}
}
