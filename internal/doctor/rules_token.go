package doctor

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/why"
)

// leeway is how far clocks may be apart before it matters.
const leeway = 60 * time.Second

func (c *Case) expiredAt(now time.Time) bool {
	return c.token != nil && !c.token.Exp.IsZero() && now.Sub(c.token.Exp) > 5*time.Second
}

func (c *Case) earlyAt(now time.Time) bool {
	t := c.token
	return t != nil && (!t.Nbf.IsZero() && t.Nbf.Sub(now) > 5*time.Second || !t.Iat.IsZero() && t.Iat.Sub(now) > leeway)
}

// tokenKind: the right thing in the wrong place, and what no server takes.
func (c *Case) tokenKind() []*finding {
	if !c.can() || c.cred.place == nowhere {
		return nil
	}
	if c.doorward != "" && c.outcome == refused && c.status() != 401 {
		return nil
	}
	t, v := c.token, strings.TrimSpace(c.cred.value)
	inToken := c.cred.place == inAuthorization || c.cred.place == inHeader && looksLikeJWT(v) || c.cred.place == inCookie && t != nil
	if !inToken {
		return nil
	}
	if t == nil {
		switch {
		case c.issuedAs(v) == "refresh":
			return []*finding{certain("REFRESH_AS_ACCESS", "the recording shows that it was issued as the refresh token")}
		case strings.HasPrefix(v, "dwr_") || strings.HasPrefix(v, "1//0") || strings.HasPrefix(v, "rt_") || strings.HasPrefix(v, "ghr_") || strings.HasPrefix(strings.ToLower(v), "refresh"):
			return []*finding{c.weak(certain("REFRESH_AS_ACCESS", "the token begins as a refresh token does: "+v[:min(4, len(v))]+"…"))}
		case c.says("REFRESH_AS_ACCESS") != nil && c.word != nil && c.word.means == "REFRESH_AS_ACCESS":
			return []*finding{certain("REFRESH_AS_ACCESS", c.heard(c.word))}
		}
		return nil
	}
	kind, proof, sure := t.kindOf()
	var list []*finding
	add := func(f *finding) { list = append(list, c.weak(f)) }
	if issued := c.issuedAs(v); issued == "refresh" || issued == "id" {
		kind, proof, sure = issued, "the recording shows that it was issued as the "+issued+" token", true
	}
	switch {
	case t.JWE:
		f := likely("ENCRYPTED_TOKEN", fmt.Sprintf("the token has %d parts and is encrypted (enc %s)", len(t.Parts), clip(text(t.Header["enc"]), 30)))
		if c.says("ENCRYPTED_TOKEN") != nil || c.says(saidMalformed) != nil {
			f.sure = true
		}
		add(f)
	case strings.EqualFold(t.Alg, "none"):
		add(certain("ALG_NONE", "the alg of the token is "+t.Alg+": it is not signed"))
	case kind == "refresh":
		add(&finding{cause: "REFRESH_AS_ACCESS", sure: sure, proof: []string{proof}})
	case kind == "id":
		f := &finding{cause: "ID_TOKEN_AS_ACCESS", sure: sure, proof: []string{proof}}
		if c.word != nil && tokenCause[c.word.means] && c.word.means != "ID_TOKEN_AS_ACCESS" && c.word.means != "WRONG_AUDIENCE" && c.word.means != "MISSING_CLAIM" && c.word.means != "INSUFFICIENT_SCOPE" {
			f.sure = false
			if !sure {
				return nil
			}
		}
		add(f)
	}
	if len(t.Millis)+len(t.Quoted) > 0 {
		var p []string
		if len(t.Millis) > 0 {
			p = append(p, "in milliseconds, where RFC 7519 §2 has seconds: "+strings.Join(t.Millis, ", "))
		}
		if len(t.Quoted) > 0 {
			p = append(p, "text, where RFC 7519 §2 has a number: "+strings.Join(t.Quoted, ", "))
		}
		add(certain("TIME_IN_MILLISECONDS", p...))
	}
	return list
}

// records are the checks that a Doorward records of a refusal, and what they
// mean.
var records = map[string]Cause{
	"exp": "EXPIRED", "nbf": "NOT_YET_VALID", "iat": "NOT_YET_VALID", "kid": "UNKNOWN_KEY", "signature": "BAD_SIGNATURE", "alg": "ALG_NOT_ALLOWED",
	"issuer": "WRONG_ISSUER", "audience": "WRONG_AUDIENCE", "claims": "MISSING_CLAIM", "session": "SESSION_ENDED",
}

// ownRecord: the server is a Doorward, and its ledger says which check failed.
func (c *Case) ownRecord() *finding {
	if c.Private == nil || c.outcome != refused {
		return nil
	}
	cause, ok := records[c.Private.Check]
	if !ok || cause == "EXPIRED" && c.token != nil && !c.expiredAt(c.Now) {
		return nil // the clocks decide
	}
	f := certain(cause, "the server's own record: "+c.Private.Text)
	f.heard = true
	return f
}

// issuedAs says as what a recording shows a token being issued, or "".
func (c *Case) issuedAs(v string) string {
	if c.Earlier == nil {
		return ""
	}
	kind := ""
	for _, s := range c.Earlier.Tokens {
		if s.Value == v {
			if s.Kind == "access" {
				return s.Kind
			}
			kind = s.Kind
		}
	}
	return kind
}

// saidOutright: the server names the reason, and the token does not contradict
// it.
func (c *Case) saidOutright() *finding {
	w := c.word
	if c.outcome == refused && w != nil && !c.signIn && c.cred.place == nowhere && c.Redacted && tokenCause[w.means] && !w.prose {
		// What it says can only be said of a token that came.
		return likely(w.means, c.heard(w), "the recording leaves out Authorization and cookies, as Chrome does by default")
	}
	if c.outcome != refused || w == nil || c.signIn || c.cred.place == nowhere && w.means != "SESSION_ENDED" && w.means != "USER_SUSPENDED" {
		return nil
	}
	t := c.token
	switch w.means {
	case "EXPIRED", "NOT_YET_VALID":
		if t == nil && w.means == "EXPIRED" {
			f := certain("EXPIRED", c.heard(w))
			if c.cred.place == inCookie {
				f.cause, f.sure = "SESSION_ENDED", false
			}
			return f
		}
		return nil // the times are looked at, with the clocks
	case "WRONG_AUDIENCE":
		return c.audienceSaid(w)
	case "WRONG_ISSUER":
		return c.issuerSaid(w)
	case "BAD_SIGNATURE":
		if t == nil && c.cred.place == inAuthorization && !strings.EqualFold(c.cred.scheme, "Bearer") {
			return nil
		}
		if c.keys.fault != nil {
			return nil // the keys say more
		}
		if c.keys.genuine && (c.expiredAt(c.Now) || c.earlyAt(c.Now)) {
			return nil // it is refused for its times
		}
		f := certain("BAD_SIGNATURE", c.heard(w))
		if c.keys.genuine {
			f.sure = false
			f.proof = append(f.proof, "the key of its issuer says that the signature is right: the server checks with another key")
		}
		if t == nil {
			f.sure = false
		}
		return f
	case "UNKNOWN_KEY":
		if t != nil && strings.Contains(w.quote, "Another algorithm expected") && (strings.HasPrefix(t.Alg, "HS") || c.keys.genuine) {
			if f := c.confused(); f != nil {
				return f
			}
			return &finding{cause: "ALG_NOT_ALLOWED", sure: c.keys.genuine && t.Alg != "RS256", proof: []string{c.heard(w), "the alg of the token is " + clip(t.Alg, 20)}}
		}
		if f := c.keys.fault; f != nil && (f.cause == "KEYS_NOT_JSON" || f.cause == "KEYS_UNREACHABLE") {
			return nil
		}
		if c.keys.fault != nil && c.keys.fault.cause != "UNKNOWN_KEY" && c.keys.fault.sure {
			return nil
		}
		if t != nil && t.KeyID == "" && c.Issuer.Set != nil && len(c.Issuer.Set.Keys) > 1 {
			return nil // NO_KID
		}
		f := certain("UNKNOWN_KEY", c.heard(w))
		if t != nil {
			f.proof = append(f.proof, "kid is "+clip(or(t.KeyID, "missing"), 60))
		}
		if c.keys.genuine {
			f.proof = append(f.proof, "the issuer's key set has the key now: the server's copy of it is older")
		}
		return f
	case "NO_KID":
		if t != nil && t.KeyID != "" {
			return nil
		}
		return certain("NO_KID", c.heard(w))
	case "ALG_NOT_ALLOWED":
		if t == nil {
			return nil
		}
		if f := c.confused(); f != nil {
			return f
		}
		return certain("ALG_NOT_ALLOWED", c.heard(w), "the alg of the token is "+clip(t.Alg, 20))
	case "MISSING_CLAIM":
		return c.missingSaid(w)
	case "SESSION_ENDED", "USER_SUSPENDED":
		f := certain(w.means, c.heard(w))
		if w.means == "SESSION_ENDED" && (strings.Contains(strings.ToLower(w.quote), "expire") || t == nil && c.cred.place == inAuthorization) {
			f.sure = false
		}
		if w.means == "SESSION_ENDED" && c.expiredAt(c.Now) && strings.Contains(strings.ToLower(w.quote), "expire") {
			return nil
		}
		if c.cred.place == nowhere {
			f.sure = false
		}
		return f
	case "KEYS_UNREACHABLE", "KEYS_NOT_JSON":
		if c.Issuer.Keys != nil && c.keys.fault != nil && (c.keys.fault.cause == "KEYS_NOT_JSON" || c.keys.fault.cause == "KEYS_UNREACHABLE") {
			return &finding{cause: c.keys.fault.cause, sure: true, proof: append([]string{c.heard(w)}, c.keys.fault.proof...)}
		}
		if c.keys.genuine || c.Issuer.Set != nil {
			return likely(w.means, c.heard(w), "from here, the key set can be had")
		}
		return certain(w.means, c.heard(w))
	case "ID_TOKEN_AS_ACCESS", "REFRESH_AS_ACCESS":
		return likely(w.means, c.heard(w))
	case "ENCRYPTED_TOKEN":
		return nil
	case saidMalformed:
		if t != nil || c.cred.place != inAuthorization || !strings.EqualFold(c.cred.scheme, "Bearer") {
			return nil
		}
	}
	return nil
}

func (c *Case) outright() *finding {
	f := c.saidOutright()
	if f != nil {
		f.heard = true
	}
	return f
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// times: expired, too early, or judged by a clock that is wrong.
func (c *Case) times() []*finding {
	t := c.token
	if t == nil || !c.can() || len(t.Millis)+len(t.Quoted) > 0 {
		return nil
	}
	if c.outcome == refused && c.status() == 403 && c.word != nil && c.word.means != "EXPIRED" && c.word.means != "NOT_YET_VALID" {
		return nil
	}
	serverOff, serverKnown := c.serverOff()
	server := c.Now.Add(serverOff)
	issuerOff, issuerKnown := clockOff(c.Issuer.Metadata)
	if !issuerKnown {
		issuerOff, issuerKnown = clockOff(c.Issuer.Keys)
	}
	issuerApart := issuerKnown && Origin(c.Issuer.KeysURL) != Origin(c.Request.URL)
	saysExpired, saysEarly := c.says("EXPIRED"), c.says("NOT_YET_VALID")
	other := c.word != nil && tokenCause[c.word.means] && c.word.means != "EXPIRED" && c.word.means != "NOT_YET_VALID"
	var list []*finding
	add := func(f *finding) {
		if other {
			f.sure = false
		}
		list = append(list, c.weak(f))
	}
	here, there := c.expiredAt(c.Now), c.expiredAt(server)
	since := func() string {
		return fmt.Sprintf("it expired %s, %s", why.Stamp(t.Exp), why.Ago(t.Exp, c.Now))
	}
	switch {
	case here && (!serverKnown || there):
		f := certain("EXPIRED", since())
		if c.Recorded {
			f.proof[0] = fmt.Sprintf("it expired %s, %s before the request was made", why.Stamp(t.Exp), why.Span(c.Now.Sub(t.Exp)))
		}
		if saysExpired != nil {
			f.proof = append(f.proof, c.heard(saysExpired))
		} else if serverKnown && c.outcome == refused {
			f.proof = append(f.proof, "by the server's clock it has expired too")
		}
		if c.outcome == refused && c.alikeBare() && saysExpired == nil && (c.bareChallenge() || c.says(saidMissing) != nil) {
			f.sure = false
		}
		add(f)
	case here && serverKnown && !there && saysExpired == nil && serverOff < -leeway:
		if issuerApart && issuerOff > -leeway {
			add(certain("EXPIRED", since()))
			break
		}
		add(likely("CLOCK_SKEW", since()+", by this machine's clock", "by the server's clock, which is "+offText(serverOff)+" it, it has not: this machine's clock is ahead"))
	case !here && there && serverKnown && serverOff > 20*time.Second:
		f := certain("CLOCK_SKEW", fmt.Sprintf("the server's clock is %s this one, measured from its Date", offText(serverOff)), fmt.Sprintf("by that clock the token has expired; by this one it is good for another %s", why.Span(t.Exp.Sub(c.Now))))
		if issuerApart && issuerOff == 0 {
			f.proof = append(f.proof, "the issuer's clock agrees with this one: it is the server's that is wrong")
		}
		if saysExpired != nil {
			f.proof = append(f.proof, c.heard(saysExpired))
		}
		add(f)
	case !here && saysExpired != nil && c.word == saysExpired && !t.Exp.IsZero() && c.outcome == refused && fromCache(c.answer) == "":
		add(likely("CLOCK_SKEW", c.heard(saysExpired), fmt.Sprintf("by this machine's clock the token is good for another %s", why.Span(t.Exp.Sub(c.Now)))))
	}
	list = append(list, c.early(server, serverOff, serverKnown, issuerOff, issuerKnown, saysEarly, other))
	return list
}

func (c *Case) early(server time.Time, serverOff time.Duration, serverKnown bool, issuerOff time.Duration, issuerKnown bool, saysEarly *word, other bool) *finding {
	t := c.token
	from := t.Nbf
	if from.IsZero() || t.Iat.After(from) && t.Iat.Sub(c.Now) > leeway {
		from = t.Iat
	}
	ahead := from.Sub(c.Now)
	if from.IsZero() {
		return nil
	}
	name := "nbf"
	if from.Equal(t.Iat) && !from.Equal(t.Nbf) {
		name = "iat"
	}
	if !c.earlyAt(c.Now) {
		if serverKnown && serverOff < -20*time.Second && from.Sub(server) > 5*time.Second && (saysEarly != nil || c.word == nil) {
			f := &finding{cause: "CLOCK_SKEW", sure: !c.Recorded || serverOff > -10*time.Minute} // a browser's cache need not tell that it answered
			f.proof = append(f.proof, fmt.Sprintf("the server's clock is %s this one, measured from its Date", offText(serverOff)), fmt.Sprintf("by that clock the token is good only in %s (%s)", why.Span(from.Sub(server)), name))
			if issuerKnown && issuerOff == 0 {
				f.proof = append(f.proof, "the issuer's clock agrees with this one: it is the server's that is wrong")
			}
			return c.weak(f)
		}
		if saysEarly != nil && c.word == saysEarly && fromCache(c.answer) == "" {
			return likely("CLOCK_SKEW", c.heard(saysEarly), "by this machine's clock the token is good since "+why.Span(c.Now.Sub(from)))
		}
		return nil
	}
	line := fmt.Sprintf("%s is %s, %s from now", name, why.Stamp(from), why.Span(ahead))
	iatAhead := t.Iat.Sub(c.Now)
	var f *finding
	switch {
	case issuerKnown && issuerOff > 20*time.Second && from.Sub(c.Now.Add(issuerOff)) < leeway:
		f = certain("CLOCK_SKEW", line, "the issuer's clock is "+offText(issuerOff)+" this one: by it the token is good already")
	case !t.Iat.IsZero() && iatAhead > 5*time.Second && iatAhead <= 24*time.Hour && !(issuerKnown && Origin(c.Issuer.KeysURL) != Origin(c.Request.URL)):
		f = likely("CLOCK_SKEW", line, "it was issued in the future (iat): the clock of its issuer is ahead by that much")
		if iatAhead > time.Hour && saysEarly != nil && t.Nbf.After(t.Iat) {
			f = likely("NOT_YET_VALID", line)
		}
	default:
		f = certain("NOT_YET_VALID", line)
		if saysEarly != nil {
			f.proof = append(f.proof, c.heard(saysEarly))
		}
	}
	if other {
		f.sure = false
	}
	return c.weak(f)
}

func (c *Case) missingSaid(w *word) *finding {
	t := c.token
	if t == nil {
		return nil
	}
	low := strings.ToLower(w.quote + " " + c.text)
	for name, spoken := range spokenClaims {
		if strings.Contains(strings.ToLower(w.quote), spoken) && !t.has(name) {
			return certain("MISSING_CLAIM", c.heard(w), "the token has no "+name)
		}
	}
	for _, name := range []string{"sub", "aud", "exp", "iat", "nbf", "jti", "iss", "scope", "scp", "azp", "client_id", "email", "sid", "auth_time", "tenant", "tid", "roles", "permissions", "groups", "org_id", "user_id", "userId", "uid", "username", "name", "preferred_username", "tenant_id", "acr", "amr"} {
		if !wordIn(low, strings.ToLower(name)) {
			continue
		}
		if !t.has(name) {
			return certain("MISSING_CLAIM", c.heard(w), "the token has no "+name)
		}
	}
	return likely("MISSING_CLAIM", c.heard(w))
}

// spokenClaims are claims as libraries call them in words.
var spokenClaims = map[string]string{"exp": "expir", "sub": "subject", "aud": "audience", "iss": "issuer", "iat": "issued at", "nbf": "not before", "jti": "jwt id"}

func wordIn(text, word string) bool {
	for i := 0; ; {
		j := strings.Index(text[i:], word)
		if j < 0 {
			return false
		}
		i += j
		before, after := i == 0 || !isWord(text[i-1]), i+len(word) == len(text) || !isWord(text[i+len(word)])
		if before && after {
			return true
		}
		i += len(word)
	}
}

func isWord(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '_' }

// claims: what nearly every verifier asks for.
func (c *Case) claims() *finding {
	t := c.token
	if t == nil || t.JWE || c.outcome != refused || c.status() != 401 || c.word != nil || c.bareChallenge() || c.says(saidMissing) != nil || c.keys.fault != nil {
		return nil
	}
	for _, name := range []string{"exp", "sub", "iss", "aud"} {
		if !t.has(name) && (c.keys.genuine && c.says(saidInvalid) != nil || name == "exp" && c.says(saidInvalid) != nil) {
			return likely("MISSING_CLAIM", "the token has no "+name)
		}
	}
	return nil
}

// byRole are words of a denial that nobody has for a credential as such.
var byRole = regexp.MustCompile(`(?i)\b(roles?|permissions?|privileges?|groups?|rights|admin|administrator|authori[sz]ed to perform)\b`)

// identified: the caller is known, and may not.
func (c *Case) identified() []*finding {
	if c.outcome != refused || c.signIn {
		return nil
	}
	if c.token != nil {
		if kind, _, sure := c.token.kindOf(); sure && (kind == "id" || kind == "refresh") && (c.says("STEP_UP_NEEDED") == nil) {
			return nil // what it lacks, no token of its kind has
		}
	}
	for _, cause := range []Cause{"STEP_UP_NEEDED", "INSUFFICIENT_SCOPE"} {
		w := c.says(cause)
		if w == nil || c.word != nil && c.word != w && tokenCause[c.word.means] && c.word.means != "INSUFFICIENT_SCOPE" && c.word.means != "STEP_UP_NEEDED" {
			continue
		}
		if c.cred.place == nowhere && cause != "STEP_UP_NEEDED" {
			continue
		}
		f := certain(cause, c.heard(w))
		if cause == "STEP_UP_NEEDED" && (c.says("SESSION_ENDED") != nil || c.says("EXPIRED") != nil) {
			f.sure = false // who is to sign in again may be so because the session is over
		}
		for _, ch := range c.challenges {
			if s, ok := ch.Param("scope"); ok {
				f.proof = append(f.proof, "the server wants the scope "+clip(s, 100))
			}
		}
		if c.token != nil && cause == "INSUFFICIENT_SCOPE" {
			f.proof = append(f.proof, "the token has "+or(clip(strings.Join(append(texts(c.token.Claims["scope"]), texts(c.token.Claims["scp"])...), " "), 120), "no scope"))
		}
		return []*finding{f}
	}
	if w := c.says("NOT_PERMITTED"); w != nil && c.word == w && c.cred.place != nowhere && c.cred.form() == nil && (c.status() == 403 || c.status() == 401 && c.differs()) {
		for _, ch := range c.challenges {
			if s, ok := ch.Param("scope"); ok && c.token != nil {
				return []*finding{likely("INSUFFICIENT_SCOPE", c.heard(w), "the server wants the scope "+clip(s, 100))}
			}
		}
		if c.status() == 401 && byRole.MatchString(w.quote) && !c.bearerError() && c.says(saidInvalid) == nil && !c.html() && !c.expiredAt(c.Now) && c.keys.fault == nil {
			return []*finding{likely("NOT_PERMITTED", c.heard(w), "without a credential the answer is another")}
		}
		if c.status() == 403 && !c.expiredAt(c.Now) && c.keys.fault == nil {
			return []*finding{likely("NOT_PERMITTED", c.heard(w))}
		}
	}
	if c.status() != 403 || c.cred.place == nowhere || c.doorward != "" || c.word != nil && (tokenCause[c.word.means] || c.word.means == saidMissing || c.word.means == saidMalformed) || c.says(saidInvalid) != nil {
		return nil
	}
	if c.expiredAt(c.Now) || len(c.marksOf(byEdge)) > 0 && len(c.marksOf(byApp)) == 0 && c.html() || c.cred.form() != nil || c.keys.fault != nil {
		return nil
	}
	if c.Recorded && c.Request.Unsafe() && c.cred.place == inCookie && strings.TrimSpace(c.answer.Body) == "" {
		return nil
	}
	if c.alikeBare() {
		return nil // nobody was recognised
	}
	return []*finding{likely("NOT_PERMITTED", "the answer is 403, and nothing is wrong with the credential: it was recognised, and does not suffice")}
}
