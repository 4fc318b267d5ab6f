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

func (c *Case) credentialForm() *finding {
	if !c.can() {
		return nil
	}
	if w := c.says("TWO_CREDENTIALS"); w != nil && c.outcome == refused && c.cred.place != nowhere {
		f := likely("TWO_CREDENTIALS", c.heard(w))
		if in, name, _ := c.Request.signature(); in != nowhere && c.cred.place == inAuthorization && !signedScheme(c.cred.scheme) {
			f.sure = true
			f.proof = append(f.proof, "there is a header Authorization, and a signature in "+name)
		} else if c.cred.query != "" || len(c.cred.header) > 1 {
			f.sure = true
		}
		return f
	}
	f := c.cred.form()
	if f == nil {
		return nil
	}
	if c.outcome == refused && c.readAnyway(f.cause) {
		return nil
	}
	if f.cause == "SCHEME_MISSING" && !looksLikeJWT(c.cred.value) && !c.wantsScheme("Bearer") && c.says(saidMissing) == nil && c.says(saidMalformed) == nil {
		f.sure = false // some take a key as it is
	}
	if f.cause == "NOT_BASE64_JSON" && !f.sure && !keyPrefixes.MatchString(c.cred.value) {
		if q := quoteWords(c.text, wantsJWT); q != "" {
			f.sure = true
			f.proof = append(f.proof, fmt.Sprintf("the answer says %q", q))
		}
	}
	return c.weak(f)
}

// readAnyway reports whether the server read the token all the same: it says what is
// wrong with it, and the token bears that out.
func (c *Case) readAnyway(form Cause) bool {
	if c.word == nil {
		return false
	}
	if form == "SCHEME_MISSING" && tokenCause[c.word.means] {
		return true
	}
	return c.token != nil && c.word.means == "EXPIRED" && c.expiredAt(c.Now) || c.token != nil && c.word.means == "NOT_YET_VALID" && c.earlyAt(c.Now)
}

// netrc: some clients replace an Authorization header by Basic from .netrc.
func (c *Case) netrc() *finding {
	if c.outcome == letThrough && c.NetrcHost && c.answer != nil && c.cred.place == inAuthorization && !c.Recorded && !strings.EqualFold(c.cred.scheme, "Basic") && c.cred.form() == nil {
		return likely("OVERRIDDEN_BY_NETRC", "as it is given here, the request is let through", ".netrc has an entry for this host: a client that reads it, such as Python's requests, sends Basic in place of the header")
	}
	if c.outcome != refused || !strings.EqualFold(c.cred.scheme, "Basic") || c.Request.HasUser {
		return nil
	}
	wants := c.wantsScheme("Bearer") && !c.wantsScheme("Basic") || c.says(saidMissing) != nil || c.says(saidMalformed) != nil || !c.wantsScheme("Basic")
	agent, _ := c.Request.Get("User-Agent")
	requests := regexp.MustCompile(`(?i)python-requests|httpie|wget|libfetch|curl/.*netrc|httpx`).MatchString(agent)
	switch {
	case !wants:
		return nil
	case c.NetrcHost:
		return likely("OVERRIDDEN_BY_NETRC", "the request carries Basic where the server wants Bearer", ".netrc has an entry for this host")
	case requests:
		return likely("OVERRIDDEN_BY_NETRC", "the request carries Basic where the server wants Bearer", fmt.Sprintf("it was made by %s, which replaces an Authorization header by Basic where .netrc has an entry for the host", clip(agent, 40)))
	}
	return nil
}

// wantsScheme reports whether a challenge is for a scheme.
func (c *Case) wantsScheme(name string) bool {
	return slices.ContainsFunc(c.schemes(), func(s string) bool { return strings.EqualFold(s, name) })
}

func (c *Case) schemes() []string {
	var list []string
	for _, ch := range c.challenges {
		list = append(list, ch.Scheme)
	}
	return list
}

func (c *Case) schemeWrong() *finding {
	if c.outcome == refused && c.cred.place == inAuthorization && !strings.HasPrefix(c.cred.scheme, "AWS4") && isScheme(c.cred.scheme) && wantsSigned.MatchString(c.text) {
		f := certain("SCHEME_WRONG", "the request carries "+c.cred.scheme+"; the server wants a signed request (AWS4-HMAC-SHA256)")
		if len(c.marksOf(byEdge)) > 0 {
			// API Gateway reads Authorization so on a route that does not exist, too.
			f.sure = false
		}
		return f
	}
	if c.outcome != refused || c.status() != 401 && c.status() != 407 || len(c.challenges) == 0 {
		return nil
	}
	wanted := c.schemes()
	if c.cred.place != inAuthorization || c.cred.scheme == "" || !isScheme(c.cred.scheme) && c.word != nil {
		return nil
	}
	if c.wantsScheme(c.cred.scheme) {
		return nil
	}
	if alike(c.cred.scheme, wanted) {
		return nil
	}
	proof := fmt.Sprintf("the request carries %s; the server challenges for %s", c.cred.scheme, strings.Join(wanted, ", "))
	if c.Request.Dance != "" && c.wantsScheme(c.Request.Dance) {
		return nil // the client answers that challenge, which the doctor does not
	}
	f := certain("SCHEME_WRONG", proof)
	if c.differs() {
		f.sure = false // it did look at what was sent
	}
	if c.word != nil && c.word.means != saidMissing && c.word.means != saidMalformed && c.word.means != "SENDER_CONSTRAINED" {
		f.sure = false
		if tokenCause[c.word.means] {
			return nil // it read the token and says what is wrong with it
		}
	}
	return f
}

var wantsSigned = regexp.MustCompile(`Authorization header requires '(Credential|Signature)'|IncompleteSignature|[Ii]nvalid key=value pair|not a valid key=value pair`)

// tokenCause are causes that a server can only name if it read the credential.
var tokenCause = map[Cause]bool{
	"EXPIRED": true, "NOT_YET_VALID": true, "WRONG_AUDIENCE": true, "WRONG_ISSUER": true, "BAD_SIGNATURE": true, "UNKNOWN_KEY": true, "ALG_NOT_ALLOWED": true, "MISSING_CLAIM": true,
	"SESSION_ENDED": true, "USER_SUSPENDED": true, "KEY_INVALID": true, "INSUFFICIENT_SCOPE": true, "STEP_UP_NEEDED": true, "NO_KID": true, "ALG_NONE": true, "ID_TOKEN_AS_ACCESS": true, "REFRESH_AS_ACCESS": true,
}

// alike: schemes that servers take for one another.
func alike(sent string, wanted []string) bool {
	sent = strings.ToLower(sent)
	return slices.ContainsFunc(wanted, func(w string) bool {
		w = strings.ToLower(w)
		return strings.HasPrefix(w, "xbasic") && sent == "basic"
	})
}

// challengedHeader returns the field that a challenge names: Keystone's, and that of
// the schemes for API keys that have a parameter for it.
func (c *Case) challengedHeader() string {
	for _, ch := range c.challenges {
		if strings.EqualFold(ch.Scheme, "Keystone") {
			return "X-Auth-Token"
		}
		in, _ := ch.Param("in")
		name, ok := ch.Param("name")
		if !ok {
			name, ok = ch.Param("header")
		}
		if ok && (in == "" || strings.EqualFold(in, "header")) && headerName.MatchString(name) && !strings.EqualFold(name, "Authorization") {
			return name
		}
	}
	return ""
}

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,40}$`)

var namedHeader = regexp.MustCompile(`(?i)\b(x-[a-z0-9-]*(?:key|token|auth|secret)[a-z0-9-]*|ocp-apim-subscription-key|api-?key header|apikey|api[-_]key)\b`)

// misplaced: a credential that is good, in a place where the server does not
// look.
func (c *Case) misplaced() *finding {
	if c.outcome != refused && !(c.outcome == notKnown && c.probedOnly()) {
		return nil
	}
	if c.word != nil && (tokenCause[c.word.means] && c.word.means != "KEY_INVALID") {
		return nil // it was read
	}
	anybody := c.Bare != nil && c.Bare.Fault == "" && c.Bare.Status < 400 // is let through
	proved := c.Moved != nil && c.Moved.Fault == "" && c.Moved.Status < 400 && c.Moved.Status != 0 && !anybody
	switch c.cred.place {
	case inQuery:
		if c.says("KEY_INVALID") != nil && !proved || c.cred.scheme == signedAsAWhole {
			return nil
		}
		f := likely("IN_QUERY", fmt.Sprintf("the credential is in the parameter %s of the URL, and no header carries one", c.cred.name))
		if proved {
			f.sure = true
			f.proof = append(f.proof, "the same request with the credential in the header "+c.MovedTo+" is let through")
		} else if c.says(saidMissing) != nil {
			f.proof = append(f.proof, c.heard(c.says(saidMissing)))
		}
		return f
	case inHeader:
		if c.cred.scheme == signedAsAWhole {
			return nil
		}
		if isKeyHeader(c.cred.name) && !proved {
			if named := c.otherHeader(); named != "" {
				return likely("WRONG_HEADER", fmt.Sprintf("the key is in %s; the server asks for %s", c.cred.name, named))
			}
			if looksLikeJWT(c.cred.value) && c.wantsScheme("Bearer") {
				return likely("WRONG_HEADER", fmt.Sprintf("a token is in %s; the server challenges for Bearer, which travels in Authorization", c.cred.name))
			}
			if c.wantsScheme("Bearer") && c.says("KEY_INVALID") == nil {
				return likely("WRONG_HEADER", fmt.Sprintf("the key is in %s; the server challenges for Bearer, which travels in Authorization", c.cred.name))
			}
			return nil
		}
		if c.says("KEY_INVALID") != nil && !proved {
			return nil
		}
		f := likely("WRONG_HEADER", fmt.Sprintf("the credential is in %s, and there is no Authorization header", c.cred.name))
		if proved {
			f.sure = true
			f.proof = append(f.proof, "the same request with the credential in the header "+c.MovedTo+" is let through")
		} else if w := c.says(saidMissing); w != nil {
			f.proof = append(f.proof, c.heard(w))
		}
		return f
	case inAuthorization:
		if named := c.otherHeader(); named != "" && !c.wantsScheme(c.cred.scheme) {
			f := likely("WRONG_HEADER", fmt.Sprintf("the credential is in Authorization; the server asks for %s", named))
			if proved {
				f.sure = true
				f.proof = append(f.proof, "the same request with the credential in the header "+c.MovedTo+" is let through")
				return f
			}
			if w := c.says(saidMissing); w != nil {
				f.proof = append(f.proof, c.heard(w))
				f.sure = w.plain && c.token == nil && proved
			}
			return f
		}
	}
	return nil
}

// otherHeader returns the field that the server asks for by name, where it is
// not the one that was sent.
func (c *Case) otherHeader() string {
	if name := c.challengedHeader(); name != "" {
		if _, sent := c.Request.Get(name); sent {
			return ""
		}
		return name
	}
	if c.says(saidMissing) == nil && !strings.Contains(strings.ToLower(c.text), "header") && !slices.ContainsFunc(c.schemes(), func(s string) bool { return strings.Contains(strings.ToLower(s), "key") }) {
		return ""
	}
	if w := c.says(saidMissing); w != nil && w.who == "Kong" && strings.Contains(w.quote, "API key") {
		if strings.EqualFold(c.cred.name, "apikey") {
			return ""
		}
		return "an API key in the header apikey"
	}
	if w := c.says(saidMissing); w != nil && w.who == "Azure API Management" && strings.Contains(w.quote, "subscription") {
		if strings.EqualFold(c.cred.name, "Ocp-Apim-Subscription-Key") {
			return ""
		}
		return "Ocp-Apim-Subscription-Key"
	}
	for _, name := range namedHeader.FindAllString(c.text, -1) {
		if noKeyHeader.MatchString(name) {
			continue
		}
		if !strings.EqualFold(name, c.cred.name) && !strings.EqualFold(strings.ReplaceAll(name, "_", "-"), c.cred.name) {
			if _, sent := c.Request.Get(name); !sent {
				return name
			}
			return ""
		}
	}
	return ""
}

var sigTime = regexp.MustCompile(`\d{8}T\d{6}Z`)

// requestSignature: SigV4 and its like, which sign the request itself.
func (c *Case) requestSignature() *finding {
	in, _, _ := c.Request.signature()
	signed := in == inHeader || signedScheme(c.cred.scheme) && !strings.EqualFold(c.cred.scheme, "Digest") && !strings.EqualFold(c.cred.scheme, "Negotiate") && !strings.EqualFold(c.cred.scheme, "NTLM")
	_, input := c.Request.Get("Signature-Input")
	_, hub := c.Request.Get("Signature")
	u, _ := url.Parse(c.Request.URL)
	presigned := in == inQuery
	if !c.can() || !(signed || input || hub || presigned) {
		return nil
	}
	var proof []string
	sure := false
	w := c.says("REQUEST_SIGNATURE")
	if w == nil {
		if b := c.says("BAD_SIGNATURE"); b != nil && c.token == nil {
			w = b
		}
	}
	if w != nil && signed && !strings.HasPrefix(c.cred.scheme, "AWS4") && wantsSigned.MatchString(c.text) {
		return nil
	}
	if expiredToken.MatchString(c.text) {
		return certain("EXPIRED", "the answer says that the temporary credential behind the signature has expired")
	}
	if unknownKeyID.MatchString(c.text) {
		return certain("KEY_INVALID", "the answer says that it knows no access key of the id in the signature")
	}
	if ran := c.presignedUntil(u); presigned && w == nil && !ran.IsZero() && c.Now.Sub(ran) > 5*time.Second && c.outcome == refused {
		return likely("EXPIRED", fmt.Sprintf("the URL is signed until %s, %s", why.Stamp(ran), why.Ago(ran, c.Now)))
	}
	if w == nil && c.says("NOT_PERMITTED") != nil {
		return nil // the signature was right
	}
	if w == nil && (c.says("KEY_INVALID") != nil || c.word != nil && (tokenCause[c.word.means] || onlyTheServerKnows[c.word.means] || c.word.means == saidMissing && !signedScheme(c.cred.scheme))) {
		return nil // something else is wrong, and it says what
	}
	if w != nil {
		proof, sure = append(proof, c.heard(w)), true
	}
	if why := c.sigClock(); why != "" {
		proof = append(proof, why)
	}
	if why := c.sigScope(u); why != "" {
		proof = append(proof, why)
	}
	if len(proof) == 0 {
		if c.outcome != refused || c.answer != nil && len(c.challenges) > 0 && !c.wantsScheme(c.cred.scheme) {
			return nil
		}
		proof = []string{"the request is signed, and it is refused"}
	}
	return c.weak(&finding{cause: "REQUEST_SIGNATURE", sure: sure, proof: proof})
}

// presignedUntil returns until when a signed URL is good by its own words.
func (c *Case) presignedUntil(u *url.URL) time.Time {
	if u == nil {
		return time.Time{}
	}
	q := url.Values{}
	for name, v := range u.Query() {
		q[strings.ToLower(name)] = v
	}
	for _, by := range []string{"x-amz-", "x-goog-"} {
		at, err := time.Parse("20060102T150405Z", q.Get(by+"date"))
		if n, err2 := strconv.Atoi(q.Get(by + "expires")); err == nil && err2 == nil {
			return at.Add(time.Duration(n) * time.Second)
		}
	}
	if n, err := strconv.ParseInt(q.Get("expires"), 10, 64); err == nil && n > 1e9 && n < surelyMilliseconds {
		return time.Unix(n, 0).UTC()
	}
	if at, err := time.Parse(time.RFC3339, q.Get("se")); err == nil {
		return at
	}
	return time.Time{}
}

// wantsJWT are the words of one who expected a JWT.
var wantsJWT = regexp.MustCompile(`(?i)\b(invalid|bad|not an?( valid)?|malformed|parse|decode)( or (invalid|expired|malformed))? (jwt|json web token)\b|\b(jwt|json web token)\b.{0,30}(invalid|malformed|parse|decode)`)

var unknownKeyID = regexp.MustCompile(`InvalidAccessKeyId`)

var expiredToken = regexp.MustCompile(`(?i)security token[^.]{0,40}expired|ExpiredToken`)

func (c *Case) sigClock() string {
	date, _ := c.Request.Get("X-Amz-Date")
	if date == "" {
		if u, err := url.Parse(c.Request.URL); err == nil {
			date = u.Query().Get("X-Amz-Date")
		}
	}
	stamp := sigTime.FindString(date)
	at, err := time.Parse("20060102T150405Z", stamp)
	if err != nil {
		v, ok := c.Request.Get("Date")
		if at, err = time.Parse(time.RFC1123, v); !ok || err != nil {
			return ""
		}
	}
	now := c.Now
	if off, ok := c.serverOff(); ok {
		now = now.Add(off)
	}
	if d := now.Sub(at); d > 5*time.Minute || d < -5*time.Minute {
		return fmt.Sprintf("it was signed %s, by the server's clock; 5 minutes apart are allowed", agoText(d))
	}
	return ""
}

func agoText(d time.Duration) string {
	if d < 0 {
		return d.Abs().Round(time.Second).String() + " ahead"
	}
	return d.Round(time.Second).String() + " ago"
}

var sigCredential = regexp.MustCompile(`Credential=[^/]+/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request`)
var hostRegion = regexp.MustCompile(`\.([a-z]{2}-[a-z]+-\d)\.amazonaws\.com$`)

func (c *Case) sigScope(u *url.URL) string {
	m := sigCredential.FindStringSubmatch(c.cred.raw)
	if m == nil || u == nil {
		return ""
	}
	if h := hostRegion.FindStringSubmatch(u.Hostname()); h != nil && h[1] != m[2] {
		return fmt.Sprintf("it is signed for the region %s; the host is in %s", m[2], h[1])
	}
	if date, ok := c.Request.Get("X-Amz-Date"); ok && !strings.HasPrefix(date, m[1]) {
		return "the day in the scope of the signature is not that of X-Amz-Date"
	}
	return ""
}

// keyRefused: an API key that the server read and does not take.
func (c *Case) keyRefused() *finding {
	if c.outcome != refused || c.token != nil {
		return nil
	}
	w := c.says("KEY_INVALID")
	isKey := c.cred.place == inHeader && isKeyHeader(c.cred.name) ||
		c.cred.place == inQuery && slices.Contains(keyParams, strings.ToLower(c.cred.name)) ||
		slices.Contains([]string{"apikey", "api-key", "key", "geniekey", "ssws"}, strings.ToLower(c.cred.scheme)) || keyPrefixes.MatchString(c.cred.value) ||
		strings.EqualFold(c.cred.scheme, "Token") && c.wantsScheme("Token") // a key of the database, as in Django and Rails
	if asToken := c.cred.place == inAuthorization && strings.EqualFold(c.cred.scheme, "Bearer") && keyPrefixes.MatchString(c.cred.value); asToken && (w == nil || !strings.Contains(strings.ToLower(w.quote), "key")) && c.says(saidMissing) == nil && c.status() == 401 {
		switch m := c.says(saidMalformed); {
		case m != nil:
			return likely("API_KEY_AS_TOKEN", "what is sent as a bearer token begins as an API key does", c.heard(m))
		case c.bearerError() || c.doorward != "" || wantsJWT.MatchString(c.text):
			return likely("API_KEY_AS_TOKEN", "what is sent as a bearer token begins as an API key does, and the server refuses it as a token")
		}
	}
	switch {
	case w != nil && isKey:
		return certain("KEY_INVALID", c.heard(w))
	case w != nil && c.cred.place == inAuthorization && c.cred.scheme == "":
		return likely("KEY_INVALID", c.heard(w), "it was sent as it is, without a scheme")
	case isKey && c.cred.place == inHeader && c.status() == 403 && c.answer.Get("X-Amzn-ErrorType") == "ForbiddenException":
		return likely("KEY_INVALID", "a key was sent in "+c.cred.name+"; with ForbiddenException, Amazon API Gateway refuses one that no usage plan has")
	case !isKey || c.says(saidMissing) != nil || c.status() == 403 && c.says(saidInvalid) == nil:
		return nil
	case c.says(saidInvalid) != nil || c.differs():
		return likely("KEY_INVALID", "a key was sent, and the answer is another than without one")
	case c.cred.place == inHeader:
		return likely("KEY_INVALID", "a key was sent in "+c.cred.name+", and it is refused")
	}
	return nil
}

// bearerError reports a challenge for a bearer token that tells of an error.
func (c *Case) bearerError() bool {
	for _, ch := range c.challenges {
		if _, ok := ch.Param("error"); ok && strings.EqualFold(ch.Scheme, "Bearer") {
			return true
		}
	}
	return false
}

// differs reports whether the server answers otherwise without a credential.
func (c *Case) differs() bool {
	b := c.Bare
	if b == nil || b.Fault != "" || c.answer == nil {
		return false
	}
	return b.Status != c.answer.Status || b.Get("WWW-Authenticate") != c.answer.Get("WWW-Authenticate") || shape(b.Body) != shape(c.answer.Body)
}

var variable = regexp.MustCompile(`[0-9a-fA-F-]{8,}|\d+`)

// shape is a body without what differs from one answer to the next.
func shape(body string) string { return variable.ReplaceAllString(body, "#") }

// alikeBare reports whether the server answers just the same without one.
func (c *Case) alikeBare() bool {
	return c.Bare != nil && c.Bare.Fault == "" && c.answer != nil && !c.differs()
}

var opaqueShape = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]{8,}$`)

// opaque: a token that only its issuer can read.
func (c *Case) opaque() *finding {
	if c.outcome != refused || c.status() == 403 || c.token != nil || c.cred.place != inAuthorization || !strings.EqualFold(c.cred.scheme, "Bearer") || !opaqueShape.MatchString(c.cred.value) {
		return nil
	}
	if w := c.says(saidMalformed); w != nil {
		return certain("OPAQUE_TOKEN", "the token is no JWT: "+fmt.Sprint(strings.Count(c.cred.value, ".")+1)+" part(s)", c.heard(w))
	}
	if w := c.says("KEY_INVALID"); w != nil {
		return likely("KEY_INVALID", c.heard(w))
	}
	if q := quoteWords(c.text, wantsJWT); q != "" {
		return likely("OPAQUE_TOKEN", "the token is no JWT", fmt.Sprintf("the answer says %q", q))
	}
	if strings.HasPrefix(c.cred.value, "ya29.") && c.bearerError() && strings.Contains(c.text, "could not be verified") {
		return likely("OPAQUE_TOKEN", "the token is an access token of Google's (ya29.), which only Google can read; what stands before Cloud Run wants an ID token")
	}
	return nil // no JWT is no fault where nobody said that one is due
}

// missingOrSo is what some write for a token that did not come and for one that
// they cannot read.
var missingOrSo = regexp.MustCompile(`(?i)\b(missing or (malformed|invalid)|(invalid|malformed) or missing) (jwt|token|credentials|authorization|api.?key)`)

func (c *Case) noCredentials() *finding {
	if c.outcome != refused || c.cred.place != nowhere || c.signIn || c.status() != 401 && c.status() != 403 && c.loginGoal == "" && c.says(saidMissing) == nil && c.inside != saysDenied && !missingOrSo.MatchString(c.text) {
		return nil
	}
	if c.Redacted {
		return nil
	}
	f := certain("NO_CREDENTIALS", "the request has no Authorization header, no cookie and no key")
	if c.status() != 401 && (c.says(saidMissing) == nil || c.status() != 403) {
		f.sure = false
	}
	if name := c.perhaps(); name != "" {
		f.sure = false
		f.proof = append(f.proof, name+" may hold one that is not known as such")
	}
	if len(c.challenges) > 0 {
		f.proof = append(f.proof, "the server challenges for "+strings.Join(c.schemes(), ", "))
	}
	return f
}

// longSegment is a part of a path that may be a secret, as in the URL of a bot or
// of a webhook.
var longSegment = regexp.MustCompile(`/[A-Za-z]*\d*:?[A-Za-z0-9_-]{32,}(/|$)`)

// perhaps names what may be a credential of a kind that is not known, or "".
func (c *Case) perhaps() string {
	if c.Request.ClientCert {
		return "the client certificate"
	}
	for _, f := range c.Request.Header {
		if secretHeader(f.Name) && !noKeyHeader.MatchString(f.Name) && !automatic.MatchString(f.Name) && strings.TrimSpace(f.Value) != "" && !strings.EqualFold(f.Name, "Authorization") {
			return "the header " + clip(f.Name, 40)
		}
	}
	u, err := url.Parse(c.Request.URL)
	if err != nil {
		return ""
	}
	for name, v := range u.Query() {
		if secretName(name) && len(v) > 0 && v[0] != "" {
			return "the parameter " + clip(name, 40)
		}
	}
	if longSegment.MatchString(u.Path) {
		return "the path"
	}
	for name, v := range c.form {
		if secretName(name) && v != "" && !noKeyHeader.MatchString(name) {
			return "the member " + clip(name, 40) + " of the body"
		}
	}
	return ""
}
