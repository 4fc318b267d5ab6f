package interop

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/c2sp/wycheproof"

	"github.com/doorward/doorward/verify"
)

// jwsFile is the form of the vector files for JWS and for JWK.
type jwsFile struct {
	NumberOfTests int
	TestGroups    []struct {
		Comment string
		Public  json.RawMessage // a JWK or a JWK Set
		Private json.RawMessage // likewise, where there is no public one
		Tests   []struct {
			TCID    int
			Comment string
			JWS     string
			Result  string
			Flags   []string
		}
	}
}

// TestWycheproofJWS runs the JWS and JWK vectors as tokens. No payload of
// theirs is an object, so the best that can become of one is a signature found
// genuine and a payload refused.
func TestWycheproofJWS(t *testing.T) {
	for _, tt := range []struct {
		file  string
		tests int
		// verdicts counts the tests by their result and by the check that they
		// fail here: a vector that is not run, or for another reason, shows.
		verdicts map[string]int
		// unsupported counts the valid tests whose key is for an algorithm that
		// is not taken here, by that algorithm.
		unsupported map[string]int
		// genuine names the invalid tests whose signature is genuine here, with
		// the reason.
		genuine map[int]string
	}{
		{
			file: "json_web_signature_test.json", tests: 401,
			verdicts: map[string]int{
				"valid payload": 10, "valid setup": 36,
				"invalid setup": 93, "invalid form": 10, "invalid header": 5, "invalid alg": 1, "invalid kid": 2, "invalid signature": 244,
			},
			unsupported: map[string]int{"HS256": 10, "RS384": 4, "RS512": 4, "PS256": 8, "PS384": 4, "PS512": 4, "ES521": 2},
		},
		{
			file: "json_web_key_test.json", tests: 26,
			verdicts:    map[string]int{"valid payload": 1, "valid setup": 4, "invalid setup": 19, "invalid alg": 1, "invalid payload": 1},
			unsupported: map[string]int{"HS256": 2, "HS384": 1, "HS512": 1},
			genuine: map[int]string{
				7: "the key has the ROCA weakness (CVE-2017-15361); who publishes a key answers for it",
			},
		},
	} {
		t.Run(tt.file, func(t *testing.T) {
			text, err := fs.ReadFile(wycheproof.TestVectors, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			var file jwsFile
			if err := json.Unmarshal(text, &file); err != nil {
				t.Fatal(err)
			}
			tests, verdicts, unsupported := 0, make(map[string]int), make(map[string]int)
			for _, group := range file.TestGroups {
				jwk := group.Public
				if jwk == nil {
					jwk = group.Private
				}
				keys := parseKeys(t, jwk)
				for _, v := range group.Tests {
					tests++
					check := checkOf(t, v.JWS, keys)
					verdicts[v.Result+" "+string(check)]++
					_, explained := tt.genuine[v.TCID]
					switch {
					case v.Result == "valid" && keys.Len() == 0:
						unsupported[algorithmOf(t, jwk)]++
					case v.Result == "valid" != pastSignature(check) && !explained:
						t.Errorf("%d (%s, %s, %v): %s here", v.TCID, v.Comment, v.Result, v.Flags, check)
					}
				}
			}
			if tests != tt.tests || tests != file.NumberOfTests {
				t.Errorf("ran %d of %d tests, want %d", tests, file.NumberOfTests, tt.tests)
			}
			if !maps.Equal(verdicts, tt.verdicts) {
				t.Errorf("verdicts %v, want %v", verdicts, tt.verdicts)
			}
			if !maps.Equal(unsupported, tt.unsupported) {
				t.Errorf("unsupported %v, want %v", unsupported, tt.unsupported)
			}
		})
	}
}

// parseKeys takes a key as well as a set of keys.
func parseKeys(t *testing.T, jwk []byte) verify.KeySet {
	t.Helper()
	keys, _, err := verify.ParseKeySet(jwk)
	if errors.Is(err, verify.ErrNotKeySet) {
		keys, _, err = verify.ParseKeySet(slices.Concat([]byte(`{"keys":[`), jwk, []byte(`]}`)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func algorithmOf(t *testing.T, jwk []byte) string {
	t.Helper()
	var key struct {
		Alg  string
		Keys []struct{ Alg string }
	}
	if err := json.Unmarshal(jwk, &key); err != nil {
		t.Fatal(err)
	}
	if len(key.Keys) > 0 {
		return key.Keys[0].Alg
	}
	return key.Alg
}

// checkOf returns the check that a token fails; all the vectors fail one.
func checkOf(t *testing.T, token string, keys verify.KeySet) verify.Check {
	t.Helper()
	rules := verify.Rules{Issuer: "https://id.example", Audience: []string{"https://api.example"}, Algorithms: verify.Algorithms()}
	_, err := verify.Token(token, keys, rules, time.Unix(0, 0))
	var f *verify.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%q: %v", token, err)
	}
	return f.Check
}

func pastSignature(c verify.Check) bool {
	return slices.Index(verify.Checks(), c) > slices.Index(verify.Checks(), verify.CheckSignature)
}
