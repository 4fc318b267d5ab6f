package doctor

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/why"
)

// Case is the evidence as the rules look at it.
type Case struct {
	*Evidence
	cred       credential
	token      *Token // nil where the credential is no JWT
	answer     *Answer
	outcome    outcome
	challenges []doorward.Challenge
	text       string // what the answer says, without what only looks like words
	word       *word  // what it says outright, the most exact first
	said       []word
	seen       []seenMark
	doorward   doorward.Code
	signIn     bool // the request is itself a sign-in or asks a token endpoint
	form       map[string]string
	loginGoal  string // where a redirect to a sign-in page goes
	keys       keyVerdict
	inside     inside          // what an answer with a status of success says of itself
	quoted     map[string]bool // lines of proof that quote the answer
	prose      map[string]bool // those of them that quote from prose
}

type word struct {
	means Cause
	who   string
	plain bool
	quote string
	prose bool // it stands in a text that says more than this
}

type seenMark struct {
	who  string
	kind markKind
	from string
}

type outcome uint8

const (
	notSent    outcome = iota // nothing was sent: only what was given can be judged
	letThrough                // it is let through
	refused                   // it is refused
	notKnown                  // neither: an error, or an answer to another question
)

func newCase(e *Evidence) *Case {
	c := &Case{Evidence: e, cred: findCredential(&e.Request), quoted: map[string]bool{}, prose: map[string]bool{}}
	if c.cred.place != nowhere && !signedScheme(c.cred.scheme) && !strings.EqualFold(c.cred.scheme, "Basic") {
		if t := ReadToken(strings.TrimSpace(c.cred.value)); t != nil && t.JWT && (t.Claims != nil || t.JWE) {
			c.token = t
		}
	}
	c.form = formOf(&e.Request)
	c.signIn = c.isSignIn()
	if h := e.last(); h != nil {
		c.answer = &h.Answer
		c.read()
	}
	c.outcome = c.judgeOutcome()
	c.keys = c.judgeKeys()
	return c
}

// readable names what is no statement of a server about this request.
var noStatement = regexp.MustCompile(`(?i)(^|[.:"!?>]\s*)(if (your|the|you|it)|(please )?(check|see|verify|ensure|make sure|confirm) (if|whether|that))\b[^.";\n<]*|401 authorization required|401 unauthorized|This server could not verify that you\s+are authorized[\s\S]{0,300}?credentials required\.?|"(path|instance|type|url|uri|requestUri|documentation_url|docs|help|trace_?id|request_?id|link|href)"\s*:\s*"[^"]*"|<style[\s\S]*?</style>|<(meta|input|link)\b[^>]*>|\s(data-[\w-]+|aria-[\w-]+|alt|title|content)="[^"]*"|"[A-Za-z_-]*(csrf|xsrf)[A-Za-z_-]*"\s*:\s*"[^"]*"|<script[\s\S]*?</script>|"(request|req|input|received|echo|headers|params)"\s*:\s*\{[^{}]*\}|"(user_?agent|ua)"\s*:\s*"[^"]*"|\b[A-Za-z0-9.$]+(Handler|Filter|Middleware|Strategy|Guard|Interceptor)\b|(?m:^\s+at [\w.$<>]+\(.*$)`)

// enumeration is a sentence that leaves open which of several it is.
var enumeration = regexp.MustCompile(`(?i)\b(invalid|expired|revoked|malformed|missing|inactive|unknown|disabled|absent|incorrect|wrong)( token| jwt| credentials?)?(,? ?(and/or|or|and|/|,) ?(it |the |has |have |is |was |were |been |already |an? )*(invalid|expired|revoked|malformed|missing|inactive|unknown|disabled|absent|incorrect|wrong)( for other reasons)?)+`)

// notSo is a member that says what is not the case: "mfa_required":false.
var notSo = regexp.MustCompile(`"[\w.-]+"\s*:\s*(false|null|0|"false"|""|\[\s*\]|\{\s*\})`)

// aboutNow are those of them that do say something of the request.
var aboutNow = regexp.MustCompile(`(?i)^"(active|ok|success|is_?authenticated|authenticated|valid)"`)

// noComma is where some leave out the comma between the parameters of a challenge.
var noComma = regexp.MustCompile(`"[ \t]+([A-Za-z_]+=)`)

// mostText bounds what is searched for words: a page says at its top why it stands
// there.
const mostText = 16 << 10

func (c *Case) read() {
	var lines []string
	for _, v := range all(c.answer.Header, "WWW-Authenticate") {
		lines = append(lines, noComma.ReplaceAllString(v, `", $1`))
	}
	c.challenges, _ = doorward.ParseChallenges(lines)
	var b strings.Builder
	for _, ch := range c.challenges {
		for _, p := range ch.Params {
			switch strings.ToLower(p.Name) {
			case "error", "error_description", "error_uri", "scope", "acr_values", "max_age":
				b.WriteString(p.Name + "=" + p.Value + "\n")
			}
		}
	}
	if len(c.challenges) == 0 {
		b.WriteString(strings.Join(all(c.answer.Header, "WWW-Authenticate"), "\n") + "\n")
	}
	for _, name := range []string{"X-Error", "X-Auth-Error", "X-Error-Message", "X-Amzn-ErrorType", "X-Error-Description", "X-Reason", "X-GitHub-SSO", "X-Auth-Reason", "X-Deny-Reason", "X-Www-Authenticate-Reason", "X-Auth-Failure", "X-Ms-Ests-Error", "X-Amzn-ErrorMessage", "X-Authentication-Error", "X-Auth-Status"} {
		if v := c.answer.Get(name); v != "" {
			b.WriteString(v + "\n")
		}
	}
	if said, err := url.PathUnescape(c.answer.Get("Grpc-Message")); err == nil {
		b.WriteString(said + "\n")
	}
	c.inside = insideOf(c.answer)
	if c.answer.Status >= 300 || c.inside.refuses() {
		body := c.answer.Body
		var doc struct {
			Code doorward.Code `json:"code"`
			ID   string        `json:"instance"`
		}
		if json.Unmarshal([]byte(body), &doc) == nil && (strings.HasPrefix(doc.ID, "dn_") || c.answer.has("Doorward-Denial")) {
			if _, ok := doc.Code.Info(); ok {
				c.doorward = doc.Code
			}
		}
		if strings.Contains(body, `"path":"/error"`) {
			b.WriteString(`"path":"/error"` + "\n")
		}
		b.WriteString(strings.ReplaceAll(body, `\"`, `"`))
	}
	c.text = notSo.ReplaceAllStringFunc(noStatement.ReplaceAllString(b.String(), " "), func(member string) string {
		if aboutNow.MatchString(member) {
			return member
		}
		return " "
	})
	exact := enumeration.ReplaceAllString(c.text[:min(len(c.text), mostText)], "invalid_token")
	codes := spelt(exact)
	for _, p := range phrases {
		var best *word
		for _, text := range []string{exact, codes} {
			q := quoteWords(text, p.pattern)
			if q == "" {
				continue
			}
			stated, prose := statement(text, p.pattern.FindStringIndex(text))
			if p.who == "" && !stated || p.means == "EXPIRED" && otherExpired.MatchString(q) {
				continue
			}
			if prose = p.who == "" && prose; best == nil || best.prose && !prose {
				best = &word{p.means, p.who, p.plain, q, prose} // a code is plainer than prose
			}
		}
		if best != nil {
			c.said = append(c.said, *best)
		}
	}
	if len(c.said) > 0 && c.said[0].plain {
		c.word = &c.said[0]
	}
	for _, mk := range marks {
		if mk.header == "" {
			if mk.pattern.MatchString(c.answer.Body) {
				c.seen = append(c.seen, seenMark{mk.who, mk.kind, "the shape of its body"})
			}
			continue
		}
		for _, v := range all(c.answer.Header, mk.header) {
			if mk.pattern.MatchString(v) {
				c.seen = append(c.seen, seenMark{mk.who, mk.kind, mk.header + ": " + clip(v, 60)})
				break
			}
		}
	}
}

// says returns the words of the server that mean a cause.
func (c *Case) says(cause Cause) *word {
	for i := range c.said {
		if c.said[i].means == cause {
			return &c.said[i]
		}
	}
	return nil
}

func (c *Case) heard(w *word) (line string) {
	defer func() { c.quoted[line], c.prose[line] = true, c.prose[line] || w.prose }()
	if w.who != "" {
		return fmt.Sprintf("the answer says %q, in the words of %s", w.quote, w.who)
	}
	return fmt.Sprintf("the answer says %q", w.quote)
}

func (c *Case) status() int {
	if c.answer == nil {
		return 0
	}
	return c.answer.Status
}

func (c *Case) html() bool {
	kind, _, _ := mime.ParseMediaType(c.answer.Get("Content-Type"))
	return kind == "text/html" || kind == "" && strings.Contains(strings.ToLower(clip(c.answer.Body, 300)), "<html")
}

func (c *Case) judgeOutcome() outcome {
	if c.answer == nil {
		return notSent
	}
	if c.answer.Fault != "" {
		return notKnown
	}
	c.loginGoal = c.findLogin()
	if c.loginGoal != "" {
		return refused
	}
	probed := c.Request.Unsafe() && len(c.Hops) > 0 && c.Hops[0].Method != c.Request.Method
	switch s := c.answer.Status; {
	case s == 401 || s == 407 || s == 403 || s == 419 || s == 431 || s == 426 || s == 429 || s == 421 || s == 440 || s == 498 || s == 499 || s >= 494 && s <= 497 || s == 463 || s == 511:
		return refused
	case c.inside.refuses():
		return refused
	case s > 401 && s < 500 && s != 404 && s != 405 && s != 410 && c.saysWho():
		return refused
	case s == 422 && c.signIn && wrongPassword.MatchString(c.text):
		return refused
	case s == 400 && (c.word != nil || len(c.said) > 0 || c.signIn || c.cred.form() != nil):
		return refused
	case s > 400 && s < 500 && c.word != nil && c.word.means == "CSRF_REFUSED":
		return refused
	case s >= 400 && s < 500 && c.doorward != "":
		return refused
	case probed:
		return notKnown
	case s == 404 && (c.says("NOT_A_ROUTE") != nil || c.says("WRONG_HOST") != nil) && len(c.marksOf(byEdge)) > 0:
		return refused
	case s >= 500 && (c.says("KEYS_UNREACHABLE") != nil || c.says("KEYS_NOT_JSON") != nil):
		return refused
	case s >= 500 && c.Bare != nil && c.Bare.Status == 401:
		return letThrough // it fails for another reason than who asks
	case s >= 500 || s == 400 || s == 0:
		return notKnown
	case s >= 300 && s < 400 && s != 304:
		return notKnown
	}
	return letThrough
}

// ofIdentity is what a statement has to speak of to be one about who asks, where
// the status is that of another fault.
var ofIdentity = regexp.MustCompile(`(?i)token|jwt|segments|bearer|signature|authori[sz]ation|authenticat|credential|password.?confirm|session (has |is |was )?(expired|ended|invalid)|two.?factor|\bmfa\b|api.?key`)

// saysWho reports whether an answer with a status that says nothing of identity
// speaks of it all the same: 422 is what some libraries answer for a token that
// they refuse, 423 for a password to be confirmed.
func (c *Case) saysWho() bool {
	w := c.word
	return w != nil && (tokenCause[w.means] || w.means == saidMissing || w.means == "ACCESS_AS_REFRESH" || w.means == "MFA_DUE" || w.means == "REFRESH_INVALID") && !w.prose && ofIdentity.MatchString(w.quote)
}

// findLogin says where a sign-in page is that stands in place of a 401.
func (c *Case) findLogin() string {
	u, err := url.Parse(c.Request.URL)
	if err != nil || loginPath.MatchString(u.Path) || thenLogin.MatchString(u.Path) {
		return "" // a sign-in page was asked for, or what leads to one when all is well
	}
	for i := range c.Hops {
		h := &c.Hops[i]
		if h.Answer.Status >= 300 && h.Answer.Status < 400 && h.Answer.Status != 304 {
			if to, err := url.Parse(h.Answer.Get("Location")); err == nil && c.isLogin(u, to) {
				return clip(strip(to), 120)
			}
		}
	}
	if s := c.answer.Status; s == 200 && c.html() && loginPage.MatchString(c.answer.Body) {
		return "a page with a sign-in form, answered with 200"
	}
	return ""
}

func (c *Case) isLogin(from, to *url.URL) bool {
	if loginPath.MatchString(to.Path) || to.Fragment != "" && loginPath.MatchString(to.Fragment) {
		// A slash more or less, or another scheme, is no sign-in page.
		return strings.TrimSuffix(to.Path, "/") != strings.TrimSuffix(from.Path, "/")
	}
	if to.Host != "" && loginHost.MatchString(to.Hostname()) && to.Hostname() != from.Hostname() && (loginQuery.MatchString(to.RawQuery) || strings.TrimSuffix(to.Path, "/") != strings.TrimSuffix(from.Path, "/")) {
		return true
	}
	return loginQuery.MatchString(to.RawQuery) && !loginQuery.MatchString(from.RawQuery) && to.Path != from.Path && strings.Contains(strings.ToLower(to.RawQuery), strings.ToLower(url.QueryEscape(from.Path)))
}

// strip leaves out of a URL what may be secret.
func strip(u *url.URL) string {
	v := *u
	v.User, v.RawQuery, v.Fragment = nil, "", ""
	return v.String()
}

func (c *Case) marksOf(kinds ...markKind) []seenMark {
	var list []seenMark
	for _, s := range c.seen {
		if slices.Contains(kinds, s.kind) && !slices.ContainsFunc(list, func(o seenMark) bool { return o.who == s.who }) {
			list = append(list, s)
		}
	}
	return list
}

// proxy says by which marks something stands before the application, or "".
func (c *Case) proxy() string {
	if e := c.marksOf(byEdge); len(e) > 0 {
		return fmt.Sprintf("%s stands before the application (%s)", e[0].who, e[0].from)
	}
	front, app := c.marksOf(byProxy), c.marksOf(byApp)
	if len(front) > 0 && len(app) > 0 {
		return fmt.Sprintf("%s stands before %s (%s; %s)", front[0].who, app[0].who, front[0].from, app[0].from)
	}
	return ""
}

// formOf reads a body that is a form or JSON.
func formOf(r *Request) map[string]string {
	form := map[string]string{}
	body := strings.TrimSpace(r.Body)
	if body == "" {
		return form
	}
	if body[0] == '{' {
		members(form, object([]byte(body)), 0)
		return form
	}
	values, err := url.ParseQuery(body)
	if err != nil {
		return form
	}
	for name, list := range values {
		if len(list) > 0 {
			form[name] = list[0]
		}
	}
	return form
}

// members takes the strings of a JSON body, those further out before those in a
// member: {"user":{"password":…}}, AuthParameters, the variables of GraphQL.
func members(form map[string]string, doc map[string]any, depth int) {
	for name, v := range doc {
		if s, ok := v.(string); ok {
			if _, there := form[name]; !there {
				form[name] = s
			}
		}
	}
	for _, v := range doc {
		if inner, ok := v.(map[string]any); ok && depth < 3 {
			members(form, inner, depth+1)
		}
	}
}

// field returns a member of the body, however its name is spelt.
func (c *Case) field(names ...string) (string, bool) {
	plain := strings.NewReplacer("_", "", "-", "")
	for _, want := range names {
		for name, v := range c.form {
			if strings.EqualFold(plain.Replace(name), plain.Replace(want)) {
				return v, true
			}
		}
	}
	return "", false
}

var signInPath = regexp.MustCompile(`(?i)(^|/)(login|log-in|signin|sign-in|sign_in|authenticate|token|sessions?|oauth2?/token|obtain[_-]token|token-auth|initiateauth|auth|refresh|jwt/create|oauth/access_token|verifypassword)(/?|\.[a-z]+)$|/auth/(login|refresh|token)`)

func (c *Case) isSignIn() bool {
	r := &c.Request
	if !r.Unsafe() {
		return false
	}
	if _, ok := c.field("password", "grant_type", "refresh_token", "refresh", "passwd", "pwd", "client_secret", "otp", "totp", "mfa_code"); ok {
		return true
	}
	if target, _ := r.Get("X-Amz-Target"); strings.HasSuffix(target, "Auth") || strings.HasSuffix(target, "AuthChallenge") {
		return true
	}
	u, err := url.Parse(r.URL)
	return err == nil && signInPath.MatchString(u.Path)
}

// can reports whether rules about the credential itself are to be asked: the
// request was refused, or nothing was sent.
func (c *Case) can() bool {
	return c.outcome == refused || c.outcome == notSent || c.outcome == notKnown && c.probedOnly()
}

func (c *Case) probedOnly() bool {
	if c.answer != nil && c.answer.Fault != "" {
		return c.answer.Kind == FaultRequest || c.answer.Kind == FaultName || c.answer.Kind == FaultRefused
	}
	return c.Request.Unsafe() && len(c.Hops) > 0 && c.Hops[0].Method != c.Request.Method
}

// weak makes a finding likely where no answer to the request supports it.
func (c *Case) weak(f *finding) *finding {
	if f != nil && c.outcome != refused {
		if c.outcome == notSent && c.token != nil {
			return f
		}
		f.sure = false
	}
	return f
}

// context is what is known besides, for whoever reads the diagnosis.
func (c *Case) context() []string {
	var list []string
	for i := range c.Hops {
		h := &c.Hops[i]
		switch {
		case h.Answer.Fault != "":
			list = append(list, fmt.Sprintf("%s %s: %s", h.Method, shownURL(h.URL), h.Answer.Fault))
		default:
			line := fmt.Sprintf("%s %s was answered %d", h.Method, shownURL(h.URL), h.Answer.Status)
			if ch := h.Answer.Get("WWW-Authenticate"); ch != "" {
				line += ", WWW-Authenticate: " + clip(ch, 200)
			}
			list = append(list, line)
		}
	}
	list = append(list, "sent: "+c.cred.describe())
	for _, s := range c.marksOf(byApp, byProxy, byEdge) {
		list = append(list, "answered by "+s.who+" ("+s.from+")")
	}
	if c.token != nil && !c.token.Exp.IsZero() {
		list = append(list, fmt.Sprintf("the token expires %s (%s)", why.Stamp(c.token.Exp), why.Ago(c.token.Exp, c.Now)))
	}
	if off, ok := c.serverOff(); ok && (off > 30*time.Second || off < -30*time.Second) {
		list = append(list, "the server's clock is "+offText(off)+" this one")
	}
	if p := c.Private; p != nil {
		list = append(list, "the server's own record: "+p.Text)
		if p.Next != "" {
			list = append(list, "next, it says: "+p.Next)
		}
	}
	return append(list, c.Notes...)
}

func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the URL"
	}
	s := strip(u)
	if u.RawQuery != "" {
		s += "?…"
	}
	return clip(s, 160)
}

func (c *Case) requests() int {
	if c.Recorded {
		return 0
	}
	n := len(c.Hops) + len(c.Repeats)
	for _, a := range []*Answer{c.Fresh, c.Bare, c.Moved, c.Preflight, c.Issuer.Metadata, c.Issuer.Keys} {
		if a != nil {
			n++
		}
	}
	if c.Resource != nil {
		n++
	}
	return n
}

// steps is the way, for the picture.
func (c *Case) steps() []Step {
	var list []Step
	if c.Preflight != nil {
		list = append(list, Step{Request: "OPTIONS " + shownURL(c.Request.URL), Answer: answerText(c.Preflight), Credential: "none"})
	}
	for i := range c.Hops {
		h := &c.Hops[i]
		s := Step{Request: h.Method + " " + shownURL(h.URL), Answer: answerText(&h.Answer), Credential: "none"}
		switch {
		case h.Credential:
			s.Credential = "sent"
		case c.cred.place != nowhere:
			s.Credential = "dropped"
		}
		if i == len(c.Hops)-1 {
			var who []string
			for _, m := range append(c.marksOf(byEdge), append(c.marksOf(byProxy), c.marksOf(byApp)...)...) {
				who = append(who, m.who)
			}
			s.By = strings.Join(slices.Compact(who), " → ")
		}
		list = append(list, s)
	}
	return list
}

func answerText(a *Answer) string {
	if a.Fault != "" {
		return a.Fault
	}
	s := fmt.Sprint(a.Status)
	if to := a.Get("Location"); to != "" && a.Status >= 300 && a.Status < 400 {
		s += " → " + shownURL(to)
	}
	return s
}

func offText(d time.Duration) string {
	if d > 0 {
		return why.Span(d) + " ahead of"
	}
	return why.Span(d) + " behind"
}

// serverOff returns by how much the server's clock is ahead, from its Date.
func (c *Case) serverOff() (time.Duration, bool) {
	if c.answer == nil {
		return 0, false
	}
	return clockOff(c.answer)
}

func clockOff(a *Answer) (time.Duration, bool) {
	if a == nil || a.Fault != "" || a.At.IsZero() || a.has("Age") || a.Store != "" || fromCache(a) != "" {
		return 0, false // a cache keeps the Date of what it keeps
	}
	at, err := time.Parse(time.RFC1123, a.Get("Date"))
	if err != nil {
		return 0, false
	}
	off := at.Add(500 * time.Millisecond).Sub(a.At)
	if off < 3*time.Second+a.Took && off > -3*time.Second-a.Took {
		return 0, true
	}
	return off.Round(time.Second), true
}
