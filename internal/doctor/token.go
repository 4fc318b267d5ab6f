package doctor

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/why"
	"github.com/doorward/doorward/verify"
)

// Token is a credential taken apart with charity: what a verifier refuses is
// what is to be explained. Nothing in it was checked.
type Token struct {
	Text   string
	Parts  []string
	JWT    bool // the first part is a JSON object with an alg
	JWE    bool // five parts, or an enc in the header
	Header map[string]any
	Claims map[string]any // nil where the payload cannot be read
	Sig    []byte
	SigOK  bool // the signature is base64url

	Alg, Typ, KeyID string
	Issuer          string
	Audience        []string
	Exp, Nbf, Iat   time.Time
	Millis          []string // times that are in milliseconds
	Quoted          []string // times that are text
	Odd             []string // what else is odd, in words

	Padding  bool // "=" in a part
	Standard bool // "+" or "/" in a part
}

// ReadToken takes a credential apart. It returns nil where s is nothing like a
// JWT.
func ReadToken(s string) *Token {
	t := &Token{Text: s, Parts: strings.Split(s, ".")}
	if len(t.Parts) > 8 || len(s) > 64<<10 {
		return nil
	}
	for _, p := range t.Parts {
		t.Padding = t.Padding || strings.HasSuffix(p, "=")
		t.Standard = t.Standard || strings.ContainsAny(p, "+/")
	}
	header, ok := decodePart(t.Parts[0])
	t.Header = object(header)
	if !ok || t.Header == nil {
		t.Header = nil
		return t
	}
	t.Alg, t.Typ, t.KeyID = text(t.Header["alg"]), text(t.Header["typ"]), text(t.Header["kid"])
	_, hasAlg := t.Header["alg"]
	t.JWT = hasAlg || t.Typ != ""
	_, enc := t.Header["enc"]
	t.JWE = t.JWT && (enc || len(t.Parts) == 5)
	if t.JWE || len(t.Parts) < 2 {
		return t
	}
	payload, _ := decodePart(t.Parts[1])
	if t.Claims = object(payload); t.Claims != nil {
		t.readClaims()
	}
	if len(t.Parts) > 2 {
		t.Sig, t.SigOK = decodePart(t.Parts[2])
	}
	return t
}

// decodePart reads base64 of either alphabet, with or without padding.
func decodePart(s string) ([]byte, bool) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil
}

func object(b []byte) map[string]any {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m map[string]any
	if dec.Decode(&m) != nil {
		return nil
	}
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func (t *Token) readClaims() {
	t.Issuer = text(t.Claims["iss"])
	t.Audience = texts(t.Claims["aud"])
	t.Exp, t.Nbf, t.Iat = t.date("exp"), t.date("nbf"), t.date("iat")
	t.date("auth_time")
}

// texts returns one string or the strings of a list.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// surelyMilliseconds: beyond this many seconds, in the year 5138, a time is in
// milliseconds.
const surelyMilliseconds = 100_000_000_000

func (t *Token) date(name string) time.Time {
	v, there := t.Claims[name]
	if !there || v == nil {
		return time.Time{}
	}
	var f float64
	switch v := v.(type) {
	case json.Number:
		f, _ = v.Float64()
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			t.Quoted = append(t.Quoted, name)
			return at.UTC()
		}
		var err error
		if f, err = strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
			t.Odd = append(t.Odd, fmt.Sprintf("the claim %s is text, not a number of seconds", name))
			return time.Time{}
		}
		t.Quoted = append(t.Quoted, name)
	default:
		t.Odd = append(t.Odd, fmt.Sprintf("the claim %s is no number of seconds", name))
		return time.Time{}
	}
	if f >= surelyMilliseconds {
		t.Millis = append(t.Millis, name)
		f /= 1000
		if f >= surelyMilliseconds { // microseconds, or nonsense
			f /= 1000
		}
	}
	if f <= 0 || f > surelyMilliseconds {
		return time.Time{}
	}
	return time.Unix(0, int64(f*float64(time.Second))).UTC()
}

// Claim returns a claim as text.
func (t *Token) Claim(name string) string {
	switch v := t.Claims[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (t *Token) has(name string) bool {
	_, ok := t.Claims[name]
	return ok
}

// Name says which token it is without saying it.
func (t *Token) Name() string {
	parts := []string{fmt.Sprintf("%d bytes", len(t.Text)), "sha256 " + verify.Fingerprint(t.Text)}
	if jti := t.Claim("jti"); jti != "" {
		parts = append(parts, "jti "+clip(jti, 40))
	}
	if t.KeyID != "" {
		parts = append(parts, "kid "+clip(t.KeyID, 60))
	}
	return strings.Join(parts, ", ")
}

// looksLikeJWT reports whether s begins as every JWT does.
func looksLikeJWT(s string) bool { return strings.HasPrefix(s, "eyJ") || strings.HasPrefix(s, "ewo") }

// signatureSizes are the bytes of a signature by algorithm; an RSA signature is
// as long as its key.
var signatureSizes = map[string][]int{
	"ES256": {64}, "ES256K": {64}, "ES384": {96}, "ES512": {132}, "EdDSA": {64, 114}, "Ed25519": {64},
	"HS256": {32}, "HS384": {48}, "HS512": {64},
	"RS256": {128, 256, 384, 512, 1024}, "RS384": {128, 256, 384, 512, 1024}, "RS512": {128, 256, 384, 512, 1024},
	"PS256": {128, 256, 384, 512, 1024}, "PS384": {128, 256, 384, 512, 1024}, "PS512": {128, 256, 384, 512, 1024},
}

// cutShort says how a token was cut, or "".
func (t *Token) cutShort() string {
	switch {
	case t.JWE && len(t.Parts) == 5:
		return ""
	case strings.HasSuffix(t.Text, "...") || strings.HasSuffix(t.Text, "…"):
		return "it ends in an ellipsis: a shortened display of the token was copied"
	case len(t.Parts) == 1 && looksLikeJWT(t.Text):
		return "it has one part where a JWT has three: all from the first dot on is missing"
	case t.Header == nil:
		return ""
	case len(t.Parts) == 2:
		return "it has two parts where a JWT has three: the signature is missing"
	case len(t.Parts) != 3:
		return ""
	}
	if t.Claims == nil {
		if payload, ok := decodePart(t.Parts[1]); (ok || len(t.Parts[1])%4 == 1) && (len(payload) == 0 || payload[0] == '{') {
			return "its payload ends in the middle"
		}
		return ""
	}
	sizes := signatureSizes[t.Alg]
	if sizes == nil {
		return ""
	}
	if len(strings.TrimRight(t.Parts[2], "="))%4 == 1 {
		return "its signature ends in the middle of a byte"
	}
	if !t.SigOK {
		return ""
	}
	if len(t.Sig) == 0 {
		return "its third part, the signature, is empty"
	}
	longest := sizes[len(sizes)-1]
	for _, n := range sizes {
		if len(t.Sig) == n {
			return ""
		}
		if n > len(t.Sig) {
			longest = n
			break
		}
	}
	if len(t.Sig) < longest {
		return fmt.Sprintf("its signature has %d bytes; one by %s has %d", len(t.Sig), t.Alg, longest)
	}
	return ""
}

// kindOf says what else than an access token a JWT is by its own words, and
// whether it says so outright.
func (t *Token) kindOf() (kind, proof string, sure bool) {
	typ := strings.TrimPrefix(strings.ToLower(t.Typ), "application/")
	switch typ {
	case "rt+jwt", "refresh+jwt", "refresh":
		return "refresh", "its typ is " + t.Typ, true
	case "id+jwt", "id_token":
		return "id", "its typ is " + t.Typ, true
	case "at+jwt":
		return "access", "its typ is at+jwt", true
	}
	for _, name := range []string{"token_use", "typ", "token_type", "type", "use", "tokenType", "kind", "ttype"} {
		v := strings.ToLower(t.Claim(name))
		switch {
		case v == "":
		case v == "refresh" || v == "offline" || strings.HasPrefix(v, "refresh"):
			return "refresh", fmt.Sprintf("its claim %s is %q", name, t.Claim(name)), true
		case v == "id" || v == "id_token" || v == "idtoken":
			return "id", fmt.Sprintf("its claim %s is %q", name, t.Claim(name)), true
		case v == "access" || v == "access_token" || v == "bearer":
			return "access", fmt.Sprintf("its claim %s is %q", name, t.Claim(name)), true
		}
	}
	scope := strings.Fields(t.Claim("scope"))
	switch {
	case len(scope) == 1 && (scope[0] == "refresh" || scope[0] == "refresh_token"):
		return "refresh", "its only scope is " + scope[0], true
	case t.has("at_hash") || t.has("c_hash") || t.has("s_hash"):
		return "id", "it has at_hash, which ties an ID token to an access token", true
	case len(t.Audience) == 1 && t.Audience[0] == t.Issuer && t.Issuer != "" && strings.HasPrefix(t.Alg, "HS"):
		return "refresh", "its audience is its own issuer, and it is signed by a secret of the issuer's, as a refresh token is", false
	case t.has("nonce") && !t.has("scope") && !t.has("scp"):
		return "id", "it has nonce and no scope, as an ID token has", false
	case t.has("email_verified") && !t.has("scope") && !t.has("scp") && len(t.Audience) == 1 && !strings.Contains(t.Audience[0], "://") && !t.has("permissions") && !t.has("roles"):
		return "id", "it has email_verified, no scope, and a client as its audience, as an ID token has", false
	}
	return "", "", false
}

func clip(s string, n int) string {
	s = why.Printable(s)
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n]) + "…"
}
