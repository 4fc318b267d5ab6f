package linear

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// forever is when a request ends whose outcome nobody was told: it may take
// effect at any time from when it was sent.
const forever = math.MaxInt64

// event is one request with its answer. Times are counted from the beginning of
// the history.
type event struct {
	client    int
	question  question
	answer    answer
	call, ret time.Duration
}

// history is what was asked for one user, and answered.
type history struct {
	name   string
	events []event
}

var seed = maphash.MakeSeed()

// model is the rules as the checker takes them. Where more than one world can
// be, it goes on with all of them.
func (r Rules) model() porcupine.Model {
	n := porcupine.NondeterministicModel{
		Init: func() []any { return []any{world{}} },
		Step: func(state, input, output any) []any {
			var next []any
			for _, w := range r.step(state.(world), input.(question), output.(answer)) {
				next = append(next, w)
			}
			return next
		},
		Hash:              func(state any) uint64 { return maphash.Comparable(seed, state.(world)) },
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v → %v", in, out) },
		DescribeState:     func(state any) string { return state.(world).String() },
	}
	return n.ToModel()
}

func operations(events []event) []porcupine.Operation {
	all := make([]porcupine.Operation, 0, len(events))
	for _, e := range events {
		ret := int64(e.ret)
		if e.answer.said == unknown {
			ret = forever
		}
		all = append(all, porcupine.Operation{ClientId: e.client, Input: e.question, Output: e.answer, Call: int64(e.call), Return: ret})
	}
	return all
}

// check returns "" if the history is as the rules have it, and otherwise tells
// why not. It looks at ever longer beginnings: what the first few requests
// cannot explain takes long to find in all of them. Where even that takes too
// long, the history is not decided.
func (h history) check(r Rules) (wrong string, decided bool) {
	model := r.model()
	ends := make([]time.Duration, 0, len(h.events))
	for _, e := range h.events {
		ends = append(ends, e.ret)
	}
	slices.Sort(ends)
	const stride = 8
	for from := 0; from < len(ends); from += stride {
		some := ends[from:min(from+stride, len(ends))]
		if h.explained(model, some[len(some)-1]) == porcupine.Ok {
			continue
		}
		for _, until := range some {
			switch h.explained(model, until) {
			case porcupine.Illegal:
				return h.tell(model, until), true
			case porcupine.Unknown:
				return "", false
			}
		}
	}
	return "", true
}

// enough is how long one beginning of a history is looked at. Those that are
// right take milliseconds.
const enough = 3 * time.Second

func (h history) explained(model porcupine.Model, until time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, operations(h.prefix(until)), enough)
}

// prefix is what had happened by a time: what was not answered by then may be
// done yet.
func (h history) prefix(until time.Duration) []event {
	var some []event
	for _, e := range h.events {
		if e.call > until {
			continue
		}
		if e.ret > until {
			e.answer = answer{}
		}
		if e.answer.said == unknown && e.question.verb.reads() {
			continue // it tells nothing
		}
		some = append(some, e)
	}
	return some
}

// tell gives an account of the shortest beginning of the history that no order
// explains: the one that ends with an answer at the given time.
func (h history) tell(model porcupine.Model, until time.Duration) string {
	some := h.prefix(until)
	slices.SortFunc(some, func(a, b event) int { return cmp.Compare(a.call, b.call) })

	var b strings.Builder
	fmt.Fprintf(&b, "%s: no order of these %d requests explains their answers\n", h.name, len(some))
	for _, e := range some {
		end := fmt.Sprintf("%9.3f", ms(e.ret))
		mark := ""
		switch {
		case e.answer.said == unknown:
			end = "        …"
		case e.ret == until:
			mark = "   ← cannot be"
		}
		fmt.Fprintf(&b, "  %9.3f – %s ms  c%d  %v → %v%s%s\n", ms(e.call), end, e.client, e.question, e.answer, shown(e.question.moments), mark)
	}
	_, info := porcupine.CheckOperationsVerbose(model, operations(some), enough)
	if best := longest(info); len(best) > 0 {
		b.WriteString("the longest order that explains as many as it can:\n")
		state := model.Init()
		for _, op := range best {
			_, state = model.Step(state, op.Input, op.Output)
			fmt.Fprintf(&b, "    %s\n", model.DescribeOperation(op.Input, op.Output))
			for _, w := range distinct(state.([]any)) {
				fmt.Fprintf(&b, "        %s\n", w)
			}
		}
	}
	if dir := os.Getenv("HISTORIES"); dir != "" {
		path := fmt.Sprintf("%s/%s.html", dir, strings.ReplaceAll(h.name, " ", "-"))
		if err := porcupine.VisualizePath(model, info, path); err != nil {
			path = err.Error()
		}
		fmt.Fprintf(&b, "drawn in %s\n", path)
	}
	return b.String()
}

func longest(info porcupine.LinearizationInfo) (best []porcupine.Operation) {
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, some := range partition {
			if len(some) > len(best) {
				best = some
			}
		}
	}
	return best
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// distinct describes worlds, those that differ only in times as one.
func distinct(worlds []any) []string {
	var all []string
	for _, w := range worlds {
		all = append(all, w.(world).String())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shown is what the server's clock may have shown, in seconds since some time.
func shown(moments []moment) string {
	second := func(m moment) float64 { return float64(m%100_000_000_000) / 1000 }
	switch len(moments) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("   at %.1f s", second(moments[0]))
	default:
		return fmt.Sprintf("   from %.1f s to %.1f s", second(moments[0]), second(moments[len(moments)-1]))
	}
}
