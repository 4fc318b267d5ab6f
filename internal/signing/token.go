package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Claims is what an access token says (RFC 9068 §2.2). Times are kept to the
// second, rounded down, so that no token outlives what it was given.
type Claims struct {
	Issuer    string
	Subject   string   // the user's id; also written as userId
	Audience  []string // one is written as a string, several as an array
	ExpiresAt time.Time
	IssuedAt  time.Time // also written as nbf
	ID        string
	Session   string
	Client    string
	Scopes    []string // omitted where empty
	AuthTime  time.Time
	Methods   []string // RFC 8176
	Email     string   // omitted where empty
	Name      string   // omitted where empty
}

// Signer signs access tokens with one key. It is safe for concurrent use.
type Signer struct {
	keyID   string
	prefix  string // the encoded header and its dot
	sign    func(message []byte) ([]byte, error)
	sigSize int
}

// NewSigner prepares what all tokens signed with the key have in common. It
// fails for a key that is not for [UseAccess].
func NewSigner(key Key) (*Signer, error) {
	private, err := key.signer()
	if err != nil {
		return nil, err
	}
	sign, size, err := signature(private)
	if err != nil {
		return nil, err
	}
	header := appendMember([]byte{'{'}, "alg", key.Algorithm)
	header = appendMember(header, "typ", "at+jwt") // RFC 9068 §2.1
	header = appendMember(header, "kid", key.ID)
	header = append(header, '}')
	return &Signer{
		keyID:   key.ID,
		prefix:  base64.RawURLEncoding.EncodeToString(header) + ".",
		sign:    sign,
		sigSize: size,
	}, nil
}

// KeyID returns the `kid` of the tokens that s signs.
func (s *Signer) KeyID() string { return s.keyID }

// Sign returns the token for the claims, in the compact form of RFC 7515 §7.1.
// It is a secret.
func (s *Signer) Sign(c Claims) (string, error) {
	var scratch [1024]byte
	payload := c.appendJSON(scratch[:0])
	encoding := base64.RawURLEncoding
	token := make([]byte, 0, len(s.prefix)+encoding.EncodedLen(len(payload))+1+encoding.EncodedLen(s.sigSize))
	token = append(token, s.prefix...)
	token = encoding.AppendEncode(token, payload)
	sig, err := s.sign(token)
	if err != nil {
		return "", fmt.Errorf("signing: key %s: %w", s.keyID, err)
	}
	token = append(token, '.')
	return string(encoding.AppendEncode(token, sig)), nil
}

// signature returns the JWS signature function (RFC 7518 §3, RFC 8037 §3.1) of
// a private key, and the size of what it returns.
func signature(private crypto.Signer) (sign func([]byte) ([]byte, error), size int, err error) {
	switch key := private.(type) {
	case *ecdsa.PrivateKey:
		return func(message []byte) ([]byte, error) {
			digest := sha256.Sum256(message)
			// Without a source of randomness the nonce is that of RFC 6979, as
			// RFC 8725 §3.2 recommends. It also takes a quarter off the time: the
			// other way draws its nonce through two dozen blocks of SHA-512.
			der, err := key.Sign(nil, digest[:], crypto.SHA256)
			if err != nil {
				return nil, err
			}
			return fixedLength(der)
		}, 2 * es256Half, nil
	case *rsa.PrivateKey:
		return func(message []byte) ([]byte, error) {
			digest := sha256.Sum256(message)
			return key.Sign(rand.Reader, digest[:], crypto.SHA256)
		}, key.Size(), nil
	case ed25519.PrivateKey:
		return func(message []byte) ([]byte, error) {
			return ed25519.Sign(key, message), nil
		}, ed25519.SignatureSize, nil
	}
	return nil, 0, fmt.Errorf("signing: a %T cannot sign", private)
}

const es256Half = 32 // bytes of each of the two numbers of a signature

// fixedLength returns an ECDSA signature with its two numbers at their full
// length, as RFC 7518 §3.4 has it, instead of in ASN.1.
func fixedLength(der []byte) ([]byte, error) {
	var inner cryptobyte.String
	var r, s []byte // without leading zeros
	in := cryptobyte.String(der)
	if !in.ReadASN1(&inner, asn1.SEQUENCE) || !in.Empty() ||
		!inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || !inner.Empty() ||
		len(r) > es256Half || len(s) > es256Half {
		return nil, errors.New("not a signature of P-256")
	}
	sig := make([]byte, 2*es256Half)
	copy(sig[es256Half-len(r):], r)
	copy(sig[2*es256Half-len(s):], s)
	return sig, nil
}

// appendJSON writes the claims by hand: all of it is known here, and
// reflection would take longer than the rest of Sign but the signature.
func (c *Claims) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendMember(b, "iss", c.Issuer)
	b = appendMember(b, "sub", c.Subject)
	if len(c.Audience) == 1 {
		b = appendMember(b, "aud", c.Audience[0])
	} else {
		b = appendList(b, "aud", c.Audience)
	}
	b = appendTime(b, "exp", c.ExpiresAt)
	b = appendTime(b, "iat", c.IssuedAt)
	b = appendTime(b, "nbf", c.IssuedAt)
	b = appendMember(b, "jti", c.ID)
	b = appendMember(b, "sid", c.Session)
	b = appendMember(b, "client_id", c.Client)
	if len(c.Scopes) > 0 {
		b = appendMember(b, "scope", strings.Join(c.Scopes, " "))
	}
	b = appendTime(b, "auth_time", c.AuthTime)
	b = appendList(b, "amr", c.Methods)
	if c.Email != "" {
		b = appendMember(b, "email", c.Email)
	}
	if c.Name != "" {
		b = appendMember(b, "name", c.Name)
	}
	b = appendMember(b, "userId", c.Subject)
	return append(b, '}')
}

// appendName begins a member; name needs no escapes.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, `":`...)
}

func appendMember(b []byte, name, value string) []byte {
	return appendString(appendName(b, name), value)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	return strconv.AppendInt(appendName(b, name), t.Unix(), 10)
}

func appendList(b []byte, name string, values []string) []byte {
	b = append(appendName(b, name), '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, value)
	}
	return append(b, ']')
}

// appendString writes s as a JSON string (RFC 8259 §7), with everything but
// plain ASCII escaped, and with ">", "?" and "~" too. Base64 of such a text needs
// none of the two characters that base64url writes in another way, so that pages
// which decode a token's payload by atob and JSON.parse read every name right.
//
// What is not UTF-8 becomes U+FFFD, as encoding/json has it: a JSON text has no
// other way.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r < '~' && r != '>' && r != '?':
			b = append(b, byte(r))
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			b = appendEscape(appendEscape(b, high), low)
		default:
			b = appendEscape(b, r)
		}
	}
	return append(b, '"')
}

func appendEscape(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
