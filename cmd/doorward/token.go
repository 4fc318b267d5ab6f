package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/strictjson"
	"github.com/doorward/doorward/internal/why"
	"github.com/doorward/doorward/verify"
)

// reading is what a token says, in words. It holds neither the token nor its
// signature.
type reading struct {
	Kind          string   `json:"kind"` // JWT
	Verified      bool     `json:"verified"`
	Size          int      `json:"size"`   // in bytes
	Fingerprint   string   `json:"sha256"` // the first 8 hex digits
	SignatureSize int      `json:"signatureSize"`
	Header        []member `json:"header"`
	Claims        []member `json:"claims"`
	Clock         []string `json:"clock"`
	Objections    []string `json:"objections"` // of a Doorward guard
	Notes         []string `json:"notes"`      // what else is odd
}

// member is one member of a token's header or payload.
type member struct {
	Name    string          `json:"name"`
	Value   json.RawMessage `json:"value"`
	Text    string          `json:"-"` // the value as it is shown
	Meaning string          `json:"meaning,omitempty"`
}

func readToken(token string, now time.Time) reading {
	in, err := verify.Unverified(token)
	r := reading{
		Kind: "JWT", Size: len(token), Fingerprint: in.Token.Fingerprint, SignatureSize: in.SignatureSize,
		Clock: []string{}, Objections: []string{}, Notes: []string{},
	}
	for _, m := range in.Header.Members {
		r.Header = append(r.Header, describeMember(m, headerMeaning(m.Name, m.Value)))
	}
	for _, m := range in.Payload.Members {
		r.Claims = append(r.Claims, describeMember(m, claimMeaning(m.Name, m.Value, now)))
	}
	r.judgeHeader(in)
	r.judgeClaims(in)
	r.judgeTimes(in, now)
	// The verifier stops at the first fault; it may be one that was found here.
	if f, ok := errors.AsType[*verify.Failure](err); ok && !r.objectsTo(f.Claim) {
		r.object("%s", why.Printable(f.Text))
	}
	return r
}

func (r *reading) object(format string, args ...any) {
	r.Objections = append(r.Objections, fmt.Sprintf(format, args...))
}

func (r *reading) objectsTo(claim string) bool {
	return claim != "" && slices.ContainsFunc(r.Objections, func(text string) bool {
		return strings.HasPrefix(text, "the claim "+claim+" ")
	})
}

func (r *reading) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func describeMember(m strictjson.Member, meaning string) member {
	raw := asJSON(m.Value)
	text := string(raw)
	switch {
	case m.Value.Kind == strictjson.String:
		text = why.Printable(m.Value.Text)
	case texts(m.Value) != nil:
		text = why.Printable(strings.Join(texts(m.Value), ", "))
	}
	return member{m.Name, raw, shorten(why.Printable(text)), meaning}
}

// maxShown is how many characters of a value are shown.
const maxShown = 120

func shorten(s string) string {
	runes := []rune(s)
	if len(runes) <= maxShown {
		return s
	}
	return fmt.Sprintf("%s… (%d characters)", string(runes[:maxShown]), len(runes))
}

// texts returns the items of a list of strings, and nil for any other value.
func texts(v strictjson.Value) []string {
	if v.Kind != strictjson.Array || len(v.Items) == 0 {
		return nil
	}
	var all []string
	for _, item := range v.Items {
		if item.Kind != strictjson.String {
			return nil
		}
		all = append(all, item.Text)
	}
	return all
}

// asJSON writes a value as it was read.
func asJSON(v strictjson.Value) json.RawMessage {
	var b strings.Builder
	writeJSON(&b, v)
	return json.RawMessage(b.String())
}

func writeJSON(b *strings.Builder, v strictjson.Value) {
	switch v.Kind {
	case strictjson.String:
		writeText(b, v.Text)
	case strictjson.Array:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item)
		}
		b.WriteByte(']')
	case strictjson.Object:
		b.WriteByte('{')
		for i, m := range v.Members {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, m.Name)
			b.WriteByte(':')
			writeJSON(b, m.Value)
		}
		b.WriteByte('}')
	case strictjson.Null:
		b.WriteString("null")
	default: // numbers and booleans are kept as they were written
		b.WriteString(v.Text)
	}
}

func writeText(b *strings.Builder, s string) {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	b.Write(quoted)
}

// algorithms says what an alg is, and whether anybody but the issuer can sign
// with what a verifier needs.
var algorithms = map[string]string{
	"ES256": "ECDSA on P-256 with SHA-256", "ES384": "ECDSA on P-384 with SHA-384", "ES512": "ECDSA on P-521 with SHA-512", "ES256K": "ECDSA on secp256k1",
	"RS256": "RSA (PKCS #1 v1.5) with SHA-256", "RS384": "RSA (PKCS #1 v1.5) with SHA-384", "RS512": "RSA (PKCS #1 v1.5) with SHA-512",
	"PS256": "RSA-PSS with SHA-256", "PS384": "RSA-PSS with SHA-384", "PS512": "RSA-PSS with SHA-512",
	"EdDSA": "Ed25519", "Ed25519": "Ed25519", "HS256": "HMAC: who can check it can also make it", "HS384": "HMAC: who can check it can also make it", "HS512": "HMAC: who can check it can also make it",
	"none": "not signed at all",
}

func headerMeaning(name string, v strictjson.Value) string {
	switch name {
	case "alg":
		return algorithms[v.Text]
	case "typ":
		switch strings.TrimPrefix(strings.ToLower(v.Text), "application/") {
		case "at+jwt":
			return "an access token (RFC 9068)"
		case "jwt":
			return "some JWT: it does not say of what kind"
		case "dpop+jwt":
			return "a DPoP proof (RFC 9449), not a token"
		case "logout+jwt":
			return "a logout token (OpenID Connect)"
		}
		return "what kind of token it is"
	}
	return map[string]string{
		"kid": "the key that signed it, by name", "cty": "the type of what is inside", "enc": "how it is encrypted", "zip": "how it is compressed",
		"jwk": "a key that the token itself brings", "jku": "where the token says its key is", "x5u": "where the token says its certificate is",
		"x5c": "a certificate that the token itself brings", "x5t": "the thumbprint of a certificate", "x5t#S256": "the thumbprint of a certificate",
		"crit": "extensions that a verifier must understand or refuse", "b64": "whether the payload is encoded (RFC 7797)",
	}[name]
}

var claimMeanings = map[string]string{
	"iss": "the issuer", "sub": "the subject: whom it speaks for", "aud": "the audience: whom it is for", "jti": "the token, by name",
	"sid": "the session", "client_id": "the client it was issued to", "azp": "the client it was issued to", "scope": "what was granted", "scp": "what was granted",
	"amr": "how the user signed in (RFC 8176)", "acr": "how strongly the user signed in", "nonce": "ties an ID token to a sign-in",
	"email": "the user's address", "email_verified": "whether the address was confirmed", "name": "the user's name", "preferred_username": "the user's name for signing in",
	"userId": "the subject again", "cnf": "the key that its sender must prove (DPoP or mutual TLS)", "act": "who acts for the subject (RFC 8693)",
	"at_hash": "ties an ID token to an access token", "roles": "roles", "groups": "groups", "permissions": "permissions", "entitlements": "permissions",
	"tid": "the tenant", "oid": "the user in a directory", "token_use": "what kind of token it is", "ver": "the version of its form", "gty": "how it was granted",
}

// times are the claims that hold a NumericDate (RFC 7519 §2).
var times = map[string]string{"exp": "expires", "nbf": "good from", "iat": "issued", "auth_time": "signed in", "updated_at": "account changed"}

func claimMeaning(name string, v strictjson.Value, now time.Time) string {
	word, isTime := times[name]
	if !isTime {
		return claimMeanings[name]
	}
	at, _ := numericDate(v)
	if at.IsZero() {
		return word
	}
	if name == "exp" && !at.After(now) {
		word = "expired"
	}
	return word + " " + why.Stamp(at) + " (" + why.Ago(at, now) + ")"
}

// Beyond this many seconds, in the year 5138, a time is in milliseconds.
const surelyMilliseconds = 100_000_000_000

// numericDate reads a time with some charity, and says what was wrong with it.
func numericDate(v strictjson.Value) (at time.Time, fault string) {
	if v.Kind == strictjson.String {
		if _, err := strconv.ParseFloat(v.Text, 64); err != nil {
			return time.Time{}, "is text, not a number of seconds"
		}
		v.Kind, fault = strictjson.Number, "is a number in quotes; it must be a number"
	}
	f, ok := v.Float()
	switch {
	case !ok:
		return time.Time{}, "is " + v.Kind.String() + ", not a number of seconds"
	case f < 0 || f > 1000*surelyMilliseconds:
		return time.Time{}, "is out of range"
	case f >= surelyMilliseconds:
		f, fault = f/1000, "is in milliseconds; it must be in seconds"
	}
	return time.Unix(0, int64(f*float64(time.Second))).UTC(), fault
}

func (r *reading) judgeHeader(in verify.Inspection) {
	if in.Header.Kind == strictjson.Absent {
		return
	}
	switch alg := in.Algorithm; {
	case alg == "":
		r.object("alg is missing")
	case alg == "none":
		r.object("alg is none: the token is not signed, and anybody can change it")
	case strings.HasPrefix(alg, "HS"):
		r.object("alg is %s: with a shared secret, whoever can check a token can make one", alg)
	case !slices.Contains(verify.Algorithms(), verify.Algorithm(alg)):
		r.object("alg is %s; ES256, RS256 and EdDSA are taken", why.Printable(shorten(alg)))
	}
	if in.Algorithm != "none" && in.SignatureSize == 0 {
		r.object("there is no signature")
	}
	if in.KeyID == "" {
		r.object("kid is missing: a verifier with several keys cannot tell which to take")
	}
	switch strings.TrimPrefix(strings.ToLower(in.Type), "application/") {
	case "at+jwt":
	case "":
		r.object("typ is missing; an access token has at+jwt (RFC 9068 §2.1)")
	default:
		r.object("typ is %s; an access token has at+jwt (RFC 9068 §2.1)", why.Printable(shorten(in.Type)))
	}
	if in.Payload.Get("nonce").Kind != strictjson.Absent || in.Payload.Get("at_hash").Kind != strictjson.Absent {
		r.note("nonce or at_hash is there: this looks like an ID token, which is for the client and not for a service")
	}
}

// judgeClaims names all that is missing; the verifier stops at the first.
func (r *reading) judgeClaims(in verify.Inspection) {
	if in.Payload.Kind == strictjson.Absent {
		return
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"} {
		if in.Payload.Get(name).Kind == strictjson.Absent {
			r.object("the claim %s is missing", name)
		}
	}
	if in.Payload.Get("cnf").Kind != strictjson.Absent {
		r.note("cnf is there: the token is bound to a key, and is refused without a proof of it")
	}
	if strings.HasSuffix(in.Claims.Issuer, "/") {
		r.note("iss ends in a slash: a verifier compares it byte for byte")
	}
}

// longLife is beyond what an access token that nothing can revoke should live.
const longLife = 24 * time.Hour

func (r *reading) judgeTimes(in verify.Inspection, now time.Time) {
	read := func(name string) time.Time {
		v := in.Payload.Get(name)
		if v.Kind == strictjson.Absent {
			return time.Time{}
		}
		at, fault := numericDate(v)
		if fault != "" {
			r.object("the claim %s %s", name, fault)
		}
		return at
	}
	exp, nbf, iat := read("exp"), read("nbf"), read("iat")
	read("auth_time")
	if !exp.IsZero() {
		if left := exp.Sub(now); left > 0 {
			r.Clock = append(r.Clock, "good for another "+why.Span(left))
		} else {
			r.Clock = append(r.Clock, "expired "+why.Ago(exp, now))
		}
		if life := exp.Sub(iat); !iat.IsZero() && life > 0 {
			r.Clock = append(r.Clock, "made to live "+why.Span(life))
			if life > longLife {
				r.note("it lives %s: long for a token that is good until it expires", why.Span(life))
			}
		}
	}
	r.Clock = append(r.Clock, "all by this machine's clock, "+why.Stamp(now))
	switch {
	case !exp.IsZero() && !now.Before(exp.Add(verify.Leeway)):
		r.object("it has expired, by %s", why.Span(now.Sub(exp)))
	case !nbf.IsZero() && nbf.Sub(now) > verify.Leeway:
		r.object("nbf is %s ahead: it is not good yet, or a clock is wrong", why.Span(nbf.Sub(now)))
	case !iat.IsZero() && iat.Sub(now) > verify.Leeway:
		r.object("iat is %s ahead: a clock is wrong", why.Span(iat.Sub(now)))
	}
}
