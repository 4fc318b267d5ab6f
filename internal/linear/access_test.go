package linear

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// checkAccess returns what is wrong with how access tokens were taken, or "".
// They are believed without a look at the store, so an ending need not be known
// at once, and no order of all requests is promised. What is:
//
//  1. The node that answered an ending refuses at once.
//  2. A node that has refused a token because its session ended never takes one
//     of that session again, not even after a restart.
//  3. No node refuses so before an ending was asked for; that is in the rules.
//
// That the other nodes follow within the bound is for settle to see.
func (h history) checkAccess() string {
	type at struct {
		node    string
		session int8
	}
	known := map[at]time.Duration{} // from when the node must refuse
	learn := func(k at, from time.Duration) {
		if was, ok := known[k]; !ok || from < was {
			known[k] = from
		}
	}
	for _, e := range h.events {
		q := e.question
		if s, ok := e.ends(); ok {
			learn(at{q.node, s}, e.ret)
		}
		if q.access && e.answer.said == revoked {
			learn(at{q.node, q.session}, e.ret)
		}
	}
	byCall := slices.Clone(h.events)
	slices.SortFunc(byCall, func(a, b event) int { return cmp.Compare(a.call, b.call) })
	for _, e := range byCall {
		q := e.question
		if !q.access || e.answer.said != done || q.verb != guarded && q.verb != list {
			continue
		}
		if from, ok := known[at{q.node, q.session}]; ok && e.call > from {
			text := fmt.Sprintf("%s: the access token of s%d was taken by %s at %.3f ms, which knew at %.3f ms that the session had ended:\n", h.name, q.session, q.node, ms(e.call), ms(from))
			for _, e := range byCall {
				text += fmt.Sprintf("  %9.3f – %9.3f ms  c%d  %v → %v\n", ms(e.call), ms(e.ret), e.client, e.question, e.answer)
			}
			return text
		}
	}
	return ""
}

// ends reports which session an answer says has ended, surely, by the node that
// gave it.
func (e event) ends() (session int8, ok bool) {
	q := e.question
	switch {
	case e.answer.said == reused:
		return q.session, true
	case e.answer.said != done:
		return 0, false
	case q.verb == logout || q.verb == logoutAll:
		return q.session, true
	case q.verb == endOne:
		return q.target, true
	}
	return 0, false
}
