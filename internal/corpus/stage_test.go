package corpus

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// stage is a scenario made real: its keys, its secrets, its tokens, and its
// hosts on loopback.
type stage struct {
	now     time.Time
	keys    map[string]*key
	secrets map[string]string
	tokens  map[string]string
	hosts   map[string]*host

	mu       sync.Mutex // hosts that answer make secrets too
	canaries []string   // what must not be seen anywhere else
}

// setUp binds the ports and makes what the scenario declares; nobody answers yet.
func (s *scenario) setUp() (*stage, error) {
	st := &stage{
		now: time.Now().Truncate(time.Second), keys: map[string]*key{}, secrets: map[string]string{},
		tokens: map[string]string{}, hosts: map[string]*host{},
	}
	if err := st.makeKeys(s.keys); err != nil {
		return nil, err
	}
	for _, d := range s.hosts {
		h := &host{decl: d, stage: st}
		if err := h.open(); err != nil {
			st.close()
			return nil, err
		}
		st.hosts[d.name] = h
	}
	for _, d := range s.tokens {
		if err := st.makeToken(d); err != nil {
			st.close()
			return nil, err
		}
	}
	return st, nil
}

func (st *stage) close() {
	for _, h := range st.hosts {
		h.listener.Close()
	}
}

type key struct {
	keyDecl
	secret []byte
	signer crypto.Signer
}

var placeholder = regexp.MustCompile(`@\{([^{}]+)\}`)

// fill puts what a stage holds where a scenario names it.
func (st *stage) fill(text string) (string, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	var errs []error
	// Innermost first: @{repeat 20 @{secret a}}.
	for range 3 {
		text = placeholder.ReplaceAllStringFunc(text, func(m string) string {
			value, err := st.value(strings.Fields(m[2 : len(m)-1]))
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", m, err))
			}
			return value
		})
	}
	return text, errors.Join(errs...)
}

func (st *stage) value(w []string) (string, error) {
	if len(w) == 1 {
		if token, ok := st.tokens[w[0]]; ok {
			return token, nil
		}
		name, port := strings.CutSuffix(w[0], ".port")
		name, authority := strings.CutSuffix(name, ".host")
		h, ok := st.hosts[name]
		switch {
		case !ok:
			return "", errors.New("neither a token nor a host")
		case port:
			return strconv.Itoa(h.port), nil
		case authority:
			return h.authority(), nil
		}
		return h.origin(), nil
	}
	switch name, rest := w[0], w[1:]; name {
	case "secret":
		return st.secret(rest[0]), nil
	case "basic":
		encoded := base64.StdEncoding.EncodeToString([]byte(rest[0] + ":" + st.secret(rest[1])))
		st.canaries = append(st.canaries, encoded)
		return encoded, nil
	case "time", "date", "unix":
		t, err := st.at(rest[0])
		switch name {
		case "time":
			return t.UTC().Format("2006-01-02T15:04:05.000Z"), err
		case "date":
			return t.UTC().Format(http.TimeFormat), err
		}
		return strconv.FormatInt(t.Unix(), 10), err
	case "repeat":
		n, err := strconv.Atoi(rest[0])
		return strings.Repeat(strings.Join(rest[1:], " "), n), err
	case "ath":
		sum := sha256.Sum256([]byte(st.tokens[rest[0]]))
		return b64(sum[:]), nil
	case "jwks":
		var list []string
		for _, k := range rest {
			jwk, err := st.jwk(k)
			if err != nil {
				return "", err
			}
			list = append(list, jwk)
		}
		return `{"keys":[` + strings.Join(list, ",") + `]}`, nil
	case "jwk":
		return st.jwk(rest[0])
	case "jkt":
		k, err := st.key(rest[0])
		if err != nil {
			return "", err
		}
		sum, err := (&jose.JSONWebKey{Key: k.signer.Public()}).Thumbprint(crypto.SHA256)
		return b64(sum), err
	case "pem":
		text, err := st.pem(rest[0])
		return strings.ReplaceAll(string(text), "\n", `\n`), err
	}
	return "", errors.New("there is no placeholder of this name")
}

func (st *stage) secret(name string) string {
	if st.secrets[name] == "" {
		st.secrets[name] = rand.Text() // 26 letters and digits
		st.canaries = append(st.canaries, st.secrets[name])
	}
	return st.secrets[name]
}

var offset = regexp.MustCompile(`^([+-]\d+)(ms|s|m|h|d)$`)

// at reads -90s, +15m, -2d: a time from now.
func (st *stage) at(text string) (time.Time, error) {
	m := offset.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, fmt.Errorf("%q is no time from now", text)
	}
	n, err := strconv.Atoi(m[1])
	unit := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[m[2]]
	return st.now.Add(time.Duration(n) * unit), err
}

// rsaKeys are made once: they take long.
var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	list := make([]*rsa.PrivateKey, 4)
	for i := range list {
		list[i], _ = rsa.GenerateKey(rand.Reader, 2048) // crypto/rand does not fail
	}
	return list
})

func (st *stage) makeKeys(decls []keyDecl) error {
	rsas := 0
	for _, d := range decls {
		k := &key{keyDecl: d}
		var err error
		switch d.alg {
		case "RS256", "PS256":
			if rsas == len(rsaKeys()) {
				return errors.New("there are no more RSA keys: use ES256")
			}
			k.signer = rsaKeys()[rsas]
			rsas++
		case "ES256":
			k.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		case "EdDSA":
			_, k.signer, err = ed25519.GenerateKey(rand.Reader)
		case "HS256":
			k.secret = []byte(rand.Text())
		default:
			err = fmt.Errorf("key %s: the algorithm is none of RS256, PS256, ES256, EdDSA, HS256", d.name)
		}
		if err != nil {
			return err
		}
		st.keys[d.name] = k
	}
	return nil
}

func (st *stage) key(name string) (*key, error) {
	if k, ok := st.keys[name]; ok {
		return k, nil
	}
	return nil, fmt.Errorf("there is no key %q", name)
}

func (st *stage) jwk(name string) (string, error) {
	k, err := st.key(name)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.kid, Algorithm: k.alg, Use: "sig"})
	return string(text), err
}

func (st *stage) pem(name string) ([]byte, error) {
	k, err := st.key(name)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(k.signer.Public())
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// makeToken makes a token of its declaration: two lines of JSON, its header and
// its claims, then who signs it and what happened to it afterwards.
func (st *stage) makeToken(d section) error {
	text, err := st.fill(d.text)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var token string
	if raw, ok := strings.CutPrefix(lines[0], "raw "); ok {
		token, lines = raw, lines[1:]
	} else {
		if len(lines) < 2 {
			return fmt.Errorf("token %s: a header and claims, or raw", d.name)
		}
		claims, err := st.times(lines[1])
		if err != nil {
			return fmt.Errorf("token %s: %w", d.name, err)
		}
		token, lines = b64([]byte(lines[0]))+"."+b64(claims), lines[2:]
	}
	for _, line := range lines {
		if token, err = st.change(token, strings.Fields(line)); err != nil {
			return fmt.Errorf("token %s: %s: %w", d.name, line, err)
		}
	}
	st.tokens[d.name] = token
	st.mu.Lock()
	defer st.mu.Unlock()
	// The header is no secret, and alike in many tokens.
	for _, part := range strings.FieldsFunc(token, func(r rune) bool { return strings.ContainsRune(".% \"\n\t\u200b<>", r) })[1:] {
		if len(part) >= 16 {
			st.canaries = append(st.canaries, part)
		}
	}
	if !strings.Contains(token, ".") && len(token) >= 16 {
		st.canaries = append(st.canaries, token)
	}
	return nil
}

// times makes numbers of the times in claims: "-5m" seconds, "-5m ms"
// milliseconds, "-5m text" a string.
func (st *stage) times(text string) ([]byte, error) {
	var claims map[string]any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&claims); err != nil {
		return nil, err
	}
	for _, name := range []string{"exp", "nbf", "iat", "auth_time"} {
		value, ok := claims[name].(string)
		if !ok {
			continue
		}
		ago, form, _ := strings.Cut(value, " ")
		t, err := st.at(ago)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch form {
		case "ms":
			claims[name] = t.UnixMilli()
		case "text":
			claims[name] = strconv.FormatInt(t.Unix(), 10)
		default:
			claims[name] = t.Unix()
		}
	}
	return json.Marshal(claims)
}

// change is one line of what happens to a token.
func (st *stage) change(token string, w []string) (string, error) {
	parts := strings.Split(token, ".")
	w = append(w, "")
	switch w[0] {
	case "sign":
		return st.sign(token, w[1:])
	case "cut":
		n, err := strconv.Atoi(w[1])
		return token[:max(len(token)-n, 0)], err
	case "parts":
		n, err := strconv.Atoi(w[1])
		return strings.Join(parts[:n], "."), err
	case "set": // a claim, after it was signed
		var claims map[string]any
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(payload, &claims); err != nil {
			return "", err
		}
		name, value, _ := strings.Cut(w[1], "=")
		claims[name] = value
		altered, err := json.Marshal(claims)
		parts[1] = b64(altered)
		return strings.Join(parts, "."), err
	case "standard": // base64 with + and / and padding
		for i, p := range parts {
			data, err := base64.RawURLEncoding.DecodeString(p)
			if err != nil {
				return "", err
			}
			parts[i] = base64.StdEncoding.EncodeToString(data)
		}
		return strings.Join(parts, "."), nil
	case "percent":
		return url.QueryEscape(token), nil
	case "before", "after":
		text, err := strconv.Unquote(strings.Join(w[1:len(w)-1], " "))
		if w[0] == "before" {
			return text + token, err
		}
		return token + text, err
	case "insert":
		n, err := strconv.Atoi(w[1])
		if err != nil {
			return "", err
		}
		text, err := strconv.Unquote(strings.Join(w[2:len(w)-1], " "))
		return token[:n] + text + token[n:], err
	case "encrypt": // what a JWE looks like to one who has no key
		random := func(n int) string {
			b := make([]byte, n)
			_, _ = rand.Read(b) // crypto/rand does not fail
			return b64(b)
		}
		return strings.Join([]string{parts[0], random(256), random(12), random(len(parts[1])), random(16)}, "."), nil
	}
	return "", errors.New("there is no such change")
}

func (st *stage) sign(input string, w []string) (string, error) {
	var signature []byte
	switch w[0] {
	case "nobody":
		return input + ".", nil
	case "pem": // HMAC with what everybody can read
		secret, err := st.pem(w[1])
		if err != nil {
			return "", err
		}
		return input + "." + b64(mac(secret, input)), nil
	}
	k, err := st.key(w[0])
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(input))
	switch k.alg {
	case "HS256":
		signature = mac(k.secret, input)
	case "PS256":
		signature, err = k.signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case "EdDSA":
		signature, err = k.signer.Sign(rand.Reader, []byte(input), crypto.Hash(0))
	case "ES256":
		r, s, e := ecdsa.Sign(rand.Reader, k.signer.(*ecdsa.PrivateKey), digest[:])
		if e != nil {
			return "", e
		}
		signature = make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	default:
		signature, err = k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	return input + "." + b64(signature), err
}

func mac(secret []byte, input string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(input))
	return h.Sum(nil)
}
