package doctor

import (
	"encoding/base64"
	"testing"
)

// siblings are what comparable services write or send for the same.
var siblings = []struct {
	want   Cause
	sent   string
	status int
	said   string
	fields []string
}{
	// A request that is signed by a scheme of the service's own.
	{"REQUEST_SIGNATURE", "EG1-HMAC-SHA256 client_token=akab-x;access_token=akab-y;timestamp=20261128T10:00:00+0000;nonce=n;signature=c2ln", 401, `{"detail":"The signature does not match"}`, nil},
	{"REQUEST_SIGNATURE", "TC3-HMAC-SHA256 Credential=AKIDx/2026-11-28/cvm/tc3_request, SignedHeaders=host, Signature=72e494ea", 401, `{"Code":"AuthFailure.SignatureFailure","Message":"The signature is not valid"}`, nil},
	{"REQUEST_SIGNATURE", "ACS3-HMAC-SHA256 Credential=LTAI5t,SignedHeaders=host,Signature=06563a9e", 403, `{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation."}`, nil},
	{"REQUEST_SIGNATURE", "SDK-HMAC-SHA256 Access=QTWA, SignedHeaders=host, Signature=4be8", 401, `{"error_msg":"Incorrect IAM authentication information: verify aksk signature fail","error_code":"APIGW.0301"}`, nil},
	{"REQUEST_SIGNATURE", "GOOG4-RSA-SHA256 Credential=x/20261128/auto/storage/goog4_request, SignedHeaders=host, Signature=ab12", 403, `<Error><Code>SignatureDoesNotMatch</Code></Error>`, nil},
	{"REQUEST_SIGNATURE", "OSS4-HMAC-SHA256 Credential=LTAI5t/20261128/cn/oss/aliyun_v4_request,Signature=ab12", 403, `<Error><Code>SignatureDoesNotMatch</Code></Error>`, nil},
	{"REQUEST_SIGNATURE", "HMAC-SHA256 Credential=id&SignedHeaders=host&Signature=c2ln", 401, `{"detail":"Invalid Signature"}`, nil},

	// Basic that no server can read.
	{"BASIC_ENCODING", "Basic " + base64.StdEncoding.EncodeToString([]byte("a\x00d\x00a\x00:\x00p\x00w\x00")), 401, "", []string{"WWW-Authenticate: Basic"}},
	{"BASIC_ENCODING", "Basic " + base64.StdEncoding.EncodeToString([]byte("\uFEFFada:winter-77")), 401, "", []string{"WWW-Authenticate: Basic"}},
	{"BASIC_ENCODING", "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:winter-77\r\n")), 401, "", []string{"WWW-Authenticate: Basic"}},
	{"BASIC_ENCODING", "Basic " + base64.StdEncoding.EncodeToString([]byte("ada\t:winter-77")), 401, "", []string{"WWW-Authenticate: Basic"}},
	{"WHITESPACE", "Basic YWRhOndp\nbnRlci03Nw==", 401, "", []string{"WWW-Authenticate: Basic"}},

	// A firewall that leaves its mark.
	{"POLICY_BLOCKED", "Bearer " + sound, 403, "Forbidden", []string{"X-Vercel-Mitigated: deny"}},
	{"POLICY_BLOCKED", "Bearer " + sound, 403, "Forbidden", []string{"Cf-Mitigated: challenge"}},
	{"POLICY_BLOCKED", "Bearer " + sound, 403, "", []string{"X-Amzn-Waf-Action: captcha"}},
	{"POLICY_BLOCKED", "Bearer " + sound, 403, "", []string{"X-Waf-Rule-Id: 942100"}},
	{"POLICY_BLOCKED", "Bearer " + sound, 401, "", []string{"X-Block-Reason: asn"}},
	{"NOT_PERMITTED", "Bearer " + sound, 403, `{}`, []string{"X-Waf-Action: allow"}},

	// A certificate that did not come.
	{"TLS_CLIENT_CERT", "Bearer " + sound, 401, `{"message":"No required TLS certificate was sent"}`, nil},
	{"TLS_CLIENT_CERT", "Bearer " + sound, 401, `{"message":"TLS certificate failed verification"}`, nil},
	{"TLS_CLIENT_CERT", "Bearer " + sound, 403, `{"error":"missing client TLS certificate"}`, nil},
	{"TLS_CLIENT_CERT", "Bearer " + sound, 403, `{"error":"Invalid client certificate"}`, nil},
	{"TLS_CLIENT_CERT", "Bearer " + sound, 401, `{"errors":["client certificate must be supplied"]}`, nil},
	{"TLS_CLIENT_CERT", "Bearer " + sound, 401, `{"error":"peer did not present a certificate"}`, nil},
	{"KEYS_UNREACHABLE", "Bearer " + sound, 401, `{"error":"failed to fetch JWKS: invalid peer certificate: UnknownIssuer"}`, nil},

	// A portal before the application, for scripts.
	{"PROXY_ANSWERED", "Bearer " + sound, 401, "", []string{"Location: https://auth.shop.example/?rd=https%3A%2F%2Fapi.example%2Forders"}},
	{"PROXY_ANSWERED", "Bearer " + sound, 401, "Unauthorized", []string{"Set-Cookie: authentik_proxy_abc=x; Path=/"}},
	{"PROXY_ANSWERED", "Bearer " + sound, 401, "", []string{"Set-Cookie: _oauth2_proxy_csrf=x; Path=/"}},

	// What is no server of the application's at all.
	{"WRONG_HOST", "Bearer " + sound, 403, "", []string{"Server: AirTunes/775.3.1"}},
	{"WRONG_HOST", "Bearer 7f4b1c92d0e84c6fa3b5", 403, "", []string{"Server: AirTunes/775.3.1"}},
	{"WRONG_HOST", "Bearer " + sound, 401, "", []string{"Server: Linux/3.14.0 UPnP/1.0 IpBridge/1.26.0"}},
}

func TestSiblings(t *testing.T) {
	for _, test := range siblings {
		e := asked(t, refusal(test.status, test.said, test.fields...))
		e.Request.Header = append(e.Request.Header, Field{"Authorization", test.sent})
		e.Hops[0].Credential = true
		if d := Diagnose(e); d.Cause != test.want {
			t.Errorf("%s: %s (%s), for %s %v", test.want, d.Cause, d.Confidence, clip(test.said, 90), test.fields)
		}
	}
}

// TestAnyway: what is said without a credential too proves nothing of the one that
// was sent.
func TestAnyway(t *testing.T) {
	for said, want := range map[string]Cause{
		`{"errors":"Invalid API key or access token"}`:   "KEY_INVALID",
		`{"error":"invalid signature"}`:                  "BAD_SIGNATURE",
		`{"error":"session revoked"}`:                    "SESSION_ENDED",
		`{"error":"user is suspended"}`:                  "USER_SUSPENDED",
		`{"error":"insufficient_scope"}`:                 "INSUFFICIENT_SCOPE",
		`{"error":"the audience of the token is wrong"}`: "WRONG_AUDIENCE",
	} {
		sent := "Authorization: Bearer " + sound
		if want == "KEY_INVALID" {
			sent = "X-API-Key: abcdefgh12345678"
		}
		a, other := refusal(401, said), refusal(401, `{"error":"no credential"}`)
		e := asked(t, a, sent)
		e.Bare = &other
		if d := Diagnose(e); d.Cause != want || d.Confidence != Certain {
			t.Errorf("%s: %s (%s), want %s", said, d.Cause, d.Confidence, want)
		}
		e.Bare = &a
		if d := Diagnose(e); d.Confidence == Certain {
			t.Errorf("%s, and without a credential too: %s (%s)", said, d.Cause, d.Confidence)
		}
	}
	e := asked(t, refusal(403, ""), "Authorization: Bearer "+sound)
	e.Bare = &e.Hops[0].Answer
	if d := Diagnose(e); d.Cause == "NOT_PERMITTED" {
		t.Error("a bare 403 for everybody is said to be of one who was recognised")
	}
}
