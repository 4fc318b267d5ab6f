package doctor

import (
	"strings"
	"testing"
	"time"
)

// recorded is the evidence of a request in a recording: from a page at
// https://app.shop.example, minutes after a cookie was set there.
func recorded(t *testing.T, url string, a Answer, cookie string, lines ...string) *Evidence {
	t.Helper()
	r, err := NewRequest("", url, lines, "")
	if err != nil {
		t.Fatal(err)
	}
	r.Browser = true
	e := &Evidence{Now: now, Request: *r, Recorded: true, Hops: []Hop{{Method: "GET", URL: r.URL, Credential: r.HasCredential(), Answer: a}}}
	e.Earlier = &Earlier{Page: "https://app.shop.example", Type: "fetch"}
	if cookie != "" {
		e.Earlier.Cookies = []SetCookie{{Host: "app.shop.example", URL: "https://app.shop.example/auth/login", Secure: true, At: now.Add(-5 * time.Minute), Line: cookie, Status: 200}}
	}
	return e
}

func TestCookies(t *testing.T) {
	const same = "https://app.shop.example/api/me"
	no := refusal(401, `{"message":"no session"}`, "Access-Control-Allow-Origin: https://app.shop.example", "Access-Control-Allow-Credentials: true")
	for _, test := range []struct {
		name, url, cookie string
		lines             []string
		want              Cause
		how               Confidence
	}{
		{"too large", same, "sid=" + strings.Repeat("x", 4100) + "; Path=/", nil, "COOKIE_TOO_LARGE", Certain},
		{"__Host- with a domain", same, "__Host-sid=x; Path=/; Secure; Domain=shop.example", nil, "COOKIE_PREFIX", Certain},
		{"__Secure- without Secure", same, "__Secure-sid=x; Path=/", nil, "COOKIE_PREFIX", Certain},
		{"__Host- without a path", same, "__Host-sid=x; Secure", nil, "COOKIE_PREFIX", Certain},
		{"None without Secure", same, "sid=x; Path=/; SameSite=None", nil, "COOKIE_SAMESITE", Likely},
		{"another domain", same, "sid=x; Path=/; Domain=other.example", nil, "COOKIE_DOMAIN", Certain},
		{"host-only at a sibling", "https://api.shop.example/me", "sid=x; Path=/", []string{"Origin: https://app.shop.example", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"}, "COOKIE_DOMAIN", Certain},
		{"the default path", same, "sid=x", nil, "COOKIE_PATH", Certain},
		{"a path", same, "sid=x; Path=/admin", nil, "COOKIE_PATH", Certain},
		{"over", same, "sid=x; Path=/; Max-Age=60", nil, "COOKIE_EXPIRED", Certain},
		{"Max-Age before Expires", same, "sid=x; Path=/; Max-Age=60; Expires=Fri, 01 Jan 2038 00:00:00 GMT", nil, "COOKIE_EXPIRED", Certain},
		{"in clear", "http://app.shop.example/api/me", "sid=x; Path=/; Secure", nil, "COOKIE_SECURE", Certain},
		{"strict, from another site", same, "sid=x; Path=/; SameSite=Strict", []string{"Origin: https://partner.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"}, "COOKIE_SAMESITE", Certain},
		{"no access to storage", same, "sid=x; Path=/; SameSite=None; Secure", []string{"Origin: https://partner.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Storage-Access: none"}, "COOKIE_THIRD_PARTY", Certain},
		{"fetch without credentials", "https://api.shop.example/me", "sid=x; Path=/; Domain=shop.example", []string{"Origin: https://app.shop.example", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"}, "CREDENTIALS_NOT_INCLUDED", Certain},
		{"signed out", same, "sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", nil, "SESSION_ENDED", Certain},
		{"it was sent", same, "sid=x; Path=/", []string{"Cookie: sid=x"}, Unknown, Likely},
		{"of another site", "https://api.other.example/me", "sid=x; Path=/", []string{"Sec-Fetch-Site: cross-site"}, "CREDENTIALS_NOT_INCLUDED", Likely},
	} {
		if d := Diagnose(recorded(t, test.url, no, test.cookie, test.lines...)); d.Cause != test.want || d.Confidence != test.how {
			t.Errorf("%s: %s (%s), want %s (%s): %q", test.name, d.Cause, d.Confidence, test.want, test.how, d.Evidence)
		}
	}
}

// TestFrame: to a frame its own origin is the same; to the browser it is a third
// party.
func TestFrame(t *testing.T) {
	e := recorded(t, "https://app.shop.example/api/me", refusal(401, `{}`), "sid=x; Path=/; SameSite=None; Secure", "Sec-Fetch-Site: same-origin")
	e.Earlier.Top = "https://portal.partner.example/"
	if d := Diagnose(e); d.Cause != "COOKIE_THIRD_PARTY" || d.Confidence != Likely {
		t.Errorf("%s (%s)", d.Cause, d.Confidence)
	}
}

func TestCORS(t *testing.T) {
	const origin = "https://app.shop.example"
	ask := []string{"Origin: " + origin, "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-site", "Authorization: Bearer " + sound}
	for _, test := range []struct {
		name      string
		preflight Answer
		answer    Answer
		more      []string
		want      Cause
	}{
		{"the preflight is refused", refusal(401, ""), refusal(401, ""), nil, "PREFLIGHT_REFUSED"},
		{"the preflight is redirected", refusal(302, "", "Location: /login"), refusal(200, ""), nil, "PREFLIGHT_REFUSED"},
		{"no headers", refusal(204, "", "Access-Control-Allow-Origin: "+origin), refusal(200, "", "Access-Control-Allow-Origin: "+origin), nil, "CORS_HEADER_NOT_ALLOWED"},
		{"a star does not cover it", refusal(204, "", "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Headers: *"), refusal(200, "", "Access-Control-Allow-Origin: "+origin), nil, "CORS_HEADER_NOT_ALLOWED"},
		{"no origin", refusal(204, "", "Access-Control-Allow-Headers: authorization"), refusal(200, ""), nil, "CORS_ORIGIN"},
		{"another origin", refusal(204, "", "Access-Control-Allow-Headers: authorization", "Access-Control-Allow-Origin: https://www.shop.example"), refusal(200, ""), nil, "CORS_ORIGIN"},
		{"the answer has another origin", refusal(204, "", "Access-Control-Allow-Headers: authorization", "Access-Control-Allow-Origin: "+origin), refusal(200, "", "Access-Control-Allow-Origin: https://www.shop.example"), nil, "CORS_ORIGIN"},
		{"twice", refusal(204, "", "Access-Control-Allow-Headers: authorization", "Access-Control-Allow-Origin: "+origin), refusal(200, "", "Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Origin: *"), nil, "CORS_ORIGIN"},
		{"no credentials allowed", refusal(204, "", "Access-Control-Allow-Headers: authorization", "Access-Control-Allow-Origin: "+origin), refusal(200, "", "Access-Control-Allow-Origin: "+origin), []string{"Cookie: sid=x"}, "CORS_CREDENTIALS"},
		{"all is well", refusal(204, "", "Access-Control-Allow-Headers: Authorization", "Access-Control-Allow-Origin: "+origin), refusal(200, "", "Access-Control-Allow-Origin: "+origin), nil, None},
	} {
		r, err := NewRequest("", "https://api.shop.example/me", append(append([]string{}, ask...), test.more...), "")
		if err != nil {
			t.Fatal(err)
		}
		e := &Evidence{Now: now, Request: *r, Preflight: &test.preflight, Hops: []Hop{{Method: "GET", URL: r.URL, Credential: true, Answer: test.answer}}}
		if d := Diagnose(e); d.Cause != test.want || d.Confidence != Certain {
			t.Errorf("%s: %s (%s), want %s: %q", test.name, d.Cause, d.Confidence, test.want, d.Evidence)
		}
	}
}

func TestDPoP(t *testing.T) {
	const challenge = `WWW-Authenticate: DPoP error="invalid_token"`
	bound := jwt(es256, `{"iss":"https://id.example","sub":"1","aud":"orders","cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},"iat":@-600,"exp":@+3600}`)
	proof := func(claims string) string {
		return jwt(`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}}`, claims)
	}
	for _, test := range []struct {
		name   string
		answer Answer
		lines  []string
		want   Cause
		says   string
	}{
		{"no proof", refusal(401, "", challenge), []string{"Authorization: DPoP " + bound}, "SENDER_CONSTRAINED", "no proof"},
		{"as Bearer", refusal(401, "", challenge), []string{"Authorization: Bearer " + bound}, "SENDER_CONSTRAINED", "no proof"},
		{"a nonce", refusal(401, "", `WWW-Authenticate: DPoP error="use_dpop_nonce"`, "DPoP-Nonce: x"), []string{"Authorization: DPoP " + bound, "DPoP: " + proof(`{"htm":"GET","htu":"https://api.example/orders","iat":@-600}`)}, "DPOP_NONCE", "nonce"},
		{"another method", refusal(401, "", `WWW-Authenticate: DPoP error="invalid_dpop_proof"`), []string{"Authorization: DPoP " + bound, "DPoP: " + proof(`{"htm":"POST","htu":"https://api.example/orders","iat":@-600}`)}, "DPOP_PROOF_INVALID", "htm is POST"},
		{"another URL", refusal(401, "", challenge), []string{"Authorization: DPoP " + bound, "DPoP: " + proof(`{"htm":"GET","htu":"https://other.example/orders","iat":@-600}`)}, "DPOP_PROOF_INVALID", "htu is"},
		{"no ath", refusal(401, "", challenge), []string{"Authorization: DPoP " + bound, "DPoP: " + proof(`{"htm":"GET","htu":"https://api.example/orders","iat":@-600}`)}, "DPOP_PROOF_INVALID", "ath is missing"},
		{"no JWT", refusal(401, "", challenge), []string{"Authorization: DPoP " + bound, "DPoP: x"}, "DPOP_PROOF_INVALID", "no JWT"},
	} {
		d := Diagnose(asked(t, test.answer, test.lines...))
		if d.Cause != test.want || !strings.Contains(strings.Join(d.Evidence, "\n"), test.says) {
			t.Errorf("%s: %s (%s), want %s: %q", test.name, d.Cause, d.Confidence, test.want, d.Evidence)
		}
	}
}

func TestSignedRequests(t *testing.T) {
	const v4 = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/eu-west-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024"
	for _, test := range []struct {
		name, url, said string
		lines           []string
		want            Cause
		how             Confidence
		says            string
	}{
		{"it does not match", "", `{"message":"The request signature we calculated does not match the signature you provided."}`, []string{"Authorization: " + v4, "X-Amz-Date: 20261123T115900Z"}, "REQUEST_SIGNATURE", Certain, "we calculated"},
		{"the clock", "", `{"message":"Signature expired: 20261123T110000Z is now earlier than 20261123T115500Z"}`, []string{"Authorization: " + v4, "X-Amz-Date: 20261123T110000Z"}, "REQUEST_SIGNATURE", Certain, "by the server's clock"},
		{"the region", "https://x.execute-api.us-east-1.amazonaws.com/orders", `{"message":"Credential should be scoped to a valid region."}`, []string{"Authorization: " + v4, "X-Amz-Date: 20261123T115900Z"}, "REQUEST_SIGNATURE", Certain, "region eu-west-1"},
		{"the key is unknown", "", `<Error><Code>InvalidAccessKeyId</Code></Error>`, []string{"Authorization: " + v4, "X-Amz-Date: 20261123T115900Z"}, "KEY_INVALID", Certain, "access key"},
		{"the temporary credential", "", `{"message":"The security token included in the request is expired"}`, []string{"Authorization: " + v4, "X-Amz-Date: 20261123T115900Z"}, "EXPIRED", Certain, "expired"},
		{"a signed URL that has run out", "https://cdn.example/a?Expires=1795348800&Signature=abcdefgh~abcdefgh&Key-Pair-Id=K2", `<Error><Code>AccessDenied</Code></Error>`, nil, "EXPIRED", Likely, "signed until"},
		{"a signed URL that does not match", "https://s3.example/a?X-Amz-Date=20261123T115900Z&X-Amz-Expires=600&X-Amz-Signature=abcdefghabcdefgh", `<Error><Code>SignatureDoesNotMatch</Code></Error>`, nil, "REQUEST_SIGNATURE", Certain, "SignatureDoesNotMatch"},
		{"a right that is missing", "", `{"Message":"User: arn:aws:iam::1:user/ada is not authorized to perform: execute-api:Invoke"}`, []string{"Authorization: " + v4, "X-Amz-Date: 20261123T115900Z"}, "NOT_PERMITTED", Likely, "not authorized"},
	} {
		url := or(test.url, "https://api.example/orders")
		r, err := NewRequest("", url, test.lines, "")
		if err != nil {
			t.Fatal(err)
		}
		a := refusal(403, test.said)
		d := Diagnose(&Evidence{Now: now, Request: *r, Hops: []Hop{{Method: "GET", URL: url, Credential: true, Answer: a}}})
		if d.Cause != test.want || d.Confidence != test.how || !strings.Contains(strings.Join(d.Evidence, "\n"), test.says) {
			t.Errorf("%s: %s (%s), want %s (%s): %q", test.name, d.Cause, d.Confidence, test.want, test.how, d.Evidence)
		}
	}
}

// TestCurlyQuotes: quotes that a word processor made are told, and nobody is asked
// for a host of the name of a scheme.
func TestCurlyQuotes(t *testing.T) {
	for text, want := range map[string]string{
		"curl -H “Authorization: Bearer " + sound + "” https://api.example/a":   "Bearer " + sound + "”",
		"curl -H ‘Authorization: Bearer " + sound + "’ ‘https://api.example/a’": "Bearer " + sound + "’",
		"curl https://api.example/a -H Authorization: Bearer " + sound:          "",
		"curl -H Authorization: Bearer " + sound + " https://api.example/a":     "",
	} {
		words, err := Words(text)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ReadCurl(words)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.Get("Authorization"); got != want || r.URL != "https://api.example/a" {
			t.Errorf("%s: %q at %s", clip(text, 60), got, r.URL)
		}
	}
}

// TestNewerToken: a token that another service issues, or that is of another make,
// does not make an older one stale.
func TestNewerToken(t *testing.T) {
	mine := Seen{At: now.Add(-time.Minute), Value: "abcdefgh12345678", Kind: "access", Host: "api.shop.example", Name: "token"}
	for _, test := range []struct {
		newer Seen
		stale bool
	}{
		{Seen{Value: "ijklmnop12345678", Host: "api.shop.example", Name: "token"}, true},
		{Seen{Value: "ijklmnop12345678", Host: "chat.widget.example", Name: "token"}, false},
		{Seen{Value: "ijklmnop12345678", Host: "api.shop.example", Name: "jwt"}, false},
		{Seen{Value: sound, Host: "api.shop.example", Name: "token"}, false},
	} {
		e := recorded(t, "https://api.shop.example/orders", refusal(401, `{}`), "", "Authorization: Bearer "+mine.Value)
		test.newer.At, test.newer.Kind = now.Add(-30*time.Second), "access"
		e.Earlier.Tokens = []Seen{mine, test.newer}
		if d := Diagnose(e); (d.Cause == "STALE_TOKEN_RESENT") != test.stale {
			t.Errorf("%s of %s: %s (%s)", test.newer.Name, test.newer.Host, d.Cause, d.Confidence)
		}
	}
}
