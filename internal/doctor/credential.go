package doctor

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/doorward/doorward/verify"
)

// place is where a credential travels.
type place string

const (
	nowhere         place = ""
	inAuthorization place = "Authorization"
	inHeader        place = "header"
	inCookie        place = "cookie"
	inQuery         place = "query"
	inBody          place = "body"
)

// credential is the one that the request was meant to be let through with.
type credential struct {
	place  place
	name   string // of the header, cookie or parameter
	raw    string // the whole value
	scheme string // as written; empty without one
	value  string // what follows the scheme
	header []string
	query  string // a second one, in the URL
	guess  bool   // its name is all that speaks for its being one
}

// tokenHeaders are fields that carry a token where a server reads them; other
// servers do not.
var tokenHeaders = []string{
	"X-Auth-Token", "X-Access-Token", "X-Token", "Token", "Access-Token", "Access_Token", "X-JWT", "X-JWT-Assertion", "JWT", "X-Authorization", "Authentication",
	"X-Authentication", "Auth", "Auth-Token", "Authorisation", "Authoriz" + "aton", "Authorzation", "Autorization", "Bearer", "X-Bearer-Token", "X-Id-Token", "X-User-Token", "X-Session-Token", "X-Amz-Security-Token-X", "Http-Authorization",
}

// keyHeaders are fields that carry an API key.
var keyHeaders = []string{
	"X-API-Key", "Api-Key", "ApiKey", "X-ApiKey", "Ocp-Apim-Subscription-Key", "X-Goog-Api-Key", "X-Functions-Key", "X-Api-Token", "X-Client-Key", "X-App-Key", "Private-Token", "X-Shopify-Access-Token", "X-Service-Key", "DD-API-KEY", "X-Vault-Token", "Subscription-Key", "Key",
}

// keyHeader are the fields of the many services that have one of their own.
var keyHeader = regexp.MustCompile(`(?i)^([a-z0-9]+[-_])*((api|app|application|access|auth|secret|service|admin|client|consumer|partner|license|master|subscription|account|user|project)[-_]?(key|secret|apikey)|[a-z0-9]*api[-_]?(key|token|secret)|[a-z0-9]+[-_]token)$`)

// noKeyHeader are fields that end as those do and carry no credential.
var noKeyHeader = regexp.MustCompile(`(?i)c[sx]rf|xsrf|forgery|verification|idempot|^sec-|websocket|cache|surrogate|trace|request[-_]?(key|token)|continuation|page|device|push|sync|partition|encryption|captcha|state`)

func isKeyHeader(name string) bool {
	return slices.ContainsFunc(keyHeaders, func(h string) bool { return strings.EqualFold(h, name) }) || keyHeader.MatchString(name) && !noKeyHeader.MatchString(name) && !isTokenHeader(name)
}

func isTokenHeader(name string) bool {
	return slices.ContainsFunc(tokenHeaders, func(h string) bool { return strings.EqualFold(h, name) })
}

// signatureHeader and signatureParam are where a request that is signed as a
// whole, by a secret that does not travel, has its signature.
var (
	signatureHeader = regexp.MustCompile(`(?i)(^|[-_])(sign|signature|hmac)([-_](v?\d+|sha-?\d+|ed25519))?$`)
	signatureParam  = regexp.MustCompile(`(?i)^(x-(amz|goog|oss|tos|obs|cos|ms)-signature|signature|sig|sign|hmac|oauth_signature|q-signature)$`)
)

// signature says where a request is signed as a whole, or "".
func (r *Request) signature() (in place, name, value string) {
	for _, f := range r.Header {
		if signatureHeader.MatchString(f.Name) && len(f.Value) >= 16 {
			return inHeader, f.Name, f.Value
		}
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nowhere, "", ""
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if signatureParam.MatchString(k) && len(v) >= 16 {
			return inQuery, k, v
		}
	}
	return nowhere, "", ""
}

// signedAsAWhole is the scheme of a credential that is a signature and has none
// of the schemes of Authorization.
const signedAsAWhole = "signature"

var tokenParams = []string{"access_token", "token", "jwt", "auth_token", "authtoken", "bearer", "bearer_token", "authorization", "auth", "id_token", "accesstoken"}
var keyParams = []string{"api_key", "apikey", "api-key", "key", "subscription-key", "appid", "app_key", "access_key", "access-key", "api_token", "auth_key", "private_token", "subscription_key"}

// knownSchemes are the authentication schemes that people use.
var knownSchemes = []string{
	"Bearer", "Basic", "Digest", "Negotiate", "NTLM", "DPoP", "AWS4-HMAC-SHA256", "AWS", "ApiKey", "Api-Key", "Token", "JWT", "HOBA", "Mutual", "OAuth", "SCRAM-SHA-256", "SCRAM-SHA-1", "Signature", "hmac", "SharedKey", "SharedKeyLite", "MAC", "Hawk", "GNAP", "PrivateToken", "GoogleLogin", "Splunk", "SSWS", "vapid", "Key", "GenieKey", "Bot", "SharedAccessSignature", "Concealed",
}

func isScheme(s string) bool {
	return slices.ContainsFunc(knownSchemes, func(k string) bool { return strings.EqualFold(k, s) })
}

var sessionCookie = regexp.MustCompile(`(?i)(sess|sid$|^sid|auth|token|jwt|identity|login|remember|connect\.|_at$|^at$|laravel|phpsessid|doorward|user|\.asp|csrf0)`)

// otherCookie are names of what is kept in cookies beside the credential.
var otherCookie = regexp.MustCompile(`(?i)refresh|id_?token|c[sx]rf|xsrf|state|nonce|analytics|consent`)

// findCredential finds what the request was meant to be let through with.
func findCredential(r *Request) credential {
	c := credential{header: all(r.Header, "Authorization")}
	name, value := queryCredential(r.URL, tokenParams)
	if name != "" && len(c.header) > 0 {
		c.query = name
	}
	if len(c.header) > 0 {
		c.place, c.name, c.raw = inAuthorization, "Authorization", c.header[0]
		c.scheme, c.value = splitScheme(c.raw)
		if inner := railsToken.FindStringSubmatch(c.value); inner != nil && strings.EqualFold(c.scheme, "Token") {
			c.value = inner[1]
		}
		return c
	}
	if r.HasUser {
		c.place, c.name, c.scheme = inAuthorization, "Authorization", "Basic"
		c.value = base64.StdEncoding.EncodeToString([]byte(r.User))
		c.raw = "Basic " + c.value
		c.header = []string{c.raw}
		return c
	}
	for _, list := range [][]string{keyHeaders, tokenHeaders} {
		for _, h := range list {
			if v, ok := r.Get(h); ok {
				c.place, c.name, c.raw = inHeader, h, v
				c.scheme, c.value = splitScheme(v)
				if c.scheme != "" && !isScheme(c.scheme) {
					c.scheme, c.value = "", v
				}
				return c
			}
		}
	}
	for _, f := range r.Header {
		if isKeyHeader(f.Name) && strings.TrimSpace(f.Value) != "" && !r.hasSessionCookie() {
			return credential{place: inHeader, name: f.Name, raw: f.Value, value: f.Value, guess: true}
		}
	}
	if in, name, value := r.signature(); in != nowhere {
		return credential{place: in, name: name, raw: value, value: value, scheme: signedAsAWhole}
	}
	if name != "" {
		return credential{place: inQuery, name: name, raw: value, value: value}
	}
	if name, value := queryCredential(r.URL, keyParams); name != "" {
		return credential{place: inQuery, name: name, raw: value, value: value}
	}
	if v, ok := r.Get("Cookie"); ok && strings.TrimSpace(v) != "" {
		c.place, c.name, c.raw = inCookie, "Cookie", v
		for pair := range strings.SplitSeq(v, ";") {
			n, val, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if sessionCookie.MatchString(n) && (c.value == "" || looksLikeJWT(val) && !looksLikeJWT(c.value) && !otherCookie.MatchString(n)) {
				c.name, c.value = n, val
			}
		}
		return c
	}
	return c
}

// hasSessionCookie reports whether a cookie goes along that is one by its name.
func (r *Request) hasSessionCookie() bool {
	v, _ := r.Get("Cookie")
	for pair := range strings.SplitSeq(v, ";") {
		if n, _, _ := strings.Cut(strings.TrimSpace(pair), "="); sessionCookie.MatchString(n) && !otherCookie.MatchString(n) {
			return true
		}
	}
	return false
}

// railsToken is how Rails writes a token: token="…".
var railsToken = regexp.MustCompile(`^token="?([^",]*)"?`)

func queryCredential(raw string, names []string) (name, value string) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", ""
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if slices.Contains(names, strings.ToLower(k)) && v != "" {
			if plain, err := url.QueryUnescape(v); err == nil {
				v = plain
			}
			return k, v
		}
	}
	return "", ""
}

// splitScheme cuts the scheme from a value. A value of one word that is no
// scheme has none.
func splitScheme(raw string) (scheme, value string) {
	s := strings.TrimLeft(raw, " \t")
	i := strings.IndexFunc(s, unicode.IsSpace)
	if i < 0 {
		if isScheme(s) {
			return s, ""
		}
		return "", s
	}
	return s[:i], s[i+1:]
}

// form is what is wrong with the credential as it was written: the first that
// is found, for the rest follows from it.
func (c *credential) form() *finding {
	switch c.place {
	case nowhere, inBody:
		return nil
	case inQuery:
		if c.scheme == signedAsAWhole {
			return nil
		}
	case inCookie:
		if what := placeholder(c.value); what != "" {
			return certain("PLACEHOLDER_CREDENTIALS", fmt.Sprintf("the cookie %s holds %s", c.name, what))
		}
		return nil
	}
	if len(c.header) > 1 {
		return certain("TWO_CREDENTIALS", fmt.Sprintf("the request has %d Authorization headers", len(c.header)))
	}
	if c.query != "" {
		return certain("TWO_CREDENTIALS", fmt.Sprintf("there is a token in the header Authorization and another in the parameter %s (RFC 6750 §2: one method only)", c.query))
	}
	if f := c.schemeForm(); f != nil {
		return f
	}
	if rest, ok := strings.CutPrefix(strings.TrimLeft(c.raw, " \t"), c.scheme); ok && c.place == inAuthorization && isScheme(c.scheme) && rest != "" && rest[0] != ' ' {
		return certain("WHITESPACE", "between the scheme and the token stands "+or(invisible(rest[:1]), "another character")+" where a space is due (RFC 9110 §11.4)")
	}
	if strings.EqualFold(c.scheme, "Basic") {
		return basicForm(c.value)
	}
	if c.place == inAuthorization && signedScheme(c.scheme) || c.scheme == signedAsAWhole {
		return nil
	}
	return valueForm(c.value)
}

func signedScheme(s string) bool {
	switch strings.ToLower(s) {
	case "aws4-hmac-sha256", "aws", "digest", "signature", "hmac", "sharedkey", "sharedkeylite", "hawk", "mac", "negotiate", "ntlm", "oauth", "vapid", "sharedaccesssignature":
		return true
	}
	return ofSignedRequest.MatchString(s)
}

// ofSignedRequest are the schemes of the many services that sign a request and have
// one of their own: EG1-HMAC-SHA256, TC3-HMAC-SHA256, GOOG4-RSA-SHA256 …
var ofSignedRequest = regexp.MustCompile(`(?i)^([a-z]+\d*-)*(hmac|rsa|ecdsa|ed25519)(-p256)?[-_]?(sha-?\d+)?$|^[a-z0-9]+[-_]?(hmac|signature)$|^(acs|oss|obs|qbox|qiniu|upyun|escher|tos|bce-auth-v\d)$`)

var encodedSpace = regexp.MustCompile(`(?i)^(bearer|basic|token|dpop)(%20|\+)`)

var glued = regexp.MustCompile(`(?i)^(bearer|token|basic|jwt)(eyJ|ey|dw[rk]_|[:=,_.-]+)`)

func (c *credential) schemeForm() *finding {
	raw := strings.TrimSpace(c.raw)
	if raw == "" {
		return certain("EMPTY_CREDENTIALS", "the header "+c.name+" is empty")
	}
	if c.place != inAuthorization {
		return nil
	}
	first, rest, _ := strings.Cut(raw, " ")
	low := strings.ToLower(first)
	switch {
	case low == "authorization:" || low == "authorization" || strings.HasPrefix(low, "authorization:"):
		return certain("SCHEME_MALFORMED", "the name of the header is in its value too: Authorization: Authorization: …")
	case isScheme(strings.TrimRight(first, ":=,")) && first != strings.TrimRight(first, ":=,"):
		return certain("SCHEME_MALFORMED", fmt.Sprintf("%q stands where the scheme %q is due, without the %q", first, first[:len(strings.TrimRight(first, ":=,"))], first[len(strings.TrimRight(first, ":=,")):]))
	case glued.MatchString(raw) && !isScheme(first):
		return certain("SCHEME_MALFORMED", "there is no space between the scheme and the token")
	}
	if m := encodedSpace.FindString(raw); m != "" {
		return certain("URL_ENCODED", "the space behind the scheme is percent-encoded (%20)")
	}
	if c.scheme == "" {
		value := strings.Trim(c.value, "\"'")
		switch {
		case placeholder(value) != "":
			return certain("PLACEHOLDER_CREDENTIALS", "the header Authorization holds "+placeholder(value))
		case value == "":
			return certain("EMPTY_CREDENTIALS", "the header Authorization is empty")
		}
		return c.noScheme()
	}
	if strings.TrimSpace(c.value) == "" && isScheme(c.scheme) {
		return certain("EMPTY_CREDENTIALS", "the header Authorization has the scheme "+c.scheme+" and nothing behind it")
	}
	if second, _ := splitScheme(rest); isScheme(c.scheme) && second != "" && strings.EqualFold(strings.TrimRight(second, ":"), "bearer") {
		return certain("SCHEME_DOUBLED", fmt.Sprintf("the value begins with %q twice over", c.scheme+" "+second))
	} else if isScheme(c.scheme) && strings.EqualFold(second, c.scheme) && second != "" {
		return certain("SCHEME_DOUBLED", fmt.Sprintf("the value begins with %q twice over", c.scheme+" "+second))
	}
	if strings.Contains(strings.ToLower(c.value), ", bearer ") {
		return certain("TWO_CREDENTIALS", "two credentials are in one Authorization header, with a comma between them")
	}
	if !isScheme(c.scheme) {
		if clean := strings.TrimFunc(c.scheme, odd); clean != c.scheme && isScheme(clean) {
			if strings.ContainsAny(c.scheme, `"'`) {
				return certain("QUOTED", "the whole value, with its scheme, is in quotes")
			}
			return certain("WHITESPACE", "an invisible character stands before the scheme: "+invisible(c.scheme))
		}
		if looksLikeJWT(c.scheme) {
			return certain("WHITESPACE", "there is a space inside of the token, and no scheme before it")
		}
		if near := nearScheme(c.scheme); near != "" {
			return certain("SCHEME_MALFORMED", fmt.Sprintf("the scheme is written %q; it is %q", clip(c.scheme, 30), near))
		}
	}
	return nil
}

func odd(r rune) bool {
	return r == '"' || r == '\'' || r == '\uFEFF' || r == '\u200B' || r == '\u00A0' || r == '`'
}

func nearScheme(s string) string {
	switch strings.ToLower(s) {
	case "beare", "bearar", "baerer", "bearrer", "beaer", "berer", "barer", "bear", "beared", "brearer", "bearer_token", "bearertoken", "bearers", "bearer-token", "berear":
		return "Bearer"
	case "basics", "base", "baisc", "basci":
		return "Basic"
	}
	return ""
}

func (c *credential) noScheme() *finding {
	v := c.value
	if t := strings.Trim(v, "\"'<>"); t != v {
		return nil // its quotes are the first thing to mend
	}
	switch {
	case looksLikeJWT(v):
		return certain("SCHEME_MISSING", "the header Authorization holds a token and no scheme before it")
	default:
		return certain("SCHEME_MISSING", "the header Authorization holds one word and no scheme before it")
	}
}

var placeholders = regexp.MustCompile(`(?i)^(undefined|null|nan|none|nil|false|true|\[object (object|promise)\]|\[object object\]|promise \{.*\}|` +
	`\$\{?[a-z_][a-z0-9_.]*\}?|\$\(.*\)|\$env:[a-z_]+|%[a-z_][a-z0-9_]*%|\{\{.*\}\}|\{%.*%\}|<[a-z0-9 _.-]+>|\{[a-z0-9 _.-]+\}|\[[a-z0-9 _.-]+\]|:(token|access_token|jwt)|` +
	`(your|my|the|insert|replace|put|paste|enter|add|some|xxx+)[-_ ]?[a-z0-9_ -]*(token|jwt|key|here|secret|me)[a-z0-9_ -]*|token|access_token|accesstoken|jwt|jwt_token|api_key|apikey|changeme|change_me|todo|x{3,}|\*{3,}|\.{3}|…|process\.env\.[a-z_]+|token_here|redacted|<redacted>|\[redacted\]|function ?\(.*|async .*|\(\) ?=>.*)$`)

// placeholder says what stands where a credential is due, or "".
func placeholder(s string) string {
	s = strings.Trim(strings.TrimSpace(s), "\"'`")
	if len(s) > 80 || !placeholders.MatchString(s) {
		return ""
	}
	return fmt.Sprintf("%q, which is no credential but what a program or a page puts where one is due", s)
}

func basicForm(v string) *finding {
	if what := invisible(v); what != "" {
		return certain("WHITESPACE", "there is "+what+" in or around what follows Basic; base64 wraps its lines, but with -w0")
	}
	v = strings.TrimSpace(v)
	if what := placeholder(v); what != "" {
		return certain("PLACEHOLDER_CREDENTIALS", "behind Basic stands "+what)
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		if raw, err2 := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "=")); err2 == nil && strings.Contains(string(raw), ":") {
			return certain("BASIC_ENCODING", "what follows Basic lacks its padding (RFC 7617 §2, RFC 4648 §4)")
		}
		if strings.Contains(v, ":") {
			return certain("BASIC_ENCODING", "user and password follow Basic as they are; RFC 7617 §2 wants them in base64")
		}
		return certain("BASIC_ENCODING", "what follows Basic is not base64 (RFC 7617 §2)")
	}
	switch {
	case !strings.Contains(string(b), ":"):
		return certain("BASIC_ENCODING", "what follows Basic has no colon between user and password when it is decoded (RFC 7617 §2)")
	case !utf8.Valid(b):
		return certain("BASIC_ENCODING", "user and password are not in UTF-8 (RFC 7617 §2.1)")
	case strings.HasSuffix(string(b), "\n"):
		return certain("BASIC_ENCODING", "a new line is encoded behind the password: echo writes one, printf does not")
	case strings.Contains(string(b), "\x00"):
		return certain("BASIC_ENCODING", "there are NULs between the letters of user and password: they are in UTF-16, not UTF-8 (RFC 7617 §2.1)")
	case strings.ContainsFunc(string(b), unicode.IsControl):
		return certain("BASIC_ENCODING", "user or password has a control character, which RFC 7617 §2 forbids")
	case strings.HasPrefix(string(b), "\uFEFF"):
		return certain("BASIC_ENCODING", "a byte order mark is encoded before the user")
	}
	if user, pass, _ := strings.Cut(string(b), ":"); placeholder(pass) != "" && pass != "token" && pass != "true" || placeholder(user) != "" && user != "token" && user != "x-access-token" && user != "api_key" {
		return certain("PLACEHOLDER_CREDENTIALS", "user or password is what a program puts where one is missing, such as undefined or an unset variable")
	}
	return nil
}

var escaped = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// valueForm judges a token as it was written.
func valueForm(v string) *finding {
	trimmed := strings.Trim(v, " ")
	if trimmed == "" {
		return certain("EMPTY_CREDENTIALS", "there is nothing where the token is due")
	}
	if what := placeholder(trimmed); what != "" {
		return certain("PLACEHOLDER_CREDENTIALS", "where the token is due stands "+what)
	}
	if f := wrapped(trimmed); f != nil {
		return f
	}
	if what := invisible(v); what != "" {
		return certain("WHITESPACE", "there is "+what+" in or around the token")
	}
	if strings.HasPrefix(v, " ") {
		return certain("WHITESPACE", "there is more than one space between the scheme and the token")
	}
	if strings.Contains(trimmed, " ") {
		if !looksLikeJWT(trimmed) && strings.ContainsAny(trimmed, "/=+") {
			return likely("URL_ENCODED", "there is a space inside of what looks like base64, as where a + was read from a URL")
		}
		return certain("WHITESPACE", "there is a space inside of the token")
	}
	if escaped.MatchString(trimmed) {
		plain, err := url.PathUnescape(trimmed)
		if err == nil && plain != trimmed {
			return certain("URL_ENCODED", "the token holds percent-encoding: "+strings.Join(firstFew(escaped.FindAllString(trimmed, -1)), ", "))
		}
	}
	t := ReadToken(trimmed)
	if t == nil {
		return nil
	}
	if t.Header == nil {
		if looksLikeJWT(trimmed) {
			if how := t.cutShort(); how != "" {
				return certain("TRUNCATED", how)
			}
		}
		if len(t.Parts) == 3 && looksLikeJWT(trimmed) {
			return certain("NOT_BASE64_JSON", "it has three parts, and the first is not base64url of a JSON object")
		}
		if len(t.Parts) == 3 && t.Parts[0] != "" && t.Parts[1] != "" && !opaquePrefix.MatchString(trimmed) {
			return likely("NOT_BASE64_JSON", "it has three parts with dots between them, as a JWT has, and the first is not base64url of a JSON object")
		}
		return nil
	}
	if how := t.cutShort(); how != "" && (t.JWT || len(t.Parts) < 3) {
		return certain("TRUNCATED", how)
	}
	if t.JWT && (t.Padding || t.Standard) {
		what := "padding (=)"
		if t.Standard {
			what = "+ or /, of the standard alphabet"
		}
		return certain("WRONG_ALPHABET", "the token is in base64 with "+what+"; a JWT is in base64url without padding (RFC 7515 §2)")
	}
	if t.JWT && !t.JWE && t.Claims == nil && len(t.Parts) == 3 {
		return certain("NOT_BASE64_JSON", "its payload is not base64url of a JSON object")
	}
	return nil
}

var opaquePrefix = regexp.MustCompile(`^(ya29\.|1//)`)

func firstFew(list []string) []string {
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), 4)]
}

func wrapped(s string) *finding {
	first, last := s[0], s[len(s)-1]
	switch {
	case strings.HasPrefix(s, "“") || strings.HasPrefix(s, "‘") || strings.HasSuffix(s, "”") || strings.HasSuffix(s, "’"):
		return certain("QUOTED", "the quotes around it are typographic, which is part of the text to a shell")
	case first == '"' || last == '"' || first == '\'' || last == '\'' || first == '`' || strings.HasPrefix(s, `\"`) || strings.HasPrefix(s, "%22"):
		return certain("QUOTED", "there are quotes around the token, and they are sent as part of it")
	case first == '<' || last == '>':
		return certain("QUOTED", "there are angle brackets around the token")
	case first == '{' || first == '[':
		return certain("QUOTED", "JSON stands where the token is due")
	}
	return nil
}

var invisibles = map[rune]string{
	'\n': "a new line", '\r': "a carriage return", '\t': "a tab", '\u00A0': "a no-break space", '\u200B': "a zero-width space", '\u200C': "a zero-width non-joiner", '\u200D': "a zero-width joiner",
	'\uFEFF': "a byte order mark", '\u2028': "a line separator", '\u202F': "a narrow no-break space", '\u2060': "a word joiner", '\u00AD': "a soft hyphen", '\u3000': "an ideographic space", '\v': "a vertical tab", '\f': "a form feed",
	'\u200E': "a left-to-right mark", '\u2009': "a thin space",
}

func invisible(s string) string {
	for _, r := range s {
		if name, ok := invisibles[r]; ok {
			return fmt.Sprintf("%s (U+%04X)", name, r)
		}
	}
	if strings.Contains(s, "\u00c2\u00a0") || strings.Contains(s, "\xa0") && !utf8.ValidString(s) {
		return "a no-break space (U+00A0)"
	}
	if strings.Contains(s, `\n`) || strings.Contains(s, `\r`) {
		return `a new line, written as \n`
	}
	return ""
}

// keyPrefixes are how well-known API keys begin.
var keyPrefixes = regexp.MustCompile(`^(sk|pk|rk)_(live|test)_|^sb_(publishable|secret)_|^dwk_|^AIza|^sk-|^gh[pous]_|^github_pat_|^glpat-|^xox[abp]-|^SG\.|^AKIA|^key-|^api[-_]?key|^ak_|^apk_|^pat_|^npm_|^shpat_|^NRAK-|^rnd_|^key_|^API[-_]`)

// name says which credential it is without saying it.
func (c *credential) describe() string {
	switch c.place {
	case nowhere:
		return "no credential"
	case inQuery:
		return fmt.Sprintf("the parameter %s of the URL (%d bytes, sha256 %s)", c.name, len(c.value), verify.Fingerprint(c.value))
	case inCookie:
		n := strings.Count(c.raw, ";") + 1
		return fmt.Sprintf("%d cookies (%d bytes)", n, len(c.raw))
	}
	scheme := c.scheme
	if scheme == "" || !isScheme(scheme) {
		scheme = "no scheme"
	}
	id := ""
	if t := ReadToken(strings.TrimSpace(c.value)); t != nil && t.JWT {
		if jti := t.Claim("jti"); jti != "" {
			id += ", jti " + clip(jti, 40)
		}
		if t.KeyID != "" {
			id += ", kid " + clip(t.KeyID, 60)
		}
	}
	return fmt.Sprintf("%s: %s, %d bytes, sha256 %s%s", c.name, scheme, len(c.value), verify.Fingerprint(c.value), id)
}
