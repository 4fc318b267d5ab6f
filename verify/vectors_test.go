package verify_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/verify"
)

var update = flag.Bool("update", false, "write testdata/vectors/tokens.json anew")

const vectorsPath = "../testdata/vectors/tokens.json"

// vectorFile is what programs in other languages read as well.
type vectorFile struct {
	About   string          `json:"about"`
	Leeway  int             `json:"leeway"` // seconds
	MaxSize int             `json:"maxSize"`
	Keys    json.RawMessage `json:"keys"`  // JWK Set
	Rules   vectorRules     `json:"rules"` // unless the vector has its own
	Now     int64           `json:"now"`   // likewise; seconds since 1970
	Vectors []vector        `json:"vectors"`
}

type vectorRules struct {
	Issuer     string             `json:"issuer"`
	Audience   []string           `json:"audience"`
	Algorithms []verify.Algorithm `json:"algorithms"`
}

type vector struct {
	Name   string       `json:"name"`
	Rules  *vectorRules `json:"rules,omitempty"`
	Now    *int64       `json:"now,omitempty"`
	Token  string       `json:"token"`
	Code   string       `json:"code,omitempty"` // of a refusal
	Check  string       `json:"check,omitempty"`
	Claim  string       `json:"claim,omitempty"`  // the claim at fault, for check "claims"
	Claims *claimsJSON  `json:"claims,omitempty"` // of a token that is accepted
}

// claimsJSON has times in seconds since 1970.
type claimsJSON struct {
	Issuer    string   `json:"issuer"`
	Subject   string   `json:"subject"`
	Audience  []string `json:"audience"`
	TokenID   string   `json:"tokenId"`
	Session   string   `json:"session,omitempty"`
	Client    string   `json:"client,omitempty"`
	Scopes    []string `json:"scopes,omitempty"`
	Methods   []string `json:"methods,omitempty"`
	Email     string   `json:"email,omitempty"`
	Name      string   `json:"name,omitempty"`
	AuthTime  float64  `json:"authTime,omitempty"`
	IssuedAt  float64  `json:"issuedAt"`
	NotBefore float64  `json:"notBefore"`
	ExpiresAt float64  `json:"expiresAt"`
	KeyID     string   `json:"keyId"`
}

func toJSON(c *verify.Claims) *claimsJSON {
	seconds := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return float64(t.UnixMilli()) / 1000
	}
	return &claimsJSON{
		c.Issuer, c.Subject, c.Audience, c.TokenID, c.Session, c.Client, c.Scopes, c.Methods, c.Email, c.Name,
		seconds(c.AuthTime), seconds(c.IssuedAt), seconds(c.NotBefore), seconds(c.ExpiresAt), c.KeyID,
	}
}

func goodClaims(kid string) *claimsJSON {
	return &claimsJSON{
		issuer, "01KDVXJ4000000000000000USR", []string{audience}, "01KDVXJ4000000000000000JT1", "01KDVXJ4000000000000000SES", "web",
		[]string{"notes:read", "notes:write"}, []string{"pwd", "otp"}, "alice@example.com", "Alice",
		1767222000, 1767225540, 1767225540, 1767226440, kid,
	}
}

// vectorBuilder collects vectors of tokens by es256, unless a token says
// otherwise.
type vectorBuilder struct{ all []vector }

func (b *vectorBuilder) add(v vector) { b.all = append(b.all, v) }

func (b *vectorBuilder) accept(name, token string, edit func(*claimsJSON)) {
	v := vector{Name: name, Token: token, Claims: goodClaims("es-1")}
	if edit != nil {
		edit(v.Claims)
	}
	b.add(v)
}

func (b *vectorBuilder) refuse(check verify.Check, code doorward.Code, name, token string) {
	b.add(vector{Name: name, Token: token, Code: string(code), Check: string(check)})
}

// header refuses a genuine token with another header.
func (b *vectorBuilder) header(check verify.Check, code doorward.Code, name, header string) {
	b.refuse(check, code, name, es256.token(header, claims().String()))
}

// claim refuses a genuine token for one claim.
func (b *vectorBuilder) claim(name, claim, payload string) {
	b.add(vector{
		Name: name, Token: es256.token(es256.header().String(), payload),
		Code: string(doorward.ValidationFailed), Check: string(verify.CheckClaims), Claim: claim,
	})
}

func genuine(payload object) string { return es256.token(es256.header().String(), payload.String()) }

func (b *vectorBuilder) at(now int64, v vector) {
	v.Now = &now
	b.add(v)
}

func buildVectors() vectorFile {
	var b vectorBuilder
	buildAccepted(&b)
	buildMalformed(&b)
	buildHeaders(&b)
	buildSignatures(&b)
	buildPayloads(&b)
	buildRules(&b)
	buildTimes(&b)
	return vectorFile{
		About:  "Access tokens and the verdict on each; made by go test ./verify -update. An ES256 token may also be signed with (r, n-s).",
		Leeway: int(verify.Leeway / time.Second), MaxSize: verify.MaxSize,
		Keys:  keySet().JSON(),
		Rules: vectorRules{issuer, []string{audience}, verify.Algorithms()},
		Now:   now.Unix(), Vectors: b.all,
	}
}

func buildAccepted(b *vectorBuilder) {
	for _, s := range signers {
		b.add(vector{Name: "good " + string(s.key.Algorithm), Token: s.good(), Claims: goodClaims(s.key.ID)})
	}
	h := es256.header()
	b.accept("typ in capitals", es256.token(h.with("typ", `"AT+JWT"`).String(), claims().String()), nil)
	b.accept("typ with application/ and in capitals", es256.token(h.with("typ", `"Application/AT+JWT"`).String(), claims().String()), nil)
	b.accept("unknown header members are ignored", es256.token(h.with("cty", `"x"`).with("x5t", `"abc"`).with("deep", `{"crit":[1]}`).String(), claims().String()), nil)
	b.accept("white space in the JSON", es256.token(" {\"alg\" :\t\"ES256\",\r\n\"typ\":\"at+jwt\",\"kid\":\"es-1\"} ", " "+claims().String()+"\n"), nil)
	b.accept("escapes in the JSON", es256.token(`{"\u0061lg":"ES\u003256","typ":"at+jwt","kid":"es-1"}`, claims().with("name", `"Al\u0069ce"`).String()), nil)
	b.accept("several audiences", genuine(claims().with("aud", `["https://other.example","`+audience+`"]`)), func(c *claimsJSON) {
		c.Audience = []string{"https://other.example", audience}
	})
	b.accept("only the required claims", genuine(claims().without("sid").without("client_id").without("scope").without("auth_time").without("amr").without("email").without("name").without("userId")), func(c *claimsJSON) {
		c.Session, c.Client, c.Scopes, c.Methods, c.Email, c.Name, c.AuthTime = "", "", nil, nil, "", "", 0
	})
	b.accept("unknown claims of any type are ignored", genuine(claims().with("roles", `{"admin":null}`)), nil)
	b.accept("an empty scope and a doubled space", genuine(claims().with("scope", `" a  b "`)), func(c *claimsJSON) { c.Scopes = []string{"a", "b"} })
	b.accept("a fraction of a second", genuine(claims().with("iat", "1767225540.5").with("nbf", "1.76722554e9").with("exp", "1767226440.25")), func(c *claimsJSON) {
		c.IssuedAt, c.ExpiresAt = 1767225540.5, 1767226440.25
	})
	b.accept("a life of a thousand years", genuine(claims().with("exp", "33303225600")), func(c *claimsJSON) { c.ExpiresAt = 33303225600 })
	b.accept("characters beyond ASCII", genuine(claims().with("name", `"Zoë 🚪"`)), func(c *claimsJSON) { c.Name = "Zoë 🚪" })
}

func buildMalformed(b *vectorBuilder) {
	good := es256.good()
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }

	b.accept("as long as can be", ofSize(verify.MaxSize), nil)
	b.refuse(verify.CheckSize, doorward.TokenInvalid, "a byte too long", ofSize(verify.MaxSize+1))

	for _, v := range [][2]string{
		{"empty", ""}, {"no parts", "dwr_opaque"}, {"dots only", "."}, {"two parts", join(header, payload)}, {"four parts", good + "."},
		{"encrypted, five parts", good + ".a.b"}, {"JSON serialization", `{"payload":"` + payload + `","signatures":[{"protected":"` + header + `","signature":"` + signature + `"}]}`},
	} {
		b.refuse(verify.CheckForm, doorward.TokenInvalid, v[0], v[1])
	}
	last := len(signature) - 1
	for _, v := range [][2]string{
		{"padding", good + "=="}, {"standard base64", join(header, payload, "+"+signature[1:])},
		{"line feed at the end", good + "\n"}, {"line feed inside", join(header, payload[:8]+"\n"+payload[8:], signature)}, {"carriage return inside", join(header[:8]+"\r"+header[8:], payload, signature)},
		{"space before", " " + good}, {"scheme before", "Bearer " + good}, {"quotes around", `"` + good + `"`}, {"percent-encoded", strings.Replace(good, "_", "%5F", 1)},
		{"beyond ASCII", join(header, payload[:8]+"é"+payload[8:], signature)}, {"NUL byte", join(header, payload, signature+"\x00")},
		{"trailing bits that are not zero", good[:len(good)-1] + string(alphabetAfter(signature[last]))},
		{"signature cut by one character", join(header, payload, signature[:last-2])},
		{"header cut by one character", join(header[:len(header)-(len(header)+2)%4-1], payload, signature)},
	} {
		b.refuse(verify.CheckAlphabet, doorward.TokenInvalid, v[0], v[1])
	}
}

// ofSize returns a genuine token of size bytes. Base64 has no text of 4n+1
// characters, so header and payload share the filling.
func ofSize(size int) string {
	for i := range 4 {
		h := es256.header().with("pad", `"`+strings.Repeat("x", i)+`"`).String()
		empty := len(es256.token(h, claims().with("pad", `""`).String()))
		for n := (size - empty) * 3 / 4; n < size; n++ {
			token := es256.token(h, claims().with("pad", `"`+strings.Repeat("x", n)+`"`).String())
			if len(token) == size {
				return token
			}
			if len(token) > size {
				break
			}
		}
	}
	panic("no token has this size")
}

// alphabetAfter returns the next character of base64url, which differs in its
// lowest bit.
func alphabetAfter(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

func buildHeaders(b *vectorBuilder) {
	h := es256.header()
	invalid := doorward.TokenInvalid
	for _, v := range [][2]string{
		{"header empty", ""}, {"header no JSON", "nonsense"}, {"header an array", `["ES256"]`}, {"header null", "null"},
		{"header member twice", `{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"es-1"}`},
		{"header member twice in another case", `{"alg":"ES256","ALG":"none","typ":"at+jwt","kid":"es-1"}`},
		{"header with data behind it", h.String() + "{}"}, {"header with a byte order mark", "\ufeff" + h.String()},
		{"header not UTF-8", "{\"x\":\"\xff\",\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"es-1\"}"},
		{"header nested too deeply", h.with("x", strings.Repeat("[", 20)+strings.Repeat("]", 20)).String()},
		{"embedded jwk", h.with("jwk", string(stranger.key.JWK())).String()}, {"embedded jku", h.with("jku", `"https://evil.example/jwks"`).String()},
		{"embedded x5c", h.with("x5c", `["MIIB"]`).String()}, {"embedded x5u", h.with("x5u", `"https://evil.example/x"`).String()},
	} {
		b.header(verify.CheckHeader, invalid, v[0], v[1])
	}
	b.header(verify.CheckCrit, invalid, "crit", h.with("crit", `["exp"]`).with("exp", "1").String())
	b.header(verify.CheckCrit, invalid, "crit empty", h.with("crit", `[]`).String())
	b.header(verify.CheckCrit, invalid, "unencoded payload", h.with("b64", "false").with("crit", `["b64"]`).String())
	b.header(verify.CheckCrit, invalid, "b64 without crit", h.with("b64", "true").String())

	b.header(verify.CheckAlg, invalid, "alg missing", h.without("alg").String())
	b.header(verify.CheckAlg, invalid, "alg in another case of the name", `{"Alg":"ES256","typ":"at+jwt","kid":"es-1"}`)
	b.header(verify.CheckAlg, invalid, "alg not a string", h.with("alg", `["ES256"]`).String())
	for _, alg := range []string{"none", "None", "HS256", "ES384", "PS256", "es256", "RS256", "EdDSA", ""} {
		b.header(verify.CheckAlg, invalid, "alg "+strconv.Quote(alg)+" with an ES256 key", h.with("alg", strconv.Quote(alg)).String())
	}
	b.refuse(verify.CheckAlg, invalid, "alg none and no signature", encode(h.with("alg", `"none"`).String())+"."+encode(claims().String())+".")
	narrow := vectorRules{issuer, []string{audience}, []verify.Algorithm{verify.ES256}}
	b.add(vector{Name: "algorithm of the key, not of the rules", Rules: &narrow, Token: rs256.good(), Code: string(invalid), Check: string(verify.CheckAlg)})

	b.header(verify.CheckKid, invalid, "kid missing", h.without("kid").String())
	b.header(verify.CheckKid, invalid, "kid empty", h.with("kid", `""`).String())
	b.header(verify.CheckKid, invalid, "kid not a string", h.with("kid", "1").String())
	b.header(verify.CheckKid, invalid, "kid unknown", h.with("kid", `"es-2"`).String())
	b.header(verify.CheckKid, invalid, "kid in another case", h.with("kid", `"ES-1"`).String())
	b.header(verify.CheckKid, invalid, "kid with a path in it", h.with("kid", `"../../es-1"`).String())
}

func buildSignatures(b *vectorBuilder) {
	refuse := func(name, token string) { b.refuse(verify.CheckSignature, doorward.TokenInvalid, name, token) }
	refuse("signed by another key with this kid", stranger.good())
	for _, s := range signers {
		good := s.good()
		dot := strings.LastIndexByte(good, '.')
		signature := s.sign(good[:dot])
		with := func(signature []byte) string { return good[:dot+1] + encode(string(signature)) }
		flipped := slices.Clone(signature)
		flipped[len(flipped)-1] ^= 1
		name := " " + string(s.key.Algorithm)
		refuse("no signature"+name, good[:dot+1])
		refuse("a bit flipped in the signature"+name, with(flipped))
		refuse("signature cut short"+name, with(signature[:len(signature)-1]))
		refuse("signature with a byte more"+name, with(append(slices.Clone(signature), 0)))
		refuse("signature with a zero byte in front"+name, with(append([]byte{0}, signature...)))
		refuse("signature all zero"+name, with(make([]byte, len(signature))))
		refuse("payload changed"+name, strings.Replace(good, "."+encode(claims().String()), "."+encode(claims().with("sub", `"mallory"`).String()), 1))
	}
	good := es256.good()
	dot := strings.LastIndexByte(good, '.')
	signature := es256.sign(good[:dot])
	order := must(hex.DecodeString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"))
	zero := make([]byte, 32)
	for _, v := range []struct {
		name string
		r, s []byte
	}{
		{"r zero", zero, signature[32:]}, {"s zero", signature[:32], zero}, {"r the order", order, signature[32:]}, {"s the order", signature[:32], order},
		{"r and s exchanged", signature[32:], signature[:32]},
	} {
		refuse(v.name, good[:dot+1]+encode(string(v.r)+string(v.s)))
	}
	refuse("ES256 signature in DER", good[:dot+1]+encode(string(must(es256.der(good[:dot])))))
}

func buildPayloads(b *vectorBuilder) {
	payload := func(name, payload string) {
		b.refuse(verify.CheckPayload, doorward.TokenInvalid, name, es256.token(es256.header().String(), payload))
	}
	payload("payload empty", "")
	payload("payload text", "hello")
	payload("payload an array", "[]")
	payload("claim twice", `{"sub":"a",`+claims().String()[1:])
	payload("claim twice in another case", `{"Sub":"a",`+claims().String()[1:])
	payload("payload with data behind it", claims().String()+"x")
	payload("lone surrogate", claims().with("name", `"\ud800"`).String())

	typ := func(name, header string) {
		b.header(verify.CheckTyp, doorward.ValidationFailed, name, header)
	}
	h := es256.header()
	typ("typ missing", h.without("typ").String())
	typ("typ of an ID token", h.with("typ", `"JWT"`).String())
	typ("typ of a logout token", h.with("typ", `"logout+jwt"`).String())
	typ("typ not a string", h.with("typ", "1").String())
	typ("typ with a parameter", h.with("typ", `"at+jwt; v=1"`).String())

	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti"} {
		b.claim(name+" missing", name, claims().without(name).String())
		b.claim(name+" null", name, claims().with(name, "null").String())
	}
	for _, name := range []string{"iss", "sub", "jti", "sid", "client_id", "scope", "email", "name"} {
		b.claim(name+" a number", name, claims().with(name, "1").String())
	}
	for _, name := range []string{"iss", "sub", "jti"} {
		b.claim(name+" empty", name, claims().with(name, `""`).String())
	}
	b.claim("aud an empty array", "aud", claims().with("aud", "[]").String())
	b.claim("aud with a number", "aud", claims().with("aud", `["`+audience+`",1]`).String())
	b.claim("aud an object", "aud", claims().with("aud", "{}").String())
	b.claim("amr a string", "amr", claims().with("amr", `"pwd"`).String())
	b.claim("amr with a number", "amr", claims().with("amr", `["pwd",1]`).String())
	b.claim("scope an array", "scope", claims().with("scope", `["a"]`).String())
	for _, name := range []string{"exp", "iat", "nbf", "auth_time"} {
		b.claim(name+" a string", name, claims().with(name, `"1767226440"`).String())
		b.claim(name+" in milliseconds", name, claims().with(name, "1767226440000").String())
		b.claim(name+" negative", name, claims().with(name, "-1").String())
		b.claim(name+" negative by a fraction", name, claims().with(name, "-0.5").String())
		b.claim(name+" without end", name, claims().with(name, "1e400").String())
		b.claim(name+" after the year 9999", name, claims().with(name, "1e300").String())
	}
	b.claim("exp at iat", "exp", claims().with("exp", "1767225540").String())
	b.claim("exp before iat", "exp", claims().with("iat", "1767225550").with("exp", "1767225549").String())
	b.claim("exp before nbf", "exp", claims().with("iat", "1767220000").with("exp", "1767225539").String())
}

func buildRules(b *vectorBuilder) {
	refuse := func(check verify.Check, name, claim, value string) {
		b.refuse(check, doorward.ValidationFailed, name, genuine(claims().with(claim, strconv.Quote(value))))
	}
	refuse(verify.CheckIssuer, "another issuer", "iss", "https://evil.example")
	refuse(verify.CheckIssuer, "issuer with a trailing slash", "iss", issuer+"/")
	refuse(verify.CheckIssuer, "issuer over http", "iss", "http://id.example")
	refuse(verify.CheckIssuer, "issuer in capitals", "iss", "https://ID.example")
	refuse(verify.CheckAudience, "another audience", "aud", "https://other.example")
	refuse(verify.CheckAudience, "audience with a trailing slash", "aud", audience+"/")
	refuse(verify.CheckAudience, "audience as a prefix", "aud", audience+".evil.example")
	refuse(verify.CheckAudience, "audience empty", "aud", "")
	b.refuse(verify.CheckAudience, doorward.ValidationFailed, "other audiences", genuine(claims().with("aud", `["https://a.example","https://b.example"]`)))
	several := vectorRules{issuer, []string{"https://other.example", audience}, []verify.Algorithm{verify.ES256}}
	b.add(vector{Name: "one of several audiences of the rules", Rules: &several, Token: es256.good(), Claims: goodClaims("es-1")})

	for _, v := range []struct {
		name  string
		rules vectorRules
	}{
		{"no rules", vectorRules{"", []string{}, []verify.Algorithm{}}},
		{"rules without an issuer", vectorRules{"", []string{audience}, verify.Algorithms()}},
		{"rules without an audience", vectorRules{issuer, []string{}, verify.Algorithms()}},
		{"rules with an empty audience", vectorRules{issuer, []string{audience, ""}, verify.Algorithms()}},
		{"rules without an algorithm", vectorRules{issuer, []string{audience}, []verify.Algorithm{}}},
		{"rules with the algorithm none", vectorRules{issuer, []string{audience}, []verify.Algorithm{"none"}}},
		{"rules with a shared secret", vectorRules{issuer, []string{audience}, []verify.Algorithm{verify.ES256, "HS256"}}},
	} {
		b.add(vector{Name: v.name, Rules: &v.rules, Token: es256.good(), Code: string(doorward.Unavailable), Check: string(verify.CheckSetup)})
	}
}

func buildTimes(b *vectorBuilder) {
	good := es256.good()
	const begin, end = 1767225540, 1767226440
	leeway := int64(verify.Leeway / time.Second)
	accepted := vector{Token: good, Claims: goodClaims("es-1")}
	named := func(v vector, name string) vector { v.Name = name; return v }
	refused := func(token string, check verify.Check, code doorward.Code) vector {
		return vector{Token: token, Code: string(code), Check: string(check)}
	}
	b.at(begin-leeway, named(accepted, "the leeway before nbf and iat"))
	b.at(begin-leeway-1, named(refused(good, verify.CheckNbf, doorward.TokenNotActive), "a second earlier"))
	b.at(end+leeway-1, named(accepted, "a second before the leeway after exp"))
	b.at(end+leeway, named(refused(good, verify.CheckExp, doorward.TokenExpired), "the leeway after exp"))
	b.at(end+86400*365*5, named(refused(good, verify.CheckExp, doorward.TokenExpired), "years after exp"))
	b.at(0, named(refused(good, verify.CheckNbf, doorward.TokenNotActive), "a clock that starts at 1970"))
	late := genuine(claims().with("iat", "1767226000"))
	b.at(begin, named(refused(late, verify.CheckIat, doorward.TokenNotActive), "iat ahead, nbf not"))
	fraction := genuine(claims().with("exp", "1767226440.5"))
	b.at(end+leeway, vector{Name: "exp half a second later", Token: fraction, Claims: func() *claimsJSON {
		c := goodClaims("es-1")
		c.ExpiresAt = 1767226440.5
		return c
	}()})
	wrong := genuine(claims().with("iss", `"https://evil.example"`))
	b.at(end+leeway, named(refused(wrong, verify.CheckIssuer, doorward.ValidationFailed), "expired and of another issuer"))
	b.at(end+leeway, named(refused(stranger.good(), verify.CheckSignature, doorward.TokenInvalid), "expired and forged"))
}

func readVectors(t testing.TB) (vectorFile, verify.KeySet) {
	t.Helper()
	text, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	keys, skipped, err := verify.ParseKeySet(file.Keys)
	if err != nil || len(skipped) > 0 {
		t.Fatal(err, skipped)
	}
	return file, keys
}

func (f vectorFile) of(v vector) (verify.Rules, time.Time) {
	rules, at := f.Rules, f.Now
	if v.Rules != nil {
		rules = *v.Rules
	}
	if v.Now != nil {
		at = *v.Now
	}
	return verify.Rules(rules), time.Unix(at, 0)
}

func TestVectorFileIsCurrent(t *testing.T) {
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(buildVectors()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorsPath, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the tests make; run go test ./verify -update", vectorsPath)
	}
}

func TestVectors(t *testing.T) {
	file, keys := readVectors(t)
	seen := make(map[verify.Check]bool)
	names := make(map[string]bool)
	for _, v := range file.Vectors {
		if names[v.Name] {
			t.Errorf("two vectors are called %q", v.Name)
		}
		names[v.Name] = true
		seen[verify.Check(v.Check)] = true
		t.Run(v.Name, func(t *testing.T) {
			rules, at := file.of(v)
			c, err := verify.Token(v.Token, keys, rules, at)
			if v.Claims != nil {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if got := toJSON(c); !reflect.DeepEqual(got, v.Claims) {
					t.Errorf("claims %+v, want %+v", got, v.Claims)
				}
				return
			}
			var f *verify.Failure
			if !errors.As(err, &f) {
				t.Fatalf("claims %+v, error %v, want %s", c, err, v.Check)
			}
			if c != nil {
				t.Error("claims beside an error")
			}
			if string(f.Code) != v.Code || string(f.Check) != v.Check || f.Claim != v.Claim {
				t.Errorf("%s %s %q (%s), want %s %s %q", f.Code, f.Check, f.Claim, f.Text, v.Code, v.Check, v.Claim)
			}
			if info, ok := f.Code.Info(); !ok || info.Class == doorward.ClassInput {
				t.Errorf("%s is no denial", f.Code)
			}
			noSecret(t, v.Token, f)
		})
	}
	for _, check := range verify.Checks() {
		if !seen[check] {
			t.Errorf("no vector fails the check %q", check)
		}
	}
}

// noSecret checks that a failure repeats no stretch of the token, and that its
// public error repeats nothing at all.
func noSecret(t *testing.T, token string, f *verify.Failure) {
	t.Helper()
	if want := "verify: " + string(f.Code) + " (" + string(f.Check) + ")"; f.Error() != want {
		t.Errorf("error %q, want %q", f, want)
	}
	reason := f.Reason()
	if reason.Text == "" || reason.Next == "" || reason.Token.Fingerprint != verify.Fingerprint(token) {
		t.Errorf("reason %+v", reason)
	}
	text := reason.Text + reason.Next + reason.Token.ID + reason.Token.Key + reason.User + reason.Session + f.Expected + f.Got
	const stretch = 16
	for i := 0; i+stretch <= len(token); i++ {
		if strings.Contains(text, token[i:i+stretch]) {
			t.Fatalf("the reason holds %q of the token: %s", token[i:i+stretch], text)
		}
	}
	if len(text) > 4096 {
		t.Errorf("a reason of %d bytes", len(text))
	}
}
