package guard

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// tokens returns n tokens of an issuer whose keys g has.
func tokens(b *testing.B, n int) (g *Guard, all []string) {
	b.Helper()
	i := newIssuer(b)
	g = i.guard(b, func(c *Config) { c.Revocations = &revocations{} })
	for n := range n {
		all = append(all, i.token(b, "jti", "jti-"+strconv.Itoa(n), "sid", "sid-"+strconv.Itoa(n)))
	}
	return g, all
}

// serve measures requests to a handler over one connection, from end to end.
func serve(b *testing.B, h http.Handler, tokens []string) {
	b.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	client := server.Client()
	n := 0
	for b.Loop() {
		r, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+tokens[n%len(tokens)])
		n++
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNoContent {
			b.Fatal(resp.Status, err)
		}
	}
}

var noContent = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// BenchmarkBareHandler is what BenchmarkGuardHit is measured against: the same
// requests, and no guard.
func BenchmarkBareHandler(b *testing.B) {
	_, all := tokens(b, 1000)
	serve(b, noContent, all)
}

// BenchmarkGuardHit: a guarded handler and tokens that were seen before.
func BenchmarkGuardHit(b *testing.B) {
	g, all := tokens(b, 1000)
	for _, token := range all {
		if _, d := g.Verify(b.Context(), token); d != nil {
			b.Fatal(d)
		}
	}
	serve(b, g.Handler(noContent), all)
}

// BenchmarkCheckHit: the decision about a token that was seen before, alone.
func BenchmarkCheckHit(b *testing.B) {
	g, all := tokens(b, 1000)
	r := httptest.NewRequest("GET", "/", nil)
	var fields [][]string
	for _, token := range all {
		fields = append(fields, []string{"Bearer " + token})
	}
	check := func(n int) {
		r.Header["Authorization"] = fields[n%len(fields)]
		if _, d := g.Check(r); d != nil {
			b.Fatal(d)
		}
	}
	for n := range fields {
		check(n)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		check(n)
		n++
	}
}

// BenchmarkGuardFirstSight: the decision about a token that was never seen.
func BenchmarkGuardFirstSight(b *testing.B) {
	i := newIssuer(b)
	g := i.guard(b, func(c *Config) { c.CacheSize = -1 })
	token := i.token(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, d := g.Verify(b.Context(), token); d != nil {
			b.Fatal(d)
		}
	}
}

// BenchmarkBareSignature is what no check of a first sight can be faster than.
func BenchmarkBareSignature(b *testing.B) {
	private := newSigner(b, "first", "ES256").private.(*ecdsa.PrivateKey)
	digest := sha256.Sum256([]byte("a token"))
	signature, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if !ecdsa.VerifyASN1(&private.PublicKey, digest[:], signature) {
			b.Fatal("not genuine")
		}
	}
}

// BenchmarkGarbage: what a stranger's made-up token costs.
func BenchmarkGarbage(b *testing.B) {
	i := newIssuer(b)
	g := i.guard(b)
	token := i.token(b)
	forged := newSigner(b, i.id, "ES256").sign(b, i.claims())
	if _, d := g.Verify(b.Context(), token); d != nil {
		b.Fatal(d)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, d := g.Verify(b.Context(), forged); d == nil {
			b.Fatal("it is let through")
		}
	}
}
