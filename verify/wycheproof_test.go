package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"
)

// hexBytes is a member in hexadecimal.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// signatureFile is what the vector files for ECDSA in P1363 form, Ed25519 and
// RSA PKCS #1 v1.5 have in common.
type signatureFile struct {
	NumberOfTests int
	TestGroups    []struct {
		PublicKey struct {
			Uncompressed   hexBytes // EC
			PK             hexBytes // Ed25519
			Modulus        hexBytes // RSA
			PublicExponent hexBytes // RSA
		}
		Tests []struct {
			TCID    int
			Comment string
			Flags   []string
			Msg     hexBytes
			Sig     hexBytes
			Result  string
		}
	}
}

func TestWycheproofSignatures(t *testing.T) {
	for _, tt := range []struct {
		file  string
		alg   Algorithm
		tests int // so that a change of the files' form cannot leave none
		small int // tests whose key NewKey refuses, for its exponent of 3
	}{
		{"ecdsa_secp256r1_sha256_p1363_test.json", ES256, 262, 0},
		{"ed25519_test.json", EdDSA, 151, 0},
		{"rsa_signature_2048_sha256_test.json", RS256, 259, 2},
		{"rsa_signature_3072_sha256_test.json", RS256, 259, 1},
		{"rsa_signature_4096_sha256_test.json", RS256, 258, 0},
		{"rsa_signature_8192_sha256_test.json", RS256, 258, 0},
	} {
		t.Run(tt.file, func(t *testing.T) {
			text, err := fs.ReadFile(wycheproof.TestVectors, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			var file signatureFile
			if err := json.Unmarshal(text, &file); err != nil {
				t.Fatal(err)
			}
			tests, small := 0, 0
			for _, group := range file.TestGroups {
				var pub crypto.PublicKey
				switch p := group.PublicKey; tt.alg {
				case ES256:
					pub, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), p.Uncompressed)
				case EdDSA:
					pub = ed25519.PublicKey(p.PK)
				case RS256:
					pub = &rsa.PublicKey{N: new(big.Int).SetBytes(p.Modulus), E: int(new(big.Int).SetBytes(p.PublicExponent).Int64())}
				}
				if err != nil {
					t.Fatal(err)
				}
				k, err := NewKey("k", tt.alg, pub)
				for _, v := range group.Tests {
					tests++
					if err != nil && slices.Contains(v.Flags, "SmallPublicKey") {
						small++
						continue
					}
					if err != nil {
						t.Fatalf("%d: %v", v.TCID, err)
					}
					// MissingNull leaves out the NULL of the DigestInfo. RFC 8017
					// §9.2 wants it; Wycheproof lets both pass.
					if v.Result == "acceptable" && !slices.Equal(v.Flags, []string{"MissingNull"}) {
						t.Errorf("%d: no explanation for %v", v.TCID, v.Flags)
					}
					if got := k.genuine(v.Msg, v.Sig); got != (v.Result == "valid") {
						t.Errorf("%d (%s, %v): %v, want %s", v.TCID, v.Comment, v.Flags, got, v.Result)
					}
				}
			}
			if tests != file.NumberOfTests || tests != tt.tests || small != tt.small {
				t.Errorf("ran %d of %d tests, %d of them with a small key; want %d and %d", tests, file.NumberOfTests, small, tt.tests, tt.small)
			}
		})
	}
}
