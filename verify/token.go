package verify

import (
	"strings"
	"time"

	"github.com/doorward/doorward/internal/strictjson"
)

// MaxSize is the length in bytes that a token may have.
const MaxSize = 8 << 10

// Token checks an access token and returns its claims. The error is always a
// [*Failure]. Nothing in a token is believed before its signature was found
// genuine.
//
// Incomplete rules and an empty key set are no fault of the token: their code
// is UNAVAILABLE.
func Token(token string, keys KeySet, rules Rules, now time.Time) (*Claims, error) {
	if f := ready(keys, rules); f != nil {
		return nil, f.ofStranger(token, "")
	}
	t, f := read(token)
	if f == nil {
		f = t.authenticate(keys, rules)
	}
	if f != nil {
		return nil, f.ofStranger(token, t.header.kid)
	}
	c, f := t.claims()
	c.fingerprint = fingerprint(t.text)
	if f == nil {
		f = rules.accept(c)
	}
	if f == nil {
		f = c.active(now)
	}
	if f != nil {
		return nil, f.of(c)
	}
	return c, nil
}

// KeyID returns the kid of a token's header, so that a caller can look for a
// key that it does not have yet. Nothing is checked but size, form and header;
// the error is always a [*Failure].
func KeyID(token string) (string, error) {
	p, f := split(token)
	if f != nil {
		return "", f.ofStranger(token, "")
	}
	text, _, f := decodePart(make([]byte, decodedSize(p.header)), "header", p.header)
	if f != nil {
		return "", f.ofStranger(token, "")
	}
	h, f := readHeader(text)
	if f == nil {
		f = h.needKeyID()
	}
	if f != nil {
		return "", f.ofStranger(token, h.kid)
	}
	return h.kid, nil
}

func ready(keys KeySet, rules Rules) *Failure {
	if err := rules.Validate(); err != nil {
		return fail(CheckSetup, "%s", strings.TrimPrefix(err.Error(), "verify: "))
	}
	if keys.Len() == 0 {
		return fail(CheckSetup, "the key set is empty: there is nothing to check a token with")
	}
	return nil
}

// parts are those of the compact serialization (RFC 7515 §7.1), still encoded.
type parts struct {
	header, payload, signature string
}

// inputSize is the length of what is signed: header "." payload.
func (p *parts) inputSize() int { return len(p.header) + 1 + len(p.payload) }

func split(token string) (parts, *Failure) {
	if f := sized(token); f != nil {
		return parts{}, f
	}
	return cutParts(token)
}

func sized(token string) *Failure {
	if len(token) > MaxSize {
		return fail(CheckSize, "the token has %d bytes; at most %d are taken", len(token), MaxSize)
	}
	return nil
}

func cutParts(token string) (parts, *Failure) {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.IndexByte(signature, '.') >= 0 {
		return parts{}, formFailure(token)
	}
	return parts{header, payload, signature}, nil
}

func formFailure(token string) *Failure {
	switch n := strings.Count(token, ".") + 1; {
	case token == "":
		return fail(CheckForm, "the token is empty")
	case strings.HasPrefix(token, "{"):
		return fail(CheckForm, "the token is JSON, not the compact form of three parts")
	case n == 1:
		return fail(CheckForm, "the token is not a JWT: it has no parts")
	case n == 2:
		return fail(CheckForm, "the token has two parts of three: its end is missing")
	case n == 5:
		return fail(CheckForm, "the token has five parts: it is encrypted (JWE), where a signed one is due")
	default:
		return fail(CheckForm, "the token has %d parts, where three are due", n)
	}
}

// decodePart decodes a part into the front of buf and returns the rest of buf.
func decodePart(buf []byte, name, part string) (decoded, rest []byte, f *Failure) {
	size := decodedSize(part)
	decoded, ok := decode(buf[:size], part)
	if !ok {
		return nil, nil, fail(CheckAlphabet, "the %s is not base64url: %s", name, alphabetFault(part))
	}
	return decoded, buf[size:], nil
}

// signed is a token whose header was read, and nothing more.
type signed struct {
	header             header
	text               []byte // all of the token
	input              []byte // what is signed
	payload, signature []byte
}

func read(token string) (signed, *Failure) {
	p, f := split(token)
	if f != nil {
		return signed{}, f
	}
	// One buffer holds a copy of the token, because hashes take no strings, and
	// the three parts decoded.
	buf := make([]byte, len(token)+decodedSize(p.header)+decodedSize(p.payload)+decodedSize(p.signature))
	copy(buf, token)
	t := signed{text: buf[:len(token)], input: buf[:p.inputSize()]}
	text, buf, f := decodePart(buf[len(token):], "header", p.header)
	if f != nil {
		return t, f
	}
	if t.payload, buf, f = decodePart(buf, "payload", p.payload); f != nil {
		return t, f
	}
	if t.signature, _, f = decodePart(buf, "signature", p.signature); f != nil {
		return t, f
	}
	t.header, f = readHeader(text)
	return t, f
}

// authenticate checks that the token is signed by the key it names.
func (t *signed) authenticate(keys KeySet, rules Rules) *Failure {
	key, f := t.header.key(keys, rules)
	if f != nil {
		return f
	}
	if key.genuine(t.input, t.signature) {
		return nil
	}
	return signatureFailure(key, t.signature)
}

func signatureFailure(key *Key, signature []byte) *Failure {
	got, want := len(signature), key.signatureSize()
	if got == want {
		return fail(CheckSignature, "the signature is not by key %s: the token was altered or is forged", quote(key.ID))
	}
	var hint string
	if key.Algorithm == ES256 && got > 0 && signature[0] == derSequence {
		hint = "; it looks like DER, where r and s one after the other are due"
	}
	return fail(CheckSignature, "the signature has %d bytes; %s by key %s has %d%s", got, key.Algorithm, quote(key.ID), want, hint)
}

// claims reads the payload of a token that was found genuine. The claims are
// never nil: where one is at fault they hold the others.
func (t *signed) claims() (*Claims, *Failure) {
	c := &Claims{KeyID: t.header.kid}
	payload, err := strictjson.ParseObject(t.payload)
	if err != nil {
		return c, payloadFailure(err)
	}
	f := c.read(payload)
	if typ := t.header.needType(); typ != nil {
		return c, typ
	}
	return c, f
}

func payloadFailure(err error) *Failure {
	return fail(CheckPayload, "the payload is not a sound JSON object: %s", jsonFault(err))
}
