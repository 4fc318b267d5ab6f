package verify

import (
	"math"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/strictjson"
)

// Claims is what a genuine token says (RFC 9068 §2.2). It is shared between
// requests that carry the same token, so it is never changed after it was
// made.
type Claims struct {
	Issuer   string   // `iss`
	Subject  string   // `sub`
	Audience []string // `aud`
	TokenID  string   // `jti`
	Session  string   // `sid`; may be empty
	Client   string   // `client_id`; may be empty
	Scopes   []string // `scope`, split at spaces
	Methods  []string // `amr` (RFC 8176)
	Email    string   // may be empty
	Name     string   // may be empty

	AuthTime  time.Time // `auth_time`; may be zero
	IssuedAt  time.Time // `iat`
	NotBefore time.Time // `nbf`
	ExpiresAt time.Time // `exp`

	KeyID string // of the key that signed

	fingerprint string
}

// Principal returns who the token speaks for. It shares the claims' slices.
func (c *Claims) Principal() *doorward.Principal {
	return &doorward.Principal{
		Kind: doorward.KindUser, Subject: c.Subject, Session: c.Session, Client: c.Client, Scopes: c.Scopes,
		Email: c.Email, Name: c.Name, TokenID: c.TokenID, Methods: c.Methods, Audience: c.Audience,
		AuthTime: c.AuthTime, IssuedAt: c.IssuedAt, ExpiresAt: c.ExpiresAt,
	}
}

// Ref names the token that the claims are of.
func (c *Claims) Ref() doorward.TokenRef {
	return doorward.TokenRef{ID: cut(c.TokenID), Key: cut(c.KeyID), Fingerprint: c.fingerprint}
}

// Active checks nbf, iat and exp at the time now, and nothing else, for callers
// that keep the claims of a token they have checked. The error is always a
// [*Failure]; without one, nothing is allocated.
func (c *Claims) Active(now time.Time) error {
	if f := c.active(now); f != nil {
		return f.of(c)
	}
	return nil
}

func (c *Claims) active(now time.Time) *Failure {
	latest := now.Add(Leeway)
	switch {
	case c.NotBefore.After(latest):
		return early(CheckNbf, c.NotBefore, now)
	case c.IssuedAt.After(latest):
		return early(CheckIat, c.IssuedAt, now)
	case !now.Before(c.ExpiresAt.Add(Leeway)):
		by := now.Sub(c.ExpiresAt)
		f := fail(CheckExp, "expired %s ago, at %s", span(by), c.ExpiresAt.Format(time.RFC3339))
		f.By = by
		return f
	}
	return nil
}

func early(check Check, from, now time.Time) *Failure {
	by := from.Sub(now)
	f := fail(check, "%s is %s ahead, at %s; clocks may be %s apart", check, span(by), from.Format(time.RFC3339), Leeway)
	f.By = by
	return f
}

// accept checks whose token it is and whom it is for.
func (r Rules) accept(c *Claims) *Failure {
	if c.Issuer != r.Issuer {
		f := fail(CheckIssuer, "issuer is %s, expected %s%s", quote(c.Issuer), quote(r.Issuer), difference(c.Issuer, r.Issuer))
		f.Expected, f.Got = r.Issuer, cut(c.Issuer)
		return f
	}
	var hint string
	for _, got := range c.Audience {
		for _, want := range r.Audience {
			if got == want {
				return nil
			}
			if hint == "" {
				hint = difference(got, want)
			}
		}
	}
	f := fail(CheckAudience, "audience is %s, expected %s%s", quoteAll(c.Audience), quoteAll(r.Audience), hint)
	f.Expected, f.Got = strings.Join(r.Audience, ", "), cut(strings.Join(c.Audience, ", "))
	return f
}

// difference tells the kinds of difference that are easily overlooked.
func difference(got, want string) string {
	bare := func(s string) string {
		if rest, ok := strings.CutPrefix(s, "http://"); ok {
			return rest
		}
		return strings.TrimPrefix(s, "https://")
	}
	switch {
	case strings.TrimSuffix(got, "/") == strings.TrimSuffix(want, "/"):
		return " (differs only by a trailing slash)"
	case bare(got) == bare(want):
		return " (differs only by http and https)"
	case strings.EqualFold(got, want):
		return " (differs only by upper and lower case)"
	case strings.TrimSpace(got) == strings.TrimSpace(want):
		return " (differs only by white space)"
	default:
		return ""
	}
}

// read fills c from a payload and returns the first fault; what is sound is
// read all the same.
func (c *Claims) read(payload strictjson.Value) *Failure {
	var r claimReader
	for i := range payload.Members {
		name, v := payload.Members[i].Name, &payload.Members[i].Value
		switch name {
		case "iss":
			c.Issuer = r.text(name, v)
		case "sub":
			c.Subject = r.text(name, v)
		case "aud":
			c.Audience = r.audience(v)
		case "jti":
			c.TokenID = r.text(name, v)
		case "sid":
			c.Session = r.text(name, v)
		case "client_id":
			c.Client = r.text(name, v)
		case "scope":
			c.Scopes = scopes(r.text(name, v))
		case "amr":
			c.Methods = r.texts(name, v)
		case "email":
			c.Email = r.text(name, v)
		case "name":
			c.Name = r.text(name, v)
		case "auth_time":
			c.AuthTime = r.date(name, v)
		case "iat":
			c.IssuedAt = r.date(name, v)
		case "nbf":
			c.NotBefore = r.date(name, v)
		case "exp":
			c.ExpiresAt = r.date(name, v)
		}
	}
	r.need("iss", c.Issuer != "")
	r.need("sub", c.Subject != "")
	r.need("aud", len(c.Audience) > 0)
	r.need("jti", c.TokenID != "")
	r.need("exp", !c.ExpiresAt.IsZero())
	r.need("iat", !c.IssuedAt.IsZero())
	r.need("nbf", !c.NotBefore.IsZero())
	if r.failure == nil && !(c.ExpiresAt.After(c.IssuedAt) && c.ExpiresAt.After(c.NotBefore)) {
		r.fail("exp", "is not after iat and nbf: the token was never active")
	}
	return r.failure
}

// claimReader reads claims of one type each and keeps the first fault.
type claimReader struct{ failure *Failure }

func (r *claimReader) fail(claim, what string) {
	if r.failure == nil {
		r.failure = fail(CheckClaims, "the claim %s %s", claim, what)
		r.failure.Claim = claim
	}
}

func (r *claimReader) need(claim string, there bool) {
	if !there {
		r.fail(claim, "is missing or empty")
	}
}

func (r *claimReader) text(claim string, v *strictjson.Value) string {
	if v.Kind != strictjson.String {
		r.fail(claim, "is "+v.Kind.String()+", not a string")
		return ""
	}
	return v.Text
}

func (r *claimReader) texts(claim string, v *strictjson.Value) []string {
	if v.Kind != strictjson.Array {
		r.fail(claim, "is "+v.Kind.String()+", not an array")
		return nil
	}
	list := make([]string, len(v.Items))
	for i := range v.Items {
		item := &v.Items[i]
		if item.Kind != strictjson.String {
			r.fail(claim, "holds "+item.Kind.String()+" beside strings")
			return nil
		}
		list[i] = item.Text
	}
	return list
}

// audience reads one audience or several (RFC 7519 §4.1.3).
func (r *claimReader) audience(v *strictjson.Value) []string {
	switch v.Kind {
	case strictjson.String:
		return []string{v.Text}
	case strictjson.Array:
		return r.texts("aud", v)
	default:
		r.fail("aud", "is "+v.Kind.String()+", not a string or an array")
		return nil
	}
}

// scopes splits at spaces and at nothing else (RFC 6749 §3.3).
func scopes(s string) []string {
	if s == "" {
		return nil
	}
	list := make([]string, 0, strings.Count(s, " ")+1)
	for scope := range strings.SplitSeq(s, " ") {
		if scope != "" {
			list = append(list, scope)
		}
	}
	return list
}

// endOfDates is the first second of the year 10000, which RFC 3339 cannot
// write.
const endOfDates = 253402300800

// date reads a NumericDate (RFC 7519 §2): seconds since 1970, perhaps with a
// fraction.
func (r *claimReader) date(claim string, v *strictjson.Value) time.Time {
	if v.Kind != strictjson.Number {
		r.fail(claim, "is "+v.Kind.String()+", not a number of seconds")
		return time.Time{}
	}
	whole, fraction := int64(0), 0.0
	if n, ok := v.Int(); ok {
		whole = n
	} else {
		f, ok := v.Float()
		if !ok || math.Abs(f) >= math.MaxInt64 {
			r.fail(claim, "is out of range")
			return time.Time{}
		}
		f, fraction = math.Modf(f)
		whole = int64(f)
	}
	switch {
	case whole < 0 || fraction < 0:
		r.fail(claim, "is before 1970")
		return time.Time{}
	case whole >= endOfDates && whole/1000 < endOfDates:
		r.fail(claim, "looks like milliseconds; it must be seconds")
		return time.Time{}
	case whole >= endOfDates:
		r.fail(claim, "is after the year 9999")
		return time.Time{}
	}
	return time.Unix(whole, int64(fraction*float64(time.Second))).UTC()
}
