package doctor

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/doorward/doorward/verify"
)

// Secrets returns every value of a request that must not be seen again, the
// longest first.
func (r *Request) Secrets() []string {
	var list []string
	add := func(values ...string) {
		for _, v := range values {
			for _, s := range []string{v, strings.TrimSpace(v), strings.Trim(strings.TrimSpace(v), "\"'<>`")} {
				if len(s) >= 6 && placeholder(s) == "" {
					list = append(list, s)
					if p, err := url.QueryUnescape(s); err == nil && p != s {
						list = append(list, p)
					}
					if q := url.QueryEscape(s); q != s {
						list = append(list, q)
					}
				}
			}
		}
	}
	for _, f := range r.Header {
		switch {
		case strings.EqualFold(f.Name, "Cookie"):
			add(f.Value)
			for pair := range strings.SplitSeq(f.Value, ";") {
				_, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
				add(v)
			}
		case secretHeader(f.Name):
			add(f.Value)
			scheme, v := splitScheme(f.Value)
			add(v)
			if strings.EqualFold(scheme, "Basic") {
				if b, err := decodeBasic(v); err {
					_, pass, _ := strings.Cut(b, ":")
					add(b, pass)
				}
			}
			for _, word := range strings.Fields(f.Value) {
				if len(word) > 15 {
					add(word)
				}
			}
			add(tokenParts(v)...)
		}
	}
	if u, err := url.Parse(r.URL); err == nil {
		for name, values := range u.Query() {
			if secretName(name) {
				add(values...)
			}
		}
		if u.User != nil {
			p, _ := u.User.Password()
			add(p)
		}
	}
	if r.HasUser {
		_, pass, _ := strings.Cut(r.User, ":")
		add(r.User, pass)
	}
	for name, v := range formOf(r) {
		if secretName(name) {
			add(v)
			add(tokenParts(v)...)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(list)
}

// tokenParts are the parts of a token that are secret by themselves: the
// signature.
func tokenParts(v string) []string {
	parts := strings.Split(strings.TrimSpace(v), ".")
	if len(parts) < 3 {
		return nil
	}
	return parts[1:]
}

func decodeBasic(v string) (string, bool) {
	b, ok := decodePart(strings.TrimSpace(v))
	return string(b), ok
}

var secretWords = regexp.MustCompile(`(?i)(auth|token|key|secret|pass|pwd|session|sid|jwt|cookie|credential|signature|^sig$|code|assertion|bearer|csrf|otp|refresh|dpop|nonce$|saml|(^|[-_])sign$|hmac|^appid$)`)

func secretName(name string) bool { return secretWords.MatchString(name) }

func secretHeader(name string) bool {
	low := strings.ToLower(name)
	return !strings.HasPrefix(low, "access-control-") && low != "www-authenticate" && secretName(name)
}

// shapes of credentials that may be in an answer, or in what was missed.
var secretShapes = []*regexp.Regexp{
	regexp.MustCompile(`eyJ[A-Za-z0-9_%=+/-]{8,}(\.[A-Za-z0-9_%=+/-]*)*`),
	regexp.MustCompile(`\b(dwr_|dwk_|gh[pousr]_|github_pat_|glpat-|(sk|pk|rk)_(live|test)_|xox[abpr]-|AKIA|AIza|ya29\.)[A-Za-z0-9_.-]{6,}`),
	regexp.MustCompile(`(?i)\b(Bearer|Basic|DPoP)\s+[A-Za-z0-9._~+/=-]{16,}`),
}

// mask takes every credential out of a diagnosis. Nothing leaves the doctor
// but through here.
func (c *Case) mask(d Diagnosis) Diagnosis {
	clean := Masker(c.Request.Secrets())
	if c.Earlier != nil {
		var more []string
		for _, s := range c.Earlier.Tokens {
			more = append(more, s.Value)
		}
		for _, s := range c.Earlier.Cookies {
			if j, _, ok := strings.Cut(s.Line, ";"); ok || j != "" {
				_, v, _ := strings.Cut(j, "=")
				if len(v) >= 6 {
					more = append(more, v)
				}
			}
		}
		clean = Masker(append(more, c.Request.Secrets()...))
	}
	lines := func(in []string) []string {
		out := make([]string, 0, len(in))
		for _, s := range in {
			out = append(out, clean(s))
		}
		return out
	}
	fix := func(f Fix) Fix { return Fix{clean(f.Caller), clean(f.Developer), clean(f.Operator)} }
	d.Evidence, d.Fix = lines(d.Evidence), fix(d.Fix)
	for i := range d.Others {
		d.Others[i].Evidence, d.Others[i].Fix = lines(d.Others[i].Evidence), fix(d.Others[i].Fix)
	}
	for i := range d.Hops {
		d.Hops[i].Request, d.Hops[i].Answer, d.Hops[i].By = clean(d.Hops[i].Request), clean(d.Hops[i].Answer), clean(d.Hops[i].By)
	}
	return d
}

// Masker returns a function that takes credentials out of a text: those that
// are given, and whatever has the shape of one.
func Masker(secrets []string) func(string) string {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return func(s string) string {
		for _, v := range secrets {
			if v != "" && strings.Contains(s, v) {
				s = strings.ReplaceAll(s, v, "[sha256 "+verify.Fingerprint(v)+"]")
			}
		}
		for _, p := range secretShapes {
			s = p.ReplaceAllStringFunc(s, func(v string) string { return "[sha256 " + verify.Fingerprint(v) + "]" })
		}
		return s
	}
}

// Text writes a diagnosis as JSON.
func (d Diagnosis) Text() string {
	b, err := json.Marshal(d)
	if err != nil { // strings and lists of them always marshal
		panic(err)
	}
	return string(b)
}
