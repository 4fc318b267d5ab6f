package doctor

import (
	"encoding/json"
	"regexp"
	"strings"
)

// onlyTheServerKnows are the causes for which nothing in a token, a key set or a
// clock can speak: what the server says of them is all the proof there is.
var onlyTheServerKnows = map[Cause]bool{
	"SESSION_ENDED": true, "USER_SUSPENDED": true, "CSRF_REFUSED": true, "KEY_INVALID": true,
	"REFRESH_INVALID": true, "REFRESH_REUSED": true, "NOT_PERMITTED": true, "INSUFFICIENT_SCOPE": true,
	"STEP_UP_NEEDED": true, "MFA_DUE": true, "LOGIN_REFUSED": true, "CLIENT_REFUSED": true,
	"POLICY_BLOCKED": true, "RATE_LIMITED_AS_401": true, "NOT_A_ROUTE": true, "WRONG_HOST": true,
}

// mostWords is how many words a plain statement has at most. What is longer
// explains, and speaks of more than this request.
const mostWords = 12

// negated is a statement of what is not the case.
var negated = regexp.MustCompile(`(?i)\b(not|never) (been |yet |currently )*(revoked|expired|suspended|disabled|locked|blocked|banned|ended|invalid)`)

// statement reports whether what was found at loc is stated of this request at
// all, which a question, a negation and one item of many in a list are not; and
// whether it stands in prose, a text that says more than this.
func statement(text string, loc []int) (stated, prose bool) {
	const ends = "\"<>\n"
	from := strings.LastIndexAny(text[:loc[0]], ends) + 1
	to := len(text)
	if i := strings.IndexAny(text[loc[1]:], ends); i >= 0 {
		to = loc[1] + i
	}
	whole := text[from:to]
	prose = len(strings.Fields(whole)) > mostWords
	if strings.Contains(whole, "?") || negated.MatchString(whole) || strings.HasSuffix(text[:from], "<li>") {
		return false, prose
	}
	before, quoted := strings.CutSuffix(text[:from], `"`)
	after, closed := strings.CutPrefix(text[to:], `"`)
	if !quoted || !closed {
		return true, prose
	}
	before, after = strings.TrimSpace(before), strings.TrimSpace(after)
	first := strings.HasSuffix(before, "[") && strings.HasPrefix(after, ",")
	later := strings.HasSuffix(before, `",`) && !strings.HasPrefix(after, ":")
	return !first && !later, prose
}

// refusedInside reports whether an answer with a status of success holds a
// refusal: that of gRPC, or one of GraphQL, has a place of its own.
func refusedInside(a *Answer) bool {
	if a == nil || a.Status < 200 || a.Status > 299 {
		return false
	}
	if s := a.Get("Grpc-Status"); s == "16" || s == "7" { // UNAUTHENTICATED, PERMISSION_DENIED
		return true
	}
	var graph struct {
		Errors []struct {
			Extensions struct {
				Code string `json:"code"`
			} `json:"extensions"`
		} `json:"errors"`
	}
	if json.Unmarshal([]byte(a.Body), &graph) != nil {
		return false
	}
	for _, e := range graph.Errors {
		switch strings.ToLower(strings.ReplaceAll(e.Extensions.Code, "_", "-")) {
		case "unauthenticated", "forbidden", "invalid-jwt", "access-denied", "unauthorized":
			return true
		}
	}
	return false
}
