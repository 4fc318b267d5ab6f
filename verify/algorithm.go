package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"slices"
)

// Algorithm is a signature algorithm by its JWS name (RFC 7518 §3.1).
type Algorithm string

// The algorithms. There is none with a shared secret: whoever can check such a
// token can make one.
const (
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256 (RFC 7518 §3.4)
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3)
	EdDSA Algorithm = "EdDSA" // Ed25519 (RFC 8037 §3.1); never Ed448
)

// Algorithms returns all algorithms that this package knows.
func Algorithms() []Algorithm { return []Algorithm{ES256, RS256, EdDSA} }

func (a Algorithm) known() bool { return slices.Contains(Algorithms(), a) }

// coordinateSize is the length of a coordinate or a scalar of P-256, in bytes.
const coordinateSize = 32

// signatureSize returns the one length in bytes that a signature by k has.
func (k *Key) signatureSize() int {
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		return 2 * coordinateSize // r and s, each of full length (RFC 7518 §3.4)
	case *rsa.PublicKey:
		return pub.Size()
	default:
		return ed25519.SignatureSize
	}
}

// genuine reports whether signature is k's over input (RFC 7515 §5.2, step 8).
// k must come from NewKey.
func (k *Key) genuine(input, signature []byte) bool {
	if len(signature) != k.signatureSize() {
		return false
	}
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(input)
		var der [maxDER]byte
		// VerifyASN1 refuses r and s outside [1, n-1].
		return ecdsa.VerifyASN1(pub, digest[:], appendDER(der[:0], signature))
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(pub, input, signature)
	default:
		return false
	}
}

// Tags of ASN.1.
const (
	derInteger  = 0x02
	derSequence = 0x30
)

// maxDER is the longest SEQUENCE of two INTEGERs of coordinateSize: a tag and a
// length each, and a zero byte before an integer whose top bit is set.
const maxDER = 2 + 2*(2+1+coordinateSize)

// appendDER turns r || s into the form that crypto/ecdsa checks without a
// detour over big.Int.
func appendDER(b, signature []byte) []byte {
	b = append(b, derSequence, 0)
	b = appendInteger(b, signature[:coordinateSize])
	b = appendInteger(b, signature[coordinateSize:])
	b[1] = byte(len(b) - 2)
	return b
}

func appendInteger(b, n []byte) []byte {
	for len(n) > 1 && n[0] == 0 {
		n = n[1:]
	}
	if n[0]&0x80 != 0 {
		b = append(b, derInteger, byte(len(n)+1), 0)
	} else {
		b = append(b, derInteger, byte(len(n)))
	}
	return append(b, n...)
}
