package doctor

import (
	"net/url"
	"slices"
	"strings"

	"github.com/doorward/doorward"
)

// Fields returns the header as it is sent.
func (r *Request) Fields() []Field {
	fields := slices.Clone(r.Header)
	if _, given := r.Get("Authorization"); r.HasUser && !given {
		fields = append(fields, Field{"Authorization", findCredential(r).raw})
	}
	return fields
}

// HasCredential reports whether the request carries one.
func (r *Request) HasCredential() bool { return findCredential(r).place != nowhere }

// CredentialValue is the credential without its scheme.
func (r *Request) CredentialValue() string { return strings.TrimSpace(findCredential(r).value) }

// BareURL is the URL without a credential in its query.
func (r *Request) BareURL() string {
	c := findCredential(r)
	u, err := url.Parse(r.URL)
	if err != nil || c.place != inQuery && c.query == "" {
		return r.URL
	}
	var kept []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if name, _, _ := strings.Cut(pair, "="); name != c.name && name != c.query {
			kept = append(kept, pair)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
	return u.String()
}

// BareFields are the fields without any credential.
func (r *Request) BareFields(fields []Field) []Field {
	c := findCredential(r)
	var list []Field
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "Authorization") && !strings.EqualFold(f.Name, "Cookie") && !strings.EqualFold(f.Name, "DPoP") && !strings.EqualFold(f.Name, c.name) && !strings.EqualFold(f.Name, "Proxy-Authorization") {
			list = append(list, f)
		}
	}
	return list
}

// IssuerOf returns the issuer whose keys are worth asking for, or "".
func IssuerOf(r *Request) string {
	c := findCredential(r)
	if c.place == nowhere || signedScheme(c.scheme) {
		return ""
	}
	t := ReadToken(strings.TrimSpace(c.value))
	if t == nil || !t.JWT || t.JWE || t.Claims == nil || t.Alg == "" || strings.EqualFold(t.Alg, "none") {
		return ""
	}
	return t.Issuer
}

// Plan is what else is worth asking.
type Plan struct {
	Repeats     int
	Bare, Fresh bool
	Moved       *Field // the credential where it may belong
}

// Further says what else is worth asking, now that one answer is there.
func Further(e *Evidence) Plan {
	c := newCase(e)
	var p Plan
	_, proof := e.Request.Get("DPoP")
	formed := c.cred.form() == nil
	switch {
	case c.cred.place == nowhere:
	case c.status() >= 500:
		p.Bare = formed
	case c.outcome == letThrough && formed && !proof && c.cred.place != inBody:
		p.Repeats = 2
	case c.outcome == refused && (c.status() == 401 || c.status() == 403) && formed:
		p.Bare = true
		p.Fresh = fromCache(c.answer) != ""
		p.Moved = c.elsewhere()
		explained := c.word != nil && (tokenCause[c.word.means] || c.word.means == "POLICY_BLOCKED" || c.word.means == "RATE_LIMITED_AS_401") && !(c.word.means == "BAD_SIGNATURE" || c.word.means == "UNKNOWN_KEY" || c.word.means == "EXPIRED" && !c.expiredAt(c.Now) || c.word.means == "NOT_YET_VALID" && !c.earlyAt(c.Now))
		if !proof && !explained && c.sound() && c.status() == 401 && p.Moved == nil && (len(c.challenges) == 0 || c.wantsScheme(c.cred.scheme) || c.cred.place != inAuthorization) {
			p.Repeats = 3
			if p.Fresh {
				p.Repeats = 1
			}
		}
	}
	return p
}

// elsewhere returns the credential in the header where it may belong, if that is
// not where it was sent.
func (c *Case) elsewhere() *Field {
	v := c.Request.CredentialValue()
	named := c.otherHeader()
	if strings.Contains(named, " ") {
		named = "apikey"
	}
	switch {
	case v == "" || c.cred.scheme == signedAsAWhole || signedScheme(c.cred.scheme) || strings.EqualFold(c.cred.scheme, "Basic") || c.word != nil && tokenCause[c.word.means] && c.word.means != "KEY_INVALID":
		return nil
	case named != "" && headerName.MatchString(named) && !strings.Contains(named, "_") && (c.cred.place != inAuthorization || !c.wantsScheme(c.cred.scheme)):
		return &Field{named, v}
	case c.cred.place == inQuery && slices.Contains(keyParams, strings.ToLower(c.cred.name)) && !c.wantsScheme("Bearer"):
		return &Field{"X-API-Key", v}
	case c.status() != 401:
		return nil
	case c.cred.place == inQuery, c.cred.place == inHeader && (!isKeyHeader(c.cred.name) || c.wantsScheme("Bearer")):
		return &Field{"Authorization", "Bearer " + v}
	}
	return nil
}

// Next returns where an answer sends the client, or "".
func Next(at string, a *Answer) string {
	switch a.Status {
	case 301, 302, 303, 307, 308:
		return resolve(at, a.Get("Location"))
	}
	return ""
}

// LeadsToLogin reports whether a redirect goes to a sign-in page.
func LeadsToLogin(from, to string) bool {
	f, err1 := url.Parse(from)
	t, err2 := url.Parse(to)
	return err1 == nil && err2 == nil && !loginPath.MatchString(f.Path) && (&Case{}).isLogin(f, t)
}

// ResourceMetadata returns the URL of RFC 9728 metadata in a challenge, or "".
func ResourceMetadata(a *Answer) string {
	list, _ := doorward.ParseChallenges(all(a.Header, "WWW-Authenticate"))
	for _, ch := range list {
		if v, ok := ch.Param("resource_metadata"); ok {
			return v
		}
	}
	return ""
}

// TokenAlone is the evidence of a token and nothing else.
func TokenAlone(given string) *Request {
	text := strings.Trim(given, "\r\n")
	r := &Request{Method: "GET"}
	low := strings.ToLower(strings.TrimSpace(text))
	switch {
	case strings.HasPrefix(low, "authorization:"):
		_, v, _ := strings.Cut(text, ":")
		r.Header = []Field{{"Authorization", strings.TrimSpace(v)}}
	case strings.HasPrefix(low, "bearer") || strings.HasPrefix(low, "basic ") || strings.HasPrefix(low, "dpop "):
		r.Header = []Field{{"Authorization", strings.TrimSpace(text)}}
	default:
		r.Header = []Field{{"Authorization", "Bearer " + text}}
	}
	return r
}

// Oddities are what is odd about the form and the kind of a token, in words
// that hold nothing of it.
func Oddities(token string) []string {
	var list []string
	if f := valueForm(token); f != nil {
		list = append(list, f.proof...)
	}
	t := ReadToken(token)
	if t == nil || !t.JWT {
		return list
	}
	if t.JWE {
		list = append(list, "it is encrypted (a JWE): only who has the key can read it, and a service that checks signatures refuses it")
	}
	if kind, proof, _ := t.kindOf(); kind == "refresh" || kind == "id" {
		list = append(list, "it looks like "+map[string]string{"refresh": "a refresh token", "id": "an ID token"}[kind]+": "+proof)
	}
	return append(list, t.Odd...)
}
