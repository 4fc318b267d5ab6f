package guard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/verify"
)

const audience = "https://api.example.com"

// clock is a clock that stands still unless it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// signer is a key that signs tokens.
type signer struct {
	id      string
	alg     verify.Algorithm
	private crypto.Signer
}

func newSigner(t testing.TB, id string, alg verify.Algorithm) *signer {
	t.Helper()
	s := &signer{id: id, alg: alg}
	var err error
	switch alg {
	case verify.ES256:
		s.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case verify.EdDSA:
		_, s.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no key for %s", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *signer) key() verify.Key {
	return verify.Key{ID: s.id, Algorithm: s.alg, Public: s.private.Public()}
}

func (s *signer) sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := part(map[string]any{"alg": s.alg, "typ": "at+jwt", "kid": s.id}) + "." + part(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(s.signature(t, input))
}

func (s *signer) signature(t testing.TB, input string) []byte {
	t.Helper()
	switch private := s.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(input))
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256([]byte(input))
		r, ss, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), ss.FillBytes(make([]byte, 32))...)
	}
	t.Fatal("no such key")
	return nil
}

// issuer is an issuer's web server, whose answers can be changed.
type issuer struct {
	*httptest.Server
	*signer // the first key
	clock   *clock

	mu       sync.Mutex
	set      []byte
	metadata string            // where it is; empty for nowhere
	header   map[string]string // of the answer with the key set
	status   int               // in place of an answer; 0 for none
	hold     chan struct{}     // answers wait for it, unless nil
	asked    chan struct{}     // gets a value for each request, unless nil
	fetches  int               // of the key set
	tried    []string          // paths that were asked for
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{clock: newClock(), signer: newSigner(t, "first", verify.ES256)}
	i.publish(t, i.signer)
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	hold, asked := i.hold, i.asked
	i.tried = append(i.tried, r.URL.Path)
	i.mu.Unlock()
	if asked != nil {
		asked <- struct{}{}
	}
	if hold != nil {
		<-hold
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch r.URL.Path {
	case i.metadata:
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/elsewhere/keys")
	case "/elsewhere/keys", "/.well-known/jwks.json":
		i.fetches++
		w.Header().Set("Date", i.clock.now().Format(http.TimeFormat))
		for name, value := range i.header {
			w.Header().Set(name, value)
		}
		if i.status != 0 {
			w.WriteHeader(i.status)
			return
		}
		_, _ = w.Write(i.set)
	default:
		http.NotFound(w, r)
	}
}

// change changes how the issuer answers.
func (i *issuer) change(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *issuer) publish(t testing.TB, signers ...*signer) {
	t.Helper()
	keys := make([]verify.Key, len(signers))
	for n, s := range signers {
		keys[n] = s.key()
	}
	set, err := verify.NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	i.change(func() { i.set = set.JSON() })
}

func (i *issuer) fetched() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

func (i *issuer) url(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(i.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// claims are those of a sound token, issued now, changed by pairs of a name
// and a value; nil takes a claim away.
func (i *issuer) claims(pairs ...any) map[string]any {
	now := i.clock.now().Unix()
	claims := map[string]any{
		"iss": i.URL, "sub": "anna", "aud": audience, "exp": now + 900, "iat": now, "nbf": now,
		"jti": "jti-1", "sid": "sid-1", "client_id": "web", "scope": "orders:read", "auth_time": now, "amr": []string{"pwd"},
		"email": "anna@example.com", "name": "Anna",
	}
	for n := 0; n < len(pairs); n += 2 {
		if name := pairs[n].(string); pairs[n+1] == nil {
			delete(claims, name)
		} else {
			claims[name] = pairs[n+1]
		}
	}
	return claims
}

func (i *issuer) token(t testing.TB, pairs ...any) string {
	t.Helper()
	return i.sign(t, i.claims(pairs...))
}

// guard returns a guard of this issuer, by this issuer's clock.
func (i *issuer) guard(t testing.TB, change ...func(*Config)) *Guard {
	t.Helper()
	c := Config{Issuer: i.URL, Audience: []string{audience}, Now: i.clock.now}
	for _, f := range change {
		f(&c)
	}
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// settle waits for a fetch that is under way.
func settle(r *RemoteKeys) {
	r.mu.Lock()
	f := r.flight
	r.mu.Unlock()
	if f != nil {
		<-f.done
	}
}
