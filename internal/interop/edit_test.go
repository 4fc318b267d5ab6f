package interop

import (
	mathrand "math/rand/v2"
	"slices"
	"strings"

	"github.com/doorward/doorward/verify"
)

// What edits put into a header and a payload.
var (
	typValues   = []string{`"JWT"`, `"AT+JWT"`, `"application/at+jwt"`, `"at+jwt;v=1"`, `"at+JWT "`, `""`, `null`, `1`, `["at+jwt"]`}
	algValues   = []string{`"none"`, `"HS256"`, `"ES256"`, `"RS256"`, `"EdDSA"`, `"PS256"`, `"es256"`, `null`, `1`}
	kidValues   = []string{`"key-ES256"`, `"key-RS256"`, `"key-EdDSA"`, `"other"`, `""`, `null`, `1`}
	extraHeader = object{
		{`"crit"`, `["b64"]`}, {`"crit"`, `["x"]`}, {`"crit"`, `[]`}, {`"b64"`, `true`}, {`"b64"`, `false`}, {`"jku"`, `"https://evil.example"`},
		{`"x5u"`, `"https://evil.example"`}, {`"x5c"`, `[]`}, {`"jwk"`, `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`},
		{`"cty"`, `"JWT"`}, {`"nonce"`, `"n"`}, {`"x"`, `{"a":[1,{"b":null}]}`}, {`"X"`, `1`}, {`"\u0061lg"`, `"ES256"`}, {`"Alg"`, `"none"`}, {`"KID"`, `"other"`},
		{`"TYP"`, `"JWT"`}, {`"a"`, `1`}, {`"A"`, `2`}, {`"k"`, "1"}, {`"` + "\u212a" + `"`, "2"},
	}
	claimNames  = []string{`"iss"`, `"sub"`, `"aud"`, `"exp"`, `"iat"`, `"nbf"`, `"jti"`, `"sid"`, `"client_id"`, `"scope"`, `"auth_time"`, `"amr"`, `"email"`, `"name"`}
	claimValues = []string{
		`null`, `true`, `""`, `"x"`, `[]`, `{}`, `["x"]`, `["x",1]`, `["x",null]`, `0`, `1`, `"1767225630"`, `01`,
		`"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", `"\u0000"`, "\"tab\t\"", `"é"`,
	}
	audienceValues = []string{
		`"` + audience + `"`, `["` + audience + `"]`, `["` + audience + `","b"]`, `["b","` + audience + `"]`, `"` + audience + `/"`, `"b"`,
		`["` + audience + `",1]`, `["` + audience + `",null]`, `[["` + audience + `"]]`, `[]`, `{"0":"` + audience + `"}`,
	}
	dateValues = []string{ // around now, now-30s and now+30s, and around the bounds of dates
		`1767225569`, `1767225569.5`, `1767225570`, `1767225570.0`, `1767225570.25`, `1767225571`, `1767225600`, `1.7672256e9`, `17672256E2`,
		`1767225629.75`, `1767225630`, `1767225630.5`, `1767225631`, `1767225600000`, `253402300799`, `253402300799.5`, `253402300800`, `0`, `-0`, `-0.5`, `-1`, `1e18`, `1e19`, `1E+300`, `1e400`,
		`4611686018427387904`, `9223372036854775807`, `9223372036854775808`,
	}
)

func pick[T any](r *mathrand.Rand, list []T) T { return list[r.IntN(len(list))] }

// edit changes an object in one place.
func (o object) edit(r *mathrand.Rand, extra object, value func(r *mathrand.Rand, name string) string) object {
	o = slices.Clone(o)
	i := r.IntN(len(o))
	switch r.IntN(8) {
	case 0:
		return slices.Delete(o, i, i+1)
	case 1:
		return slices.Insert(o, i, pick(r, o)) // a member twice
	case 2:
		m := pick(r, o)
		m[0] = strings.ToUpper(m[0])
		return slices.Insert(o, i, m) // or twice in another case
	case 3:
		o[i][0] = strings.ToUpper(o[i][0])
	case 4:
		return slices.Insert(o, i, pick(r, extra))
	default:
		o[i][1] = value(r, o[i][0])
	}
	return o
}

func headerValue(r *mathrand.Rand, name string) string {
	switch name {
	case `"alg"`:
		return pick(r, algValues)
	case `"kid"`:
		return pick(r, kidValues)
	default:
		return pick(r, typValues)
	}
}

func claimValue(r *mathrand.Rand, name string) string {
	switch name {
	case `"exp"`, `"iat"`, `"nbf"`, `"auth_time"`:
		if r.IntN(4) > 0 {
			return pick(r, dateValues)
		}
	case `"aud"`:
		if r.IntN(4) > 0 {
			return pick(r, audienceValues)
		}
	}
	return pick(r, claimValues)
}

// respell changes a JSON text without changing most of its meaning.
func respell(r *mathrand.Rand, text string) string {
	switch r.IntN(24) {
	case 0:
		return " \t\r\n" + text + " "
	case 1:
		return text + pick(r, []string{"x", "{}", "\x00", "\v", ","})
	case 2:
		return "\ufeff" + text
	case 3:
		return strings.Replace(text, "a", `\u0061`, 1)
	case 4:
		return strings.Replace(text, ":", " : ", -1)
	case 5:
		return strings.Replace(text, "}", `,"deep":`+strings.Repeat("[", r.IntN(30))+strings.Repeat("]", r.IntN(30))+"}", 1)
	default:
		return text
	}
}

// respellToken changes the text of a token in a way that some decoders forgive.
func respellToken(r *mathrand.Rand, token string) string {
	i := r.IntN(len(token) + 1)
	switch r.IntN(4) {
	case 0:
		return token[:i] + pick(r, []string{"\n", "\r", "\r\n", " ", "\t", "=", "+", "/", "%", "\x00", "é", "."}) + token[i:]
	case 1:
		return token + pick(r, []string{"\n", "=", "==", " "})
	case 2:
		parts := strings.Split(token, ".")
		p := &parts[r.IntN(len(parts))]
		if n := len(*p); n > 0 {
			*p = (*p)[:n-1] + nextTo((*p)[n-1])
		}
		return strings.Join(parts, ".")
	default:
		return strings.NewReplacer("-", "+", "_", "/").Replace(token)
	}
}

// nextTo returns the character of base64url that differs from c in the lowest
// bit, which is a trailing bit where c is the last of two or three.
func nextTo(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[max(strings.IndexByte(alphabet, c), 0)^1])
}

// genuine makes a token with edits to its JSON, signed afterwards.
func genuine(r *mathrand.Rand) string {
	s := pick(r, signers())
	if s.key.Algorithm == verify.RS256 && r.IntN(4) > 0 {
		s = signerOf(verify.EdDSA) // RSA signs slowly
	}
	h, p := s.header(), payload()
	for range oneIn(r, 3) {
		h = h.edit(r, extraHeader, headerValue)
	}
	for range r.IntN(3) {
		extra := object{{`"` + strings.Repeat("x", r.IntN(8000)) + `"`, "1"}, {`"x"`, "1"}, {`"X"`, "1"}, {pick(r, claimNames), pick(r, claimValues)}}
		p = p.edit(r, extra, claimValue)
	}
	token := s.token(respell(r, h.String()), respell(r, p.String()))
	for range oneIn(r, 5) {
		token = respellToken(r, token)
	}
	return token
}

// oneIn returns 1 once in n times, else 0.
func oneIn(r *mathrand.Rand, n int) int {
	if r.IntN(n) == 0 {
		return 1
	}
	return 0
}
