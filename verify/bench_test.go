package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/doorward/doorward/verify"
)

// BenchmarkToken is the whole check of a token never seen before; compare with
// BenchmarkBareSignature.
func BenchmarkToken(b *testing.B) {
	keys, rules := keySet(), rules()
	for _, s := range signers {
		token := s.good()
		b.Run(string(s.key.Algorithm), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verify.Token(token, keys, rules, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBareSignature is the part of it that cannot be saved: the hash of
// the same input and the standard library's check of the same signature.
func BenchmarkBareSignature(b *testing.B) {
	for _, s := range signers {
		token := s.good()
		input := []byte(token[:strings.LastIndexByte(token, '.')])
		digest := sha256.Sum256(input)
		check := func() bool { return false }
		switch private := s.private.(type) {
		case *ecdsa.PrivateKey:
			signature := must(private.Sign(nil, digest[:], crypto.SHA256))
			check = func() bool {
				digest := sha256.Sum256(input)
				return ecdsa.VerifyASN1(&private.PublicKey, digest[:], signature)
			}
		case *rsa.PrivateKey:
			signature := must(private.Sign(nil, digest[:], crypto.SHA256))
			check = func() bool {
				digest := sha256.Sum256(input)
				return rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest[:], signature) == nil
			}
		case ed25519.PrivateKey:
			signature := must(private.Sign(nil, input, crypto.Hash(0)))
			public := private.Public().(ed25519.PublicKey)
			check = func() bool { return ed25519.Verify(public, input, signature) }
		}
		b.Run(string(s.key.Algorithm), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !check() {
					b.Fatal("not genuine")
				}
			}
		})
	}
}

// BenchmarkActive is what a token costs that was seen before.
func BenchmarkActive(b *testing.B) {
	c := must(verify.Token(es256.good(), keySet(), rules(), now))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Active(now); err != nil {
			b.Fatal(err)
		}
	}
}
