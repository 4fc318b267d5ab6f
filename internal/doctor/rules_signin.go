package doctor

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/doorward/doorward/verify"
)

var wrongPassword = regexp.MustCompile(`(?i)(invalid|incorrect|wrong|bad|unknown)( or [a-z]+)? ?(user(name)?|e-?mail( address)?|login|account|credentials?|password|passcode|user credentials)|(password|username|email|user|credentials?).{0,60}(incorrect|invalid|wrong|do(es)? not match|don't match|not (found|match|correct|recogni[sz]ed)|mismatch|is not)|INVALID_CREDENTIALS|AADSTS50126|AADSTS50034|NotAuthorizedException|unable to log ?in with provided credentials|No active account found|bad credentials|login failed|authentication failed|These credentials do not match|INVALID_PASSWORD|INVALID_LOGIN|EMAIL_NOT_FOUND|invalid_credentials|invalid login|invalid_grant`)

// signIns: the request itself is a sign-in, a renewal, or a client's.
func (c *Case) signIns() []*finding {
	if c.outcome != refused {
		return nil
	}
	switch c.doorward {
	case "INVALID_CREDENTIALS":
		return []*finding{certain("LOGIN_REFUSED", "the answer has the code INVALID_CREDENTIALS")}
	case "MFA_REQUIRED":
		return []*finding{certain("MFA_DUE", "the answer has the code MFA_REQUIRED")}
	case "REFRESH_TOKEN_REUSED":
		return []*finding{certain("REFRESH_REUSED", "the answer has the code REFRESH_TOKEN_REUSED")}
	case "INVALID_REFRESH_TOKEN":
		if t := ReadToken(c.refreshValue()); t != nil && t.JWT {
			return []*finding{certain("ACCESS_AS_REFRESH", "what was sent as the refresh token is a JWT; this server's refresh tokens begin with dwr_", "the answer has the code INVALID_REFRESH_TOKEN")}
		}
		return []*finding{certain("REFRESH_INVALID", "the answer has the code INVALID_REFRESH_TOKEN")}
	case "REFRESH_TOKEN_MISSING":
		return []*finding{certain("NO_CREDENTIALS", "the answer has the code REFRESH_TOKEN_MISSING: neither body nor cookie has one")}
	case "USER_INACTIVE", "ACCOUNT_SUSPENDED":
		return []*finding{certain("USER_SUSPENDED", "the answer has the code "+string(c.doorward))}
	case "API_KEY_INVALID":
		return []*finding{certain("KEY_INVALID", "the answer has the code API_KEY_INVALID")}
	case "TOKEN_REVOKED":
		return []*finding{certain("SESSION_ENDED", "the answer has the code TOKEN_REVOKED")}
	case "INSUFFICIENT_SCOPE":
		return []*finding{certain("INSUFFICIENT_SCOPE", "the answer has the code INSUFFICIENT_SCOPE")}
	case "STEP_UP_REQUIRED":
		return []*finding{certain("STEP_UP_NEEDED", "the answer has the code STEP_UP_REQUIRED")}
	case "CROSS_ORIGIN":
		return []*finding{certain("CSRF_REFUSED", "the answer has the code CROSS_ORIGIN")}
	}
	if w := c.says("MFA_DUE"); w != nil && (c.signIn || strings.EqualFold(c.cred.scheme, "Basic") || c.answer.has("X-GitHub-OTP")) {
		return []*finding{certain("MFA_DUE", c.heard(w))}
	}
	if strings.HasPrefix(c.answer.Get("X-GitHub-OTP"), "required") {
		return []*finding{certain("MFA_DUE", "the answer has X-GitHub-OTP: required")}
	}
	if w := c.says("CLIENT_REFUSED"); w != nil && (c.signIn || c.cred.place == nowhere || strings.EqualFold(c.cred.scheme, "Basic")) {
		return []*finding{c.clientRefused(w)}
	}
	if c.signIn {
		return []*finding{c.signInRefused()}
	}
	if strings.EqualFold(c.cred.scheme, "Basic") && c.wantsScheme("Basic") && c.cred.form() == nil && (c.status() == 401) && c.says("MFA_DUE") == nil {
		if c.word != nil && c.word.means == "USER_SUSPENDED" || c.html() && len(c.marksOf(byApp)) == 0 && len(c.marksOf(byProxy, byEdge)) > 0 {
			return nil
		}
		if c.word != nil && c.word.means == saidMissing {
			return nil
		}
		if p := c.proxy(); p != "" && c.alikeBare() && wrongPassword.FindString(c.text) == "" && len(c.marksOf(byApp)) > 0 {
			return nil
		}
		for _, p := range products {
			if p.header != "" && p.pattern.MatchString(strings.Join(all(c.answer.Header, p.header), "\n")) {
				break
			}
		}
		if user, err := base64.StdEncoding.DecodeString(c.cred.value); err == nil && keyPrefixes.Match(user) {
			if w := c.says("KEY_INVALID"); w != nil {
				return []*finding{certain("KEY_INVALID", "the user of Basic is an API key", c.heard(w))}
			}
			return []*finding{likely("KEY_INVALID", "the user of Basic is an API key, and it is refused")}
		}
		return []*finding{likely("LOGIN_REFUSED", "user and password were sent as the server asks for them (Basic), and it refuses them")}
	}
	if strings.EqualFold(c.cred.scheme, "Digest") && c.wantsScheme("Digest") {
		return []*finding{likely("LOGIN_REFUSED", "user and password were proved as the server asks for them (Digest), and it refuses them")}
	}
	return nil
}

func (c *Case) refreshValue() string {
	v, _ := c.field("refresh_token", "refresh")
	return v
}

func (c *Case) clientRefused(w *word) *finding {
	f := certain("CLIENT_REFUSED", c.heard(w))
	_, inForm := c.field("client_secret")
	switch {
	case inForm && c.wantsScheme("Basic"):
		f.proof = append(f.proof, "the secret is in the body; the server challenges for Basic")
	case strings.EqualFold(c.cred.scheme, "Basic"):
		if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.cred.value)); err == nil {
			id, secret, ok := strings.Cut(string(b), ":")
			if ok && (url.QueryEscape(id) != id || url.QueryEscape(secret) != secret) {
				f.proof = append(f.proof, "id or secret have characters that are form-encoded before they go into Basic (RFC 6749 §2.3.1), and were not")
			}
		}
	}
	return f
}

func (c *Case) signInRefused() *finding {
	grant, _ := c.field("grant_type")
	if u, err := url.Parse(c.Request.URL); err == nil && grant == "" {
		grant = u.Query().Get("grant_type")
	}
	if flow, _ := c.field("auth_flow"); strings.HasPrefix(flow, "REFRESH_TOKEN") {
		grant = "refresh_token"
	}
	refreshing := grant == "refresh_token" || c.refreshValue() != "" || regexp.MustCompile(`(?i)/refresh(/|$)`).MatchString(c.Request.URL)
	if w := c.says("USER_SUSPENDED"); w != nil && (c.word == w || c.word != nil && c.word.means == "CLIENT_REFUSED") {
		return certain("USER_SUSPENDED", c.heard(w))
	}
	if refreshing {
		return c.refreshRefused()
	}
	_, password := c.field("password", "passwd", "pwd")
	if c.word != nil {
		switch c.word.means {
		case "EXPIRED", "NOT_YET_VALID", "BAD_SIGNATURE", "WRONG_AUDIENCE", "WRONG_ISSUER", "SESSION_ENDED":
			if !password {
				return nil
			}
		}
	}
	if q := quoteWords(c.text, wrongPassword); q != "" {
		if grant == "authorization_code" || grant != "" && grant != "password" {
			return nil
		}
		f := certain("LOGIN_REFUSED", "the request is a sign-in", fmt.Sprintf("the answer says %q", q))
		return f
	}
	if password || regexp.MustCompile(`(?i)(login|sign-?in|authenticate|session)s?/?$`).MatchString(pathOf(c.Request.URL)) {
		return likely("LOGIN_REFUSED", "the request is a sign-in, and it is refused")
	}
	return nil
}

func pathOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Path
}

func (c *Case) refreshRefused() *finding {
	v := c.refreshValue()
	t := ReadToken(v)
	if v == "" && c.token != nil && c.says("ACCESS_AS_REFRESH") != nil {
		t = c.token // some take the refresh token in Authorization
	}
	reused, invalid, access := c.says("REFRESH_REUSED"), c.says("REFRESH_INVALID"), c.says("ACCESS_AS_REFRESH")
	if what := placeholder(v); v != "" && what != "" {
		return certain("PLACEHOLDER_CREDENTIALS", "the refresh token is "+what)
	}
	if t != nil && t.JWT {
		if kind, proof, sure := t.kindOf(); kind == "access" || access != nil && kind != "refresh" {
			f := &finding{cause: "ACCESS_AS_REFRESH", sure: sure && kind == "access", proof: []string{or(proof, "what was sent as the refresh token is a JWT")}}
			if access != nil {
				f.proof = append(f.proof, c.heard(access))
				f.sure = true
			}
			return f
		} else if kind == "" && !strings.HasPrefix(t.Alg, "HS") && (t.has("scope") || t.has("scp") || t.has("aud")) && reused == nil && len(t.Claims) > 3 {
			return likely("ACCESS_AS_REFRESH", "what was sent as the refresh token is a JWT with a scope or an audience, as an access token has")
		}
	}
	if c.Earlier != nil && v != "" && c.Earlier.Spent[v] {
		return certain("REFRESH_REUSED", "the recording shows the same refresh token being exchanged before (sha256 "+verify.Fingerprint(v)+")")
	}
	switch {
	case reused != nil:
		return certain("REFRESH_REUSED", c.heard(reused))
	case access != nil:
		return likely("ACCESS_AS_REFRESH", c.heard(access))
	case invalid != nil:
		return certain("REFRESH_INVALID", c.heard(invalid))
	case invalidGrant.MatchString(c.text):
		return certain("REFRESH_INVALID", `the token endpoint answers "invalid_grant" to a refresh token (RFC 6749 §5.2)`)
	case v == "" && c.cred.place == nowhere && (c.says(saidMissing) != nil || c.Request.Body != ""):
		return certain("NO_CREDENTIALS", "neither the body nor a cookie has a refresh token")
	case v == "" && c.cred.place == nowhere:
		return nil
	}
	f := likely("REFRESH_INVALID", "the request renews a sign-in, and it is refused")
	for _, cause := range []Cause{"SESSION_ENDED", "EXPIRED", saidInvalid, saidMalformed} {
		if w := c.says(cause); w != nil {
			f.proof = append(f.proof, c.heard(w))
			break
		}
	}
	return f
}

// dpop: a token that is bound to a key, and the proof of it (RFC 9449).
func (c *Case) dpop() []*finding {
	if !c.can() {
		return nil
	}
	proof, sent := c.Request.Get("DPoP")
	if w := c.says("DPOP_NONCE"); w != nil && sent {
		return []*finding{certain("DPOP_NONCE", c.heard(w), "the answer has its nonce in DPoP-Nonce")}
	}
	t := c.token
	cnf, bound := map[string]any(nil), false
	if t != nil {
		cnf, bound = t.Claims["cnf"].(map[string]any)
	}
	jkt := text(cnf["jkt"])
	if !sent {
		if bound && jkt != "" {
			return []*finding{c.weak(certain("SENDER_CONSTRAINED", "the token is bound to a key (cnf.jkt), and the request has no proof of it (DPoP)"))}
		}
		if bound && (text(cnf["x5t#S256"]) != "") && !c.Request.ClientCert {
			return []*finding{c.weak(certain("SENDER_CONSTRAINED", "the token is bound to a client certificate (cnf.x5t#S256), and none was presented"))}
		}
		if bound {
			return []*finding{c.weak(likely("SENDER_CONSTRAINED", "the token is bound to a key (cnf), and the request has no proof of it"))}
		}
		if strings.EqualFold(c.cred.scheme, "DPoP") {
			return []*finding{c.weak(certain("SENDER_CONSTRAINED", "the scheme is DPoP, and the request has no header DPoP with the proof"))}
		}
		if w := c.says("SENDER_CONSTRAINED"); w != nil && c.word == w && c.cred.place == inAuthorization && (len(c.challenges) == 0 || c.wantsScheme(c.cred.scheme)) {
			return []*finding{likely("SENDER_CONSTRAINED", c.heard(w))}
		}
		return nil
	}
	faults := c.proofFaults(proof, jkt)
	w := c.says("DPOP_PROOF_INVALID")
	switch {
	case w != nil:
		return []*finding{certain("DPOP_PROOF_INVALID", append([]string{c.heard(w)}, faults...)...)}
	case len(faults) > 0:
		return []*finding{c.weak(likely("DPOP_PROOF_INVALID", faults...))}
	case bound && strings.EqualFold(c.cred.scheme, "Bearer") && c.outcome == refused:
		return []*finding{likely("SCHEME_WRONG", "the token is bound to a key and has its proof, and is sent as Bearer; RFC 9449 §7.1 wants the scheme DPoP")}
	}
	return nil
}

func (c *Case) proofFaults(proof, jkt string) []string {
	p := ReadToken(strings.TrimSpace(proof))
	if p == nil || !p.JWT || p.Claims == nil {
		return []string{"the proof is no JWT"}
	}
	var faults []string
	if !strings.EqualFold(p.Typ, "dpop+jwt") {
		faults = append(faults, "the typ of the proof is "+clip(or(p.Typ, "missing"), 30)+", not dpop+jwt")
	}
	if m := p.Claim("htm"); m != c.Request.Method {
		faults = append(faults, "htm is "+clip(or(m, "missing"), 20)+", and the method is "+c.Request.Method)
	}
	if u := p.Claim("htu"); plainURL(u) != plainURL(c.Request.URL) {
		faults = append(faults, "htu is "+shownURL(u)+", and the URL is "+shownURL(c.Request.URL))
	}
	if !p.Iat.IsZero() {
		if d := c.Now.Sub(p.Iat); d > 5*time.Minute || d < -time.Minute {
			faults = append(faults, "the proof was made "+agoText(d))
		}
	}
	if ath := p.Claim("ath"); c.cred.value != "" {
		sum := sha256.Sum256([]byte(strings.TrimSpace(c.cred.value)))
		if want := base64.RawURLEncoding.EncodeToString(sum[:]); ath != want {
			faults = append(faults, map[bool]string{true: "ath is missing", false: "ath is of another token"}[ath == ""])
		}
	}
	if jwk, ok := p.Header["jwk"].(map[string]any); ok && jkt != "" {
		if tp := thumbprint(jwk); tp != "" && tp != jkt {
			faults = append(faults, "the proof is by another key than the one that the token is bound to (cnf.jkt)")
		}
	}
	return faults
}

func plainURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return Origin(raw) + strings.TrimSuffix(u.Path, "/")
}

// thumbprint follows RFC 7638.
func thumbprint(jwk map[string]any) string {
	var doc string
	switch text(jwk["kty"]) {
	case "EC":
		doc = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, text(jwk["crv"]), text(jwk["x"]), text(jwk["y"]))
	case "RSA":
		doc = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, text(jwk["e"]), text(jwk["n"]))
	case "OKP":
		doc = fmt.Sprintf(`{"crv":%q,"kty":"OKP","x":%q}`, text(jwk["crv"]), text(jwk["x"]))
	default:
		return ""
	}
	sum := sha256.Sum256([]byte(doc))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sameKind reports whether another token takes the place of this one: of the same
// issuer where both say so, else of the same host and make.
func (s *Seen) sameKind(o *Seen) bool {
	a, b := ReadToken(s.Value), ReadToken(o.Value)
	if aj, bj := a != nil && a.JWT, b != nil && b.JWT; aj || bj {
		return aj && bj && a.Issuer == b.Issuer && (a.Issuer != "" || s.Host == o.Host) && strings.Join(a.Audience, " ") == strings.Join(b.Audience, " ")
	}
	return s.Host == o.Host && s.Name == o.Name
}

// stale: a recording shows that a newer token had been issued.
func (c *Case) stale() *finding {
	if c.Earlier == nil || c.outcome != refused || c.cred.value == "" || c.cred.place == inCookie || c.issuedAs(strings.TrimSpace(c.cred.value)) == "refresh" || c.issuedAs(strings.TrimSpace(c.cred.value)) == "id" {
		return nil
	}
	var mine, newer *Seen
	for i := range c.Earlier.Tokens {
		s := &c.Earlier.Tokens[i]
		if s.Kind != "access" || s.At.After(c.Now) {
			continue
		}
		switch {
		case s.Value == strings.TrimSpace(c.cred.value):
			mine = s
			newer = nil
		case mine == nil || mine.sameKind(s):
			newer = s
		}
	}
	if newer == nil {
		return nil
	}
	t, n := c.token, ReadToken(newer.Value)
	proof := []string{fmt.Sprintf("a newer token (sha256 %s) had been issued %s before this request, which carries an older one (sha256 %s)", verify.Fingerprint(newer.Value), c.Now.Sub(newer.At).Round(time.Second), verify.Fingerprint(strings.TrimSpace(c.cred.value)))}
	switch {
	case mine != nil:
		return certain("STALE_TOKEN_RESENT", proof...)
	case t != nil && n != nil && n.JWT && !n.Iat.IsZero() && n.Iat.After(t.Iat) && (n.Issuer == t.Issuer):
		return certain("STALE_TOKEN_RESENT", proof...)
	case (t == nil || c.expiredAt(c.Now)) && related(newer.Host, hostOf(c.Request.URL)):
		f := likely("STALE_TOKEN_RESENT", proof...)
		if w := c.word; w != nil && (w.means == "SESSION_ENDED" || w.means == "EXPIRED") && !w.prose && !c.Earlier.Accepted.IsZero() && c.Earlier.Accepted.Before(newer.At) {
			f.sure = true
			f.proof = append(f.proof, "the older one was let through until then", c.heard(w))
		}
		return f
	}
	return nil
}
