package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"strings"
	"sync"

	"github.com/doorward/doorward/internal/ulid"
)

// TokenPrefix begins every refresh token, so that a scanner can find a leaked
// one and a person can tell it from an access token.
const TokenPrefix = "dwr_"

// Token is what a refresh token says. Nothing of it is stored: the MAC proves
// that this server issued it, and the session's row tells what it is worth.
type Token struct {
	Session    ulid.ID
	Generation uint32
	Nonce      Nonce
}

// The binary form: version, session, generation, nonce, MAC. 69 bytes are 92
// characters of base64url without a bit to spare, so a token has one spelling.
const (
	tokenVersion = 1
	bodySize     = 1 + 16 + 4 + 16
	tokenSize    = bodySize + sha256.Size
)

var tokenEncoding = base64.RawURLEncoding

// TokenLength is the length of a refresh token in bytes.
var TokenLength = len(TokenPrefix) + tokenEncoding.EncodedLen(tokenSize)

// What is no refresh token of this server: text that none of its refresh tokens
// looks like, and text that looks like one and has no key's MAC.
var (
	ErrMalformed = errors.New("session: not a refresh token")
	ErrForged    = errors.New("session: not a refresh token of this server")
)

// Key authenticates refresh tokens. It is used for nothing else.
type Key struct {
	macs *sync.Pool // of HMACs with the key: to begin one costs more than the rest
}

// NewKey returns the key with a secret.
func NewKey(secret [32]byte) Key {
	return Key{&sync.Pool{New: func() any { return hmac.New(sha256.New, secret[:]) }}}
}

// Keys are the keys in force: tokens are issued under the first, and taken
// under any.
type Keys []Key

// Issue writes t as a refresh token. It is a secret.
func (k Keys) Issue(t Token) string {
	var raw [tokenSize]byte
	body := t.body(raw[:0])
	k[0].mac(body[bodySize:bodySize], "token", body)
	b := make([]byte, TokenLength)
	copy(b, TokenPrefix)
	tokenEncoding.Encode(b[len(TokenPrefix):], raw[:])
	return string(b)
}

// Open reads a refresh token and the key that it was issued under. It asks no
// store: what a stranger makes up ends here. ErrForged may also mean that another
// node has made a key that these do not hold yet.
func (k Keys) Open(s string) (Token, Key, error) {
	var raw [tokenSize]byte
	text, ok := strings.CutPrefix(s, TokenPrefix)
	// The decoder skips CR and LF; the exact length leaves no room for them.
	if !ok || len(s) != TokenLength || strings.ContainsAny(s, "\r\n") {
		return Token{}, Key{}, ErrMalformed
	}
	if _, err := tokenEncoding.Decode(raw[:], []byte(text)); err != nil || raw[0] != tokenVersion {
		return Token{}, Key{}, ErrMalformed
	}
	for _, key := range k {
		var want [sha256.Size]byte
		key.mac(want[:0], "token", raw[:bodySize])
		if hmac.Equal(want[:], raw[bodySize:]) {
			t := Token{Generation: binary.BigEndian.Uint32(raw[17:])}
			copy(t.Session[:], raw[1:])
			copy(t.Nonce[:], raw[21:])
			return t, key, nil
		}
	}
	return Token{}, Key{}, ErrForged
}

// Successor returns the token that follows t for the attempt a. The same two
// always give the same token, so that an answer that was lost can be given
// again without having been stored. key is the one t was issued under, which
// keeps that true while keys rotate.
func (key Key) Successor(t Token, a Attempt) Token {
	var body [bodySize + len(a)]byte
	copy(body[bodySize:], a[:])
	t.body(body[:0])
	var sum [sha256.Size]byte
	key.mac(sum[:0], "successor", body[:])
	next := Token{Session: t.Session, Generation: t.Generation + 1}
	copy(next.Nonce[:], sum[:])
	return next
}

// Fresh returns a token of the same generation as t with a nonce of its own.
func (t Token) Fresh() Token {
	// crypto/rand.Read never fails: it ends the program rather than return
	// bytes that are not random.
	_, _ = rand.Read(t.Nonce[:])
	return t
}

// First returns the first token of a session.
func First(id ulid.ID) Token { return Token{Session: id, Generation: 1}.Fresh() }

func (t Token) body(b []byte) []byte {
	b = append(b, tokenVersion)
	b = append(b, t.Session[:]...)
	b = binary.BigEndian.AppendUint32(b, t.Generation)
	return append(b, t.Nonce[:]...)
}

// mac appends the MAC of data for one purpose; the purpose is part of what is
// authenticated, so that no MAC made for one can serve the other.
func (key Key) mac(b []byte, purpose string, data []byte) []byte {
	m := key.macs.Get().(hash.Hash)
	defer key.macs.Put(m)
	m.Reset()
	m.Write([]byte("doorward refresh " + purpose + "\x00"))
	m.Write(data)
	return m.Sum(b)
}
