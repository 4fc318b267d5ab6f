package verify_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/doorward/doorward/verify"
)

// checkVerdict checks what holds for every token: the error is a Failure with
// a listed check, and it repeats nothing of the token.
func checkVerdict(t *testing.T, token string, c *verify.Claims, err error) {
	t.Helper()
	if err == nil {
		if c == nil || c.Subject == "" || c.TokenID == "" || c.ExpiresAt.IsZero() {
			t.Errorf("accepted with %+v", c)
		}
		return
	}
	var f *verify.Failure
	if !errors.As(err, &f) || c != nil || !slices.Contains(verify.Checks(), f.Check) {
		t.Fatalf("%+v, %#v", c, err)
	}
	if f.Reason().Text == "" {
		t.Errorf("%s says nothing", f.Check)
	}
}

// FuzzToken: nobody without a key makes a token, so nothing but the tokens of
// the corpus is accepted.
func FuzzToken(f *testing.F) {
	file, keys := readVectors(f)
	genuine := make(map[string]bool)
	for _, v := range file.Vectors {
		f.Add(v.Token)
		rules, at := file.of(v)
		if _, err := verify.Token(v.Token, keys, rules, at); err == nil {
			genuine[v.Token] = true
		}
	}
	rules, at := file.of(vector{})
	f.Fuzz(func(t *testing.T, token string) {
		c, err := verify.Token(token, keys, rules, at)
		checkVerdict(t, token, c, err)
		if err == nil && !genuine[token] {
			t.Errorf("forged: %q", token)
		}
		in, inErr := verify.Unverified(token)
		if err == nil && (inErr != nil || in.Claims.Ref() != c.Ref()) {
			t.Errorf("accepted, but read as %+v, %v", in, inErr)
		}
		if kid, err := verify.KeyID(token); err == nil && kid != in.KeyID {
			t.Errorf("kid %q and %q", kid, in.KeyID)
		}
	})
}

// FuzzClaims puts headers and payloads of any kind behind a genuine signature.
func FuzzClaims(f *testing.F) {
	f.Add(eddsa.header().String(), claims().String())
	f.Add(eddsa.header().with("typ", `"JWT"`).String(), claims().with("aud", `["a"]`).String())
	f.Add(eddsa.header().without("typ").String(), claims().with("exp", "1e10").without("nbf").String())
	keys, rules := keySet(), rules()
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := eddsa.token(header, payload)
		c, err := verify.Token(token, keys, rules, now)
		checkVerdict(t, token, c, err)
		if err == nil && (c.Issuer != issuer || !slices.Contains(c.Audience, audience) || c.Active(now) != nil) {
			t.Errorf("accepted: %+v", c)
		}
	})
}

// FuzzParseKeySet: what is published again reads as the same set, with nothing
// to skip.
func FuzzParseKeySet(f *testing.F) {
	f.Add(keySet().JSON())
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA","kid":"a"},{"kty":"RSA","n":"AQ","e":"AQAB","kid":"b"},1]}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, _, err := verify.ParseKeySet(text)
		if err != nil {
			if !errors.Is(err, verify.ErrNotKeySet) {
				t.Fatal(err)
			}
			return
		}
		again, skipped, err := verify.ParseKeySet(keys.JSON())
		if err != nil || len(skipped) > 0 || string(again.JSON()) != string(keys.JSON()) {
			t.Errorf("%s became %s, %v, %v", keys.JSON(), again.JSON(), skipped, err)
		}
	})
}
