package doctor

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/why"
)

// redirects: what was lost from one hop to the next.
func (c *Case) redirects() []*finding {
	var list []*finding
	for i := range c.Hops {
		h := &c.Hops[i]
		s := h.Answer.Status
		if s < 300 || s > 399 || s == 304 || s == 300 {
			continue
		}
		to := resolve(h.URL, h.Answer.Get("Location"))
		if to == "" {
			continue
		}
		list = append(list, c.redirect(h, to, i))
	}
	if c.expiredAt(c.Now) {
		return list // the sign-in page is there because of it
	}
	if c.loginGoal != "" && len(list) == 0 || c.loginGoal != "" && list[0] == nil {
		f := certain("REDIRECT_TO_LOGIN", "the answer leads to "+c.loginGoal)
		if strings.HasPrefix(c.loginGoal, "a page") {
			f = likely("REDIRECT_TO_LOGIN", "the answer is "+c.loginGoal)
		}
		list = append(list, f)
	}
	return list
}

func resolve(base, to string) string {
	b, err := url.Parse(base)
	if err != nil || to == "" {
		return ""
	}
	u, err := b.Parse(to)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.String()
}

func (c *Case) redirect(h *Hop, to string, i int) *finding {
	from, err1 := url.Parse(h.URL)
	goal, err2 := url.Parse(to)
	if err1 != nil || err2 != nil || c.isLogin(from, goal) {
		return nil
	}
	status := h.Answer.Status
	line := fmt.Sprintf("%s is answered %d to %s", shownURL(h.URL), status, shownURL(to))
	header := c.cred.place == inAuthorization || c.cred.place == inHeader
	slash := Origin(h.URL) == Origin(to) && from.Path != goal.Path && strings.TrimSuffix(from.Path, "/") == strings.TrimSuffix(goal.Path, "/")
	sameHost := strings.EqualFold(from.Hostname(), goal.Hostname())
	tls := from.Scheme == "http" && goal.Scheme == "https" && sameHost
	final := c.last()
	ended := i+1 >= len(c.Hops) // it was not followed
	lost := final.Answer.Status == 401 || final.Answer.Status == 403 || final.Answer.Fault != "" || ended || final.Answer.Status == 405 || final.Answer.Status == 400
	switch {
	case Origin(h.URL) != Origin(to) && c.cred.place == inAuthorization && lost:
		f := certain("REDIRECT_DROPPED_AUTH", line, "scheme, host or port differ, and clients leave the header Authorization behind there (WHATWG Fetch §4.4; curl)")
		if ended || final.Answer.Fault != "" || final.Credential {
			f.sure = false
		}
		if c.word != nil && tokenCause[c.word.means] {
			return nil
		}
		return f
	case tls && lost:
		f := likely("HTTP_TO_HTTPS", line, "the request went in clear first")
		f.sure = ended && status == 301 || status == 308
		if header || c.cred.place == inCookie {
			f.proof = append(f.proof, "its credential went in clear too")
		}
		return f
	case slash && c.Request.Unsafe() && (status == 301 || status == 302 || status == 303):
		f := certain("TRAILING_SLASH_REDIRECT", line, fmt.Sprintf("only the slash differs, and a client turns %s into GET and leaves the body behind", c.Request.Method))
		if h.Method != c.Request.Method {
			f.sure = false
		}
		return f
	case slash && lost && (c.Request.Unsafe() || !final.Credential || ended):
		return likely("TRAILING_SLASH_REDIRECT", line, "only the slash differs")
	case c.Request.Unsafe() && status == 302 && !lost && final.Answer.Status < 300 && Origin(h.URL) == Origin(to) && from.Path != goal.Path:
		return nil // what was made is shown at its own address, as after a form
	case c.Request.Unsafe() && (status == 301 || status == 302 || status == 303 && lost):
		f := certain("METHOD_CHANGED_BY_REDIRECT", line, fmt.Sprintf("a client turns %s into GET there (RFC 9110 §15.4.2)", c.Request.Method))
		if h.Method != c.Request.Method {
			f.sure = false
		}
		return f
	}
	return nil
}

// transport: the request did not arrive where it was meant to.
func (c *Case) transport() *finding {
	if c.answer == nil {
		return nil
	}
	switch c.answer.Kind {
	case FaultCertWant:
		return certain("TLS_CLIENT_CERT", c.answer.Fault)
	case FaultCertName:
		return likely("WRONG_HOST", c.answer.Fault)
	case FaultPlain:
		if strings.HasPrefix(c.Request.URL, "http:") {
			return certain("HTTP_TO_HTTPS", c.answer.Fault)
		}
		return nil
	}
	if c.outcome != refused {
		return nil
	}
	if w := c.says("TLS_CLIENT_CERT"); w != nil && (c.word == w || c.answer.Status >= 400) {
		return &finding{cause: "TLS_CLIENT_CERT", sure: strings.HasPrefix(c.Request.URL, "https") || w.who != "", proof: []string{c.heard(w)}}
	}
	if c.answer.Status == 496 || c.answer.Status == 495 {
		return certain("TLS_CLIENT_CERT", fmt.Sprintf("the answer is %d, nginx's for a client certificate that is missing or not taken", c.answer.Status))
	}
	if c.answer.AskedTL && !c.Request.ClientCert && (c.cred.place == nowhere || c.says(saidMissing) != nil || c.status() == 403 && c.alikeBare() && len(c.marksOf(byApp)) == 0) && len(c.challenges) == 0 {
		return likely("TLS_CLIENT_CERT", "the server asked for a client certificate in the handshake, and got none")
	}
	if w := c.says("HTTP_TO_HTTPS"); w != nil && strings.HasPrefix(c.Request.URL, "http:") {
		return certain("HTTP_TO_HTTPS", c.heard(w), "the URL begins with http:")
	}
	if (c.answer.Status == 426 || c.answer.Status == 497) && strings.HasPrefix(c.Request.URL, "http:") && !strings.Contains(strings.ToLower(c.answer.Get("Upgrade")), "websocket") {
		return certain("HTTP_TO_HTTPS", fmt.Sprintf("the answer is %d, and the URL begins with http:", c.answer.Status))
	}
	return nil
}

func (c *Case) tooLarge() *finding {
	if c.answer == nil || c.answer.Status < 400 {
		return nil
	}
	size, cookies := 0, 0
	for _, f := range c.Request.Header {
		size += len(f.Name) + len(f.Value) + 4
		if strings.EqualFold(f.Name, "Cookie") {
			cookies += len(f.Value)
		}
	}
	w := c.says("HEADER_TOO_LARGE")
	proof := fmt.Sprintf("the headers have %d bytes, %d of them cookies", size, cookies)
	switch {
	case c.answer.Status == 431 || c.answer.Status == 494:
		return certain("HEADER_TOO_LARGE", fmt.Sprintf("the answer is %d", c.answer.Status), proof)
	case w != nil && c.word == w:
		return certain("HEADER_TOO_LARGE", c.heard(w), proof)
	case (c.answer.Status == 400 || c.answer.Status == 413) && size > 7000:
		return likely("HEADER_TOO_LARGE", fmt.Sprintf("the answer is %d, and %s", c.answer.Status, proof))
	}
	return nil
}

var limitRemaining = regexp.MustCompile(`(?i)^(x-)?(app-)?rate-?limit-([a-z]+-)?remaining(-[a-z]+)?$`)

func (c *Case) policy() *finding {
	if c.outcome != refused {
		return nil
	}
	first := func(cause Cause) *word {
		if w := c.says(cause); w != nil && (c.word == w || !tokenCause[c.word.means]) {
			return w
		}
		return nil
	}
	remaining := ""
	for _, f := range c.answer.Header {
		if limitRemaining.MatchString(f.Name) && remaining != "0" {
			remaining = strings.TrimSpace(f.Value)
		}
	}
	if v := c.answer.Get("RateLimit"); strings.Contains(strings.ReplaceAll(v, " ", ""), "r=0") || strings.Contains(strings.ReplaceAll(v, " ", ""), "remaining=0") {
		remaining = "0"
	}
	n, err := strconv.Atoi(remaining)
	none := err == nil && n <= 0
	w := first("RATE_LIMITED_AS_401")
	switch {
	case c.answer.Status == 429 || c.doorward == "RATE_LIMITED":
		return certain("RATE_LIMITED_AS_401", "the answer is 429: a limit, and nothing about identity")
	case w != nil:
		return &finding{cause: "RATE_LIMITED_AS_401", sure: none || c.answer.has("Retry-After") || w.who != "", proof: []string{c.heard(w)}}
	case none && (c.word == nil || !tokenCause[c.word.means]):
		return likely("RATE_LIMITED_AS_401", "nothing remains of the limit that the answer tells of")
	case c.answer.has("Retry-After") && c.answer.Status != 503 && c.word == nil:
		return likely("RATE_LIMITED_AS_401", "the answer has Retry-After: asking later is expected to help")
	}
	if w := first("POLICY_BLOCKED"); w != nil {
		return &finding{cause: "POLICY_BLOCKED", sure: w.who != "" && (w.who != "CloudFront" || strings.Contains(w.quote, "blocked")), proof: []string{c.heard(w)}}
	}
	for _, f := range c.answer.Header {
		if ofFirewall.MatchString(f.Name) && !letPass.MatchString(strings.TrimSpace(f.Value)) {
			return certain("POLICY_BLOCKED", "the answer has "+f.Name+": "+clip(firstWord(f.Value), 40))
		}
	}
	return nil
}

// ofFirewall are fields in which a firewall says what it did, and letPass what they
// hold where it did nothing.
var (
	ofFirewall = regexp.MustCompile(`(?i)^(X-GitHub-SSO|(x-)?([a-z]+-)?mitigated|X-Sucuri-Block|X-Iinfo-Blocked|x-([a-z0-9]+-)?waf-(action|status|result|rule|rule-?id|block(ed)?)|x-([a-z]+-)?(firewall|security)-(action|block(ed)?)|x-block(ed)?(-(by|reason|rule))?|x-vercel-challenge-token)$`)
	letPass    = regexp.MustCompile(`(?i)^(|0|no|none|false|off|ok|pass(ed)?|allow(ed)?|accept(ed)?|log(ged)?|count|monitor|detect(ed)?|clean|enabled|active|disabled|bypass)$`)
)

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, ";")
	return w
}

func (c *Case) noRoute() *finding {
	if c.outcome != refused {
		return nil
	}
	if w := c.says("NOT_A_ROUTE"); w != nil && (c.word == w || c.word == nil || c.word.means == saidMissing || c.word.means == "POLICY_BLOCKED") {
		f := &finding{cause: "NOT_A_ROUTE", sure: w.who != "" && (c.cred.place == inAuthorization || c.cred.place != nowhere && w.who != "Amazon API Gateway"), proof: []string{c.heard(w)}}
		return f
	}
	return nil
}

// disagree: the same request, answered differently.
func (c *Case) disagree() *finding {
	if c.answer == nil || c.answer.Fault != "" {
		return nil
	}
	fine := func(a *Answer) bool { return a.Fault == "" && a.Status >= 200 && a.Status < 300 }
	denied := func(a *Answer) bool { return a.Fault == "" && (a.Status == 401 || a.Status == 403) }
	if fromCache(c.answer) != "" && denied(c.answer) && c.Fresh != nil && fine(c.Fresh) {
		return certain("CACHED_401", fromCache(c.answer), "the same request past the cache is let through")
	}
	var good, bad int
	who := map[string]bool{}
	answers := append([]Answer{*c.answer}, c.Repeats...)
	if c.Earlier != nil && c.cred.form() == nil && !c.expiredAt(c.Now) && denied(c.answer) && c.Request.Method == "GET" {
		earliest := c.answer.At
		for i := range c.Earlier.Others {
			if o := &c.Earlier.Others[i]; denied(o) && o.At.Before(earliest) {
				earliest = o.At
			}
		}
		before, after := 0, 0
		for i := range c.Earlier.Others {
			if o := &c.Earlier.Others[i]; fine(o) && o.At.Before(earliest) {
				before++
			} else if fine(o) {
				after++
			}
		}
		if before > 0 && after > 0 || after > 0 && c.word != nil && (c.word.means == "BAD_SIGNATURE" || c.word.means == "UNKNOWN_KEY") {
			answers = append(answers, c.Earlier.Others...)
		}
	}
	for _, a := range answers {
		switch {
		case fine(&a) && fromCache(&a) != "":
			continue // no node was asked
		case fine(&a):
			good++
		case denied(&a):
			bad++
			if fromCache(&a) != "" && good == 0 && len(c.Repeats) > 0 && fine(&c.Repeats[0]) {
				return likely("CACHED_401", fromCache(&a), "the same request again is let through")
			}
		}
		for _, name := range []string{"X-Served-By", "X-Instance", "X-Backend", "X-Node", "X-Pod", "X-Server", "X-Hostname", "X-Backend-Server", "X-Upstream", "X-Replica", "X-Instance-Id"} {
			if v := a.Get(name); v != "" {
				who[name+": "+clip(v, 30)] = true
			}
		}
	}
	if good == 0 || bad == 0 {
		return nil
	}
	f := certain("REPLICAS_DISAGREE", fmt.Sprintf("the same request, sent %d times, was let through %d times and refused %d times", good+bad, good, bad))
	for w := range who {
		f.proof = append(f.proof, "one answer has "+w)
	}
	return f
}

var hit = regexp.MustCompile(`(?i)(\b|_|refresh)hit\b|^(tcp_)?stale\b`)

// fromCache says by which marks an answer came from a cache, or "".
func fromCache(a *Answer) string {
	if a.Stored {
		return "the answer comes from " + a.Store + ": the server was not asked"
	}
	if age, err := strconv.Atoi(strings.TrimSpace(a.Get("Age"))); err == nil && age > 0 {
		return fmt.Sprintf("the answer is %d seconds old (Age)", age)
	}
	for _, name := range []string{"X-Cache", "CF-Cache-Status", "X-Cache-Status", "X-Proxy-Cache", "Cache-Status", "X-Drupal-Cache", "X-Vercel-Cache", "X-Nginx-Cache", "X-Cache-Hits", "X-Varnish-Cache", "X-Fastcgi-Cache", "X-Cache-Remote", "X-Nextjs-Cache", "X-Litespeed-Cache", "X-Cache-Hit", "Server-Timing"} {
		v := a.Get(name)
		if hit.MatchString(v) || name == "X-Cache-Hits" && v != "" && strings.Trim(v, "0, ") != "" {
			return fmt.Sprintf("the answer comes from a cache (%s: %s)", name, clip(v, 40))
		}
	}
	if ids := strings.Fields(a.Get("X-Varnish")); len(ids) == 2 {
		return "the answer comes from a cache (X-Varnish names two requests)"
	}
	return ""
}

// stored: the browser answered from what it had kept, so that nobody has looked at
// the credential.
func (c *Case) stored() *finding {
	if c.outcome != refused || !c.answer.Stored || c.cred.place == nowhere || c.status() != 401 && c.status() != 403 {
		return nil
	}
	f := certain("CACHED_401", fromCache(c.answer))
	if at, err := time.Parse(time.RFC1123, c.answer.Get("Date")); err == nil && c.Now.Sub(at) > leeway {
		f.proof = append(f.proof, fmt.Sprintf("its Date is %s, %s before the request", why.Stamp(at), why.Span(c.Now.Sub(at))))
	}
	if old := c.olderThanToken(); old != "" {
		f.proof = append(f.proof, old)
	}
	return f
}

// olderThanToken says that an answer from a cache is of before the token was issued,
// and so of another, or "".
func (c *Case) olderThanToken() string {
	if c.token == nil || c.token.Iat.IsZero() {
		return ""
	}
	at := time.Time{}
	if age, err := strconv.Atoi(strings.TrimSpace(c.answer.Get("Age"))); err == nil && age > 0 {
		at = c.Now.Add(-time.Duration(age) * time.Second)
	} else if date, err := time.Parse(time.RFC1123, c.answer.Get("Date")); err == nil && c.answer.Stored {
		at = date
	}
	if at.IsZero() || c.token.Iat.Sub(at) < leeway {
		return ""
	}
	return fmt.Sprintf("it is of %s, and the token was issued %s later (iat)", why.Stamp(at), why.Span(c.token.Iat.Sub(at)))
}

func (c *Case) cached() *finding {
	if c.outcome != refused || c.status() != 401 && c.status() != 403 {
		return nil
	}
	if from := fromCache(c.answer); from != "" {
		f := likely("CACHED_401", from)
		if old := c.olderThanToken(); old != "" {
			f.sure = true
			f.proof = append(f.proof, old)
		}
		if c.Fresh != nil && c.Fresh.Fault == "" && c.Fresh.Status < 400 {
			f.sure = true
			f.proof = append(f.proof, "past the cache it is let through")
		}
		return f
	}
	return nil
}

// otherService: what answers has a sign-in of its own, and the token is for
// another.
func (c *Case) otherService() *finding {
	if c.outcome != refused || c.word != nil && c.word.means != "KEY_INVALID" && tokenCause[c.word.means] {
		return nil
	}
	for _, p := range products {
		if c.token == nil && !(slices.Contains(noServices, p.name) && strings.EqualFold(c.cred.scheme, "Bearer")) {
			continue
		}
		if p.own != nil && p.own.MatchString(pathOf(c.Request.URL)) {
			continue
		}
		if p.header != "" && p.header != "WWW-Authenticate" && p.pattern.MatchString(c.answer.Get(p.header)) && c.answer.Get(p.header) != "" {
			return likely("WRONG_HOST", fmt.Sprintf("the answer is by %s (%s), which has a sign-in of its own", p.name, p.header))
		}
	}
	return nil
}

// sound reports whether nothing is known to be wrong with the credential.
func (c *Case) sound() bool {
	if c.cred.form() != nil {
		return false
	}
	if c.token == nil {
		return c.cred.place == inAuthorization && c.cred.value != ""
	}
	return !c.token.JWE && len(c.token.Millis)+len(c.token.Quoted) == 0 && !c.expiredAt(c.Now) && !c.earlyAt(c.Now) && c.keys.fault == nil && !strings.EqualFold(c.token.Alg, "none")
}

// stripped: the credential was sent, and the application saw none.
func (c *Case) stripped() *finding {
	if c.outcome != refused || c.status() != 401 && c.status() != 403 || c.cred.place != inAuthorization && c.cred.place != inHeader || !c.last().Credential || c.signIn {
		return nil
	}
	w := c.says(saidMissing)
	if c.says(saidInvalid) != nil || c.word != nil && c.word.means != saidMissing {
		return nil
	}
	bare := c.bareChallenge()
	if w == nil && !bare {
		return nil
	}
	if c.Bare != nil && c.differs() {
		return nil
	}
	p := c.proxy()
	if p == "" || w != nil && (w.who == "Kong" || w.who == "Azure API Management" || w.who == "Envoy") {
		return nil
	}
	if w == nil && len(c.marksOf(byApp)) == 0 && c.html() {
		return nil // the page of a proxy, not of what stands behind it
	}
	f := likely("PROXY_STRIPPED_AUTH", "the request carries its credential", p)
	if w != nil {
		f.proof = append(f.proof, c.heard(w))
	} else {
		f.proof = append(f.proof, "the challenge has no error, as where no credential came (RFC 6750 §3)")
	}
	if c.alikeBare() {
		f.proof = append(f.proof, "without a credential the answer is the same")
	}
	return f
}

// bareChallenge reports a challenge for what was sent, without an error.
func (c *Case) bareChallenge() bool {
	if c.status() != 401 || len(c.challenges) == 0 || !c.wantsScheme(c.cred.scheme) {
		return false
	}
	for _, ch := range c.challenges {
		if _, ok := ch.Param("error"); ok {
			return false
		}
	}
	return true
}

// ownAnswers are what only a proxy itself puts into an answer.
var ownAnswers = []struct {
	who, header string // the body, without a header
	pattern     *regexp.Regexp
	sure        bool // it is on no other answer
}{
	{"Google's Identity-Aware Proxy", "X-Goog-IAP-Generated-Response", regexp.MustCompile(`(?i)true`), true},
	{"Google's Identity-Aware Proxy", "", regexp.MustCompile(`^Invalid (IAP|GCIP) (credentials|ID token)`), false},
	{"Vercel", "Set-Cookie", regexp.MustCompile(`^_vercel_sso_nonce=`), false},
	{"Vercel", "", regexp.MustCompile(`vercel\.com/sso-api`), false},
	{"Cloudflare Access", "WWW-Authenticate", regexp.MustCompile(`(?i)^Cloudflare-Access`), false},
	{"Cloudflare Access", "CF-Access-Domain", regexp.MustCompile(`.`), false},
	{"Squid", "X-Squid-Error", regexp.MustCompile(`^ERR_`), true},
	{"ngrok", "Ngrok-Error-Code", regexp.MustCompile(`^ERR_NGROK`), true},
	{"Pomerium", "X-Pomerium-Intercepted-Response", regexp.MustCompile(`(?i)true`), true},
	{"App Service's own authentication", "X-Ms-Middleware-Request-Id", regexp.MustCompile(`.`), false},
	{"App Service's own authentication", "", regexp.MustCompile(`^You do not have permission to view this directory or page\.?\s*$`), false},
	{"Authelia", "Set-Cookie", regexp.MustCompile(`^authelia_session=`), false},
	{"authentik", "Set-Cookie", regexp.MustCompile(`^authentik_proxy`), false},
	{"oauth2-proxy", "Set-Cookie", regexp.MustCompile(`^_oauth2_proxy`), false},
	{"a proxy with forward authentication", "Set-Cookie", regexp.MustCompile(`(?i)^(_forward_auth|VouchCookie|_pomerium|tinyauth|lemonldap|mod_auth_openidc_|AWSELBAuth)`), false},
	{"a tunnel for development", "WWW-Authenticate", regexp.MustCompile(`(?i)^tunnel\b`), false},
	{"Zscaler", "Server", regexp.MustCompile(`(?i)zscaler`), false},
	{"Blue Coat", "X-Bluecoat-Via", regexp.MustCompile(`.`), false},
}

// interposed: a proxy with a sign-in of its own answered, and says so.
func (c *Case) interposed() *finding {
	if c.outcome != refused || c.status() != 401 && c.status() != 403 || c.cred.place == nowhere || c.loginGoal != "" || c.word != nil && tokenCause[c.word.means] {
		return nil
	}
	if c.status() == 401 {
		from, err1 := url.Parse(c.Request.URL)
		to, err2 := url.Parse(resolve(c.Request.URL, c.answer.Get("Location")))
		if err1 == nil && err2 == nil && to.Host != "" && to.Host != from.Host && c.isLogin(from, to) {
			// What is sent to scripts in place of a redirect.
			return likely("PROXY_ANSWERED", "the 401 has a Location, the sign-in page "+clip(strip(to), 120)+", as forward authentication has")
		}
	}
	for _, o := range ownAnswers {
		texts, where := []string{c.answer.Body}, "the words of its page"
		if o.header != "" {
			texts, where = all(c.answer.Header, o.header), o.header
		}
		for _, t := range texts {
			if o.pattern.MatchString(t) {
				return &finding{cause: "PROXY_ANSWERED", sure: o.sure && len(c.marksOf(byApp)) == 0, proof: []string{fmt.Sprintf("the answer is by %s itself (%s)", o.who, where)}}
			}
		}
	}
	return nil
}

// passing are networks and caches that leave their marks on every answer which goes
// through them.
var passing = []string{"CloudFront", "Cloudflare", "Fastly", "Akamai", "Varnish", "a cache", "Google front end", "Azure Front Door", "Heroku", "Vercel", "Netlify"}

func (c *Case) proxyAnswered() *finding {
	if c.status() == 407 {
		return certain("PROXY_ANSWERED", "the status is 407: a proxy asks for a credential of its own (RFC 9110 §15.5.8)")
	}
	if c.outcome != refused || c.status() != 401 && c.status() != 403 || c.cred.place == nowhere || c.signIn || c.loginGoal != "" {
		return nil
	}
	if len(c.marksOf(byApp)) > 0 || c.word != nil && c.word.means != saidInvalid {
		return nil
	}
	front := c.marksOf(byEdge, byProxy)
	if len(front) == 0 {
		return nil
	}
	if slices.Contains(passing, front[0].who) && object([]byte(strings.TrimSpace(c.answer.Body))) != nil {
		return nil // its own pages are no JSON: it passes on what the origin said
	}
	return likely("PROXY_ANSWERED", fmt.Sprintf("the answer is by %s (%s), and nothing in it is by an application", front[0].who, front[0].from))
}

func (c *Case) handlerNotRun() *finding {
	if c.outcome != refused || c.token == nil || !c.sound() || c.proxy() != "" || !c.bareChallenge() && !(c.status() == 401 && len(c.challenges) == 0 && strings.TrimSpace(c.text) == "" && c.keys.genuine) || c.says(saidInvalid) != nil || c.word != nil && !(c.word.means == saidMissing && c.bareChallenge()) && !(c.word.means == "NOT_PERMITTED" && c.bareChallenge() && c.alikeBare()) {
		return nil
	}
	if len(c.marksOf(byProxy)) > 0 && len(c.marksOf(byApp)) == 0 || c.differs() {
		return nil
	}
	f := likely("HANDLER_NOT_RUN", "nothing is known to be wrong with the token", "the challenge has no error, as where no credential was looked at (RFC 6750 §3), and there is no sign of a proxy")
	if c.alikeBare() {
		f.proof = append(f.proof, "without a credential the answer is the same")
	}
	return f
}

func (c *Case) wrongHost() *finding {
	if c.outcome != refused {
		return nil
	}
	if c.status() == 421 {
		return certain("WRONG_HOST", "the answer is 421: the server is not the one for this host")
	}
	if w := c.says("WRONG_HOST"); w != nil && (c.word == w || c.word == nil) {
		return likely("WRONG_HOST", c.heard(w))
	}
	for _, p := range products {
		if p.own != nil && p.own.MatchString(pathOf(c.Request.URL)) {
			continue
		}
		text := c.answer.Body
		if p.header != "" {
			text = strings.Join(all(c.answer.Header, p.header), "\n")
		}
		if text != "" && p.pattern.MatchString(text) && c.token != nil && (c.word == nil || !tokenCause[c.word.means]) {
			return likely("WRONG_HOST", fmt.Sprintf("the answer is by %s, which has a sign-in of its own", p.name))
		}
	}
	if r := c.Resource; r != nil && r.Resource != "" && hostOf(r.Resource) != "" && hostOf(r.Resource) != hostOf(c.Request.URL) && c.token != nil && !containsHost(c.token.Audience, hostOf(r.Resource)) {
		return likely("WRONG_HOST", fmt.Sprintf("the server says that it is %s", clip(r.Resource, 100)))
	}
	return nil
}

func containsHost(list []string, host string) bool {
	for _, s := range list {
		if hostOf(s) == host {
			return true
		}
	}
	return false
}
