package doctor

import (
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

// others is a statement of tokens, keys and accounts in general, of which this
// one need not be.
var others = regexp.MustCompile(`(?i)\b(tokens|sessions|keys|accounts|passwords) (issued|created|signed|made|from|that|which|older|newer|may|can|will|expire)\b`)

// otherExpired is what expires besides a credential.
var otherExpired = regexp.MustCompile(`(?i)\b(subscription|licen[cs]e|trial|plan|certificate|password|contract|membership|invitation|invite|link|card|domain|payment|order|offer|account)s?\b.{0,30}\bexpired`)

// negated is a statement of what is not the case.
var negated = regexp.MustCompile(`(?i)\b(not|never) (been |yet |currently )*(revoked|expired|suspended|disabled|locked|blocked|banned|ended|invalid)`)

// underName is the name of the member that a value belongs to.
var underName = regexp.MustCompile(`"([^"]{1,40})"\s*:$`)

// holds is what follows on the name of a member that is no statement, for it holds
// others or a number.
var holds = regexp.MustCompile(`^:\s*[\[{0-9]`)

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
	if strings.Contains(whole, "?") || negated.MatchString(whole) || others.MatchString(whole) || strings.HasSuffix(text[:from], "<li>") {
		return false, prose
	}
	before, quoted := strings.CutSuffix(text[:from], `"`)
	after, closed := strings.CutPrefix(text[to:], `"`)
	if !quoted || !closed {
		return true, prose
	}
	before, after = strings.TrimSpace(before), strings.TrimSpace(after)
	if m := underName.FindStringSubmatch(before[max(0, len(before)-60):]); m != nil && !codeName.MatchString(m[1]) {
		prose = true // the value of a member that is none for a reason
	}
	if holds.MatchString(after) {
		return false, prose
	}
	first := strings.HasSuffix(before, "[") && strings.HasPrefix(after, ",")
	later := strings.HasSuffix(before, `",`) && !strings.HasPrefix(after, ":")
	return !first && !later, prose
}

// codes are values of one word that stand for a fault: "code":"token-expired",
// <Code>ExpiredToken</Code>, error=insufficient_scope, or all of a line.
var codes = regexp.MustCompile(`"([\w.@ -]{1,40})"\s*:\s*"([A-Za-z][A-Za-z0-9]*(?:[_.:/-][A-Za-z0-9]+)*)[/.]*"\s*[},]|:\s*\[\s*"([A-Za-z][\w.:/-]*)"\s*\]|<(\w*[Cc]ode)>([A-Za-z][\w.]*)</|(?m:^(?:(error)=)?([A-Za-z][A-Za-z0-9]*(?:[_.:/-][A-Za-z0-9]+)*(?: ?: ?[A-Z][A-Za-z]+)?)\s*$)`)

// codeName are the members that hold the code of a fault, and noCode those of them
// that name something else.
var (
	codeName = regexp.MustCompile(`(?i)err|code|reason|message|msg|detail|type|status|state|title|cause|\.tag|category|next|name|hint|fault|exception|challenge|summary|result|desc`)
	noCode   = regexp.MustCompile(`(?i)^(token_?(type|class)|grant_?type|(user|host|client|display|first|last|user_)_?name|.*id)$`)
)

var camel = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// spelt writes the codes of a text as words, one to a line, so that what is known of
// words is known of "tokenExpired", TOKEN_EXPIRED and auth/token-expired too.
func spelt(text string) string {
	var b strings.Builder
	for _, m := range codes.FindAllStringSubmatch(text, -1) {
		code := m[2] + m[3] + m[5] + m[7]
		if m[1] != "" && (!codeName.MatchString(m[1]) || noCode.MatchString(m[1])) || len(code) > 80 || !strings.ContainsAny(code[1:], "_.:/-ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			continue
		}
		code = camel.ReplaceAllString(code, "$1$3 $2$4")
		b.WriteString(strings.Join(strings.FieldsFunc(code, func(r rune) bool { return strings.ContainsRune(" _.:/-", r) }), " ") + "\n")
	}
	return b.String()
}
