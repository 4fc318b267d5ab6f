package interop

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/doorward/doorward/verify"
)

// common are the claims that both sides read, in one form.
type common struct {
	Issuer, Subject, TokenID string
	Audience                 []string
	Expiry, Issued, Begin    int64 // seconds; go-jose has no fractions
}

var joseKeys = sync.OnceValue(func() *jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keySet().JSON(), &set); err != nil {
		panic(err)
	}
	return &set
})

// byJose is go-jose's verdict with the same keys, algorithms, issuer, audience,
// time and leeway.
func byJose(token string) (common, error) {
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA})
	if err != nil {
		return common{}, err
	}
	var c jwt.Claims
	if err := t.Claims(joseKeys(), &c); err != nil {
		return common{}, err
	}
	expected := jwt.Expected{Issuer: issuer, AnyAudience: jwt.Audience{audience}, Time: now}
	if err := c.ValidateWithLeeway(expected, verify.Leeway); err != nil {
		return common{}, err
	}
	seconds := func(d *jwt.NumericDate) int64 {
		if d == nil {
			return 0
		}
		return int64(*d)
	}
	return common{c.Issuer, c.Subject, c.ID, c.Audience, seconds(c.Expiry), seconds(c.IssuedAt), seconds(c.NotBefore)}, nil
}

// differs lists every reason for which a token that go-jose accepts may be
// refused here, by the check that refuses it. Each reason is proved on the
// token itself, with nothing of package verify. What is not listed (alg,
// signature, issuer, audience) must never differ.
var differs = map[verify.Check][]reason{
	verify.CheckSize: {
		{"longer than 8 KiB", func(d dissected) bool { return len(d.token) > 8<<10 }},
	},
	verify.CheckAlphabet: {
		{"line breaks in base64", func(d dissected) bool { return strings.ContainsAny(d.token, "\r\n") }},
		{"trailing bits in base64", func(d dissected) bool { return d.respelled() != d.token }},
	},
	verify.CheckHeader: {
		{"JSON that parsers read differently", func(d dissected) bool { return ambiguous(d.header) }},
		{"a key in the header", func(d dissected) bool { return d.has("jwk", "jku", "x5c", "x5u") }},
	},
	verify.CheckCrit: {
		{"a critical extension", func(d dissected) bool { return d.has("crit", "b64") }},
	},
	verify.CheckPayload: {
		{"JSON that parsers read differently", func(d dissected) bool { return ambiguous(d.payload) }},
	},
	verify.CheckTyp: {
		{"no access token by its typ", func(d dissected) bool {
			typ := d.member(d.header, "typ")
			return typ != `"at+jwt"` && typ != `"application/at+jwt"`
		}},
	},
	verify.CheckClaims: {
		{"a required claim is missing, null or empty", func(d dissected) bool {
			return slices.ContainsFunc([]string{"sub", "jti", "exp", "iat", "nbf"}, func(name string) bool {
				return slices.Contains([]string{"", "null", `""`}, d.member(d.payload, name))
			})
		}},
		{"an optional claim of another type", func(d dissected) bool {
			for _, name := range []string{"sid", "client_id", "scope", "email", "name"} {
				if v := d.member(d.payload, name); v != "" && v[0] != '"' {
					return true
				}
			}
			amr, at := d.member(d.payload, "amr"), d.member(d.payload, "auth_time")
			var list []*string
			notList := amr != "" && (json.Unmarshal([]byte(amr), &list) != nil || list == nil || slices.Contains(list, nil))
			return notList || at != "" && outsideDates(at)
		}},
		{"a date out of range", func(d dissected) bool {
			return outsideDates(d.member(d.payload, "exp")) || outsideDates(d.member(d.payload, "iat")) || outsideDates(d.member(d.payload, "nbf"))
		}},
		{"expires before it begins", func(d dissected) bool {
			exp := number(d.member(d.payload, "exp"))
			return exp <= number(d.member(d.payload, "iat")) || exp <= number(d.member(d.payload, "nbf"))
		}},
	},
	// go-jose cuts fractions off, and takes a token at the very end of the
	// leeway (RFC 7519 §4.1.4: "on or after").
	verify.CheckNbf: {{"a fraction of a second", func(d dissected) bool { return fraction(d.member(d.payload, "nbf")) }}},
	verify.CheckIat: {{"a fraction of a second", func(d dissected) bool { return fraction(d.member(d.payload, "iat")) }}},
	verify.CheckExp: {{"the very end of the leeway", func(d dissected) bool {
		return number(d.member(d.payload, "exp"))+verify.Leeway.Seconds() == float64(now.Unix())
	}}},
}

type reason struct {
	text  string
	holds func(dissected) bool
}

// dissected is a token in its parts, decoded without any of the strictness
// under test.
type dissected struct{ token, header, payload, signature string }

func dissect(token string) dissected {
	parts := strings.SplitN(token+"..", ".", 3)
	d := dissected{token: token}
	d.header, _ = decode(parts[0])
	d.payload, _ = decode(parts[1])
	d.signature, _ = decode(strings.TrimSuffix(parts[2], ".."))
	return d
}

func (d dissected) respelled() string {
	return encode(d.header) + "." + encode(d.payload) + "." + encode(d.signature)
}

func (d dissected) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return d.member(d.header, name) != "" })
}

// member returns the JSON text of a member, or nothing.
func (dissected) member(object, name string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(object), &members) != nil {
		return ""
	}
	return string(members[name])
}

func number(text string) float64 {
	var n float64
	_ = json.Unmarshal([]byte(text), &n)
	return n
}

func outsideDates(text string) bool {
	var n *float64
	err := json.Unmarshal([]byte(text), &n)
	return err != nil || n == nil || *n < 0 || *n >= 253402300800
}

func fraction(text string) bool {
	n := number(text)
	return n != float64(int64(n))
}

var (
	surrogatePair = regexp.MustCompile(`\\u[dD][89abAB]..\\u[dD][c-fC-F]..`)
	surrogate     = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// ambiguous reports whether parsers disagree about a JSON text: bad UTF-8,
// lone surrogates, members that are twice there or differ only in case, and what
// goes beyond common bounds.
func ambiguous(text string) bool {
	if !utf8.ValidString(text) || surrogate.MatchString(surrogatePair.ReplaceAllString(text, "")) {
		return true
	}
	const maxDepth, maxMembers = 16, 256
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var around []*scope
	for {
		token, err := d.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			around = around[:len(around)-1]
			continue
		}
		if len(around) > 0 && around[len(around)-1].twice(token) {
			return true
		}
		if token == json.Delim('{') || token == json.Delim('[') {
			around = append(around, &scope{object: token == json.Delim('{')})
		}
		if len(around) > maxDepth || len(around) > 0 && len(around[len(around)-1].names) > maxMembers {
			return true
		}
	}
}

// scope is an object or an array that is being read.
type scope struct {
	object bool
	value  bool // what comes next in an object is a value, not a name
	names  []string
}

// twice reports whether token is a name that the object has already.
func (s *scope) twice(token json.Token) bool {
	if !s.object {
		return false
	}
	s.value = !s.value
	if !s.value {
		return false
	}
	name, _ := token.(string)
	if slices.ContainsFunc(s.names, func(other string) bool { return strings.EqualFold(name, other) }) {
		return true
	}
	s.names = append(s.names, name)
	return false
}

// compare holds both verdicts against each other. It returns the reason of a
// difference, "accepted" or "refused".
func compare(t *testing.T, token string) string {
	t.Helper()
	theirs, theirErr := byJose(token)
	c, err := verify.Token(token, keySet(), rules(), now)
	if err == nil {
		ours := common{c.Issuer, c.Subject, c.TokenID, c.Audience, c.ExpiresAt.Unix(), c.IssuedAt.Unix(), c.NotBefore.Unix()}
		if theirErr != nil || !reflect.DeepEqual(ours, theirs) {
			t.Errorf("accepted as %+v; go-jose: %+v, %v\n%s", ours, theirs, theirErr, token)
		}
		return "accepted"
	}
	if theirErr != nil {
		return "refused"
	}
	var f *verify.Failure
	if !errors.As(err, &f) {
		t.Fatal(err)
	}
	d := dissect(token)
	for _, r := range differs[f.Check] {
		if r.holds(d) {
			return string(f.Check) + ": " + r.text
		}
	}
	t.Errorf("go-jose accepts it, refused here for %s (%s), which nothing explains\nheader  %s\npayload %s\n%q", f.Check, f.Text, d.header, d.payload, token)
	return "unexplained"
}

// TestDifferences shows each listed reason on a token, so that none is listed
// in vain.
func TestDifferences(t *testing.T) {
	ed := signerOf(verify.EdDSA)
	h, p := ed.header(), payload()
	good := ed.good()
	dot := strings.LastIndexByte(good, '.')
	shown := make(map[string]bool)
	for _, tt := range []struct{ want, token string }{
		{"accepted", good},
		{"refused", good[:dot+1]},
		{"size: longer than 8 KiB", ed.token(h.String(), p.with("x", `"`+strings.Repeat("x", 8<<10)+`"`).String())},
		{"alphabet: line breaks in base64", good[:8] + "\r\n" + good[8:]},
		{"alphabet: trailing bits in base64", good[:len(good)-1] + nextTo(good[len(good)-1])},
		{"header: JSON that parsers read differently", ed.token(`{"ALG":"none",`+h.String()[1:], p.String())},
		{"header: a key in the header", ed.token(h.with("jku", `"https://evil.example"`).String(), p.String())},
		{"crit: a critical extension", ed.token(h.with("b64", "true").with("crit", `["b64"]`).String(), p.String())},
		{"payload: JSON that parsers read differently", ed.token(h.String(), `{"SUB":"mallory",`+p.String()[1:])},
		{"typ: no access token by its typ", ed.token(h.with("typ", `"JWT"`).String(), p.String())},
		{"claims: a required claim is missing, null or empty", ed.token(h.String(), p.with("sub", `""`).String())},
		{"claims: an optional claim of another type", ed.token(h.String(), p.with("scope", `["a"]`).String())},
		{"claims: a date out of range", ed.token(h.String(), p.with("exp", "1767226440000").String())},
		{"claims: expires before it begins", ed.token(h.String(), p.with("exp", "1767225590").with("iat", "1767225595").String())},
		{"nbf: a fraction of a second", ed.token(h.String(), p.with("nbf", "1767225630.5").String())},
		{"iat: a fraction of a second", ed.token(h.String(), p.with("iat", "1767225630.5").String())},
		{"exp: the very end of the leeway", ed.token(h.String(), p.with("exp", "1767225570").String())},
	} {
		shown[tt.want] = true
		if got := compare(t, tt.token); got != tt.want {
			t.Errorf("%s: %s", tt.want, got)
		}
	}
	for check, reasons := range differs {
		for _, r := range reasons {
			if name := string(check) + ": " + r.text; !shown[name] {
				t.Errorf("no token shows %s", name)
			}
		}
	}
}

// TestAgreesWithGoJose: whatever is accepted here, go-jose accepts with the
// same claims; and where only go-jose accepts, the reason is on the list.
func TestAgreesWithGoJose(t *testing.T) {
	seed := newSeed(t)
	r := mathrand.New(mathrand.NewPCG(seed, 0))
	n := 10_000
	if testing.Short() {
		n = 2_000
	}
	seen := make(map[string]int)
	for range n {
		seen[compare(t, genuine(r))]++
		if t.Failed() {
			return
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[outcome], outcome)
	}
	if both := seen["accepted"] + seen["refused"]; seen["accepted"] < n/10 || seen["refused"] < n/10 || both == n {
		t.Errorf("these tokens tell little: %v", seen)
	}
}

// FuzzAgainstGoJose is the same over any JSON, and over any text behind the
// token.
func FuzzAgainstGoJose(f *testing.F) {
	ed := signerOf(verify.EdDSA)
	f.Add(ed.header().String(), payload().String(), "")
	f.Add(`{"alg":"EdDSA","ALG":"none","typ":"at+jwt","kid":"key-EdDSA"}`, payload().String(), "\n")
	f.Add(ed.header().String(), `{"sub":"a",`+payload().String()[1:], "=")
	f.Fuzz(func(t *testing.T, header, payload, behind string) {
		compare(t, ed.token(header, payload)+behind)
	})
}
