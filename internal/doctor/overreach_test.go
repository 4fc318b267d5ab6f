package doctor

import "testing"

// overreach are refusals that mention what is not their cause.
var overreach = []struct {
	not    Cause // must not be the cause
	status int
	said   string
}{
	{"EXPIRED", 403, `{"error":"Your subscription has expired"}`},
	{"CLOCK_SKEW", 403, `{"error":"Your subscription has expired"}`},
	{"CLOCK_SKEW", 401, `{"error":"license expired"}`},
	{"MFA_DUE", 401, `{"error":"Invalid credentials","mfa_required":false}`},
	{"USER_SUSPENDED", 401, `{"error":"Unauthorized","account_locked":false}`},
	{"SESSION_ENDED", 401, `{"error":"Unauthorized","session_expired":false,"revoked":null}`},
	{"CLOCK_SKEW", 401, `{"error":"Unauthorized","expired":false}`},
	{"USER_SUSPENDED", 401, `{"error":"Unauthorized","help":"If your account is suspended, contact support"}`},
	{"SESSION_ENDED", 401, `{"error":"Unauthorized","possible_reasons":["token revoked","token expired","wrong audience"]}`},
	{"SESSION_ENDED", 401, `{"error":"The token may have been revoked or expired"}`},
	{"SESSION_ENDED", 401, `{"error":"Unauthorized. Check that your token has not been revoked."}`},
	{"EXPIRED", 401, `{"error":"Check whether the token has expired"}`},
	{"CLOCK_SKEW", 401, `{"error":"Check whether the token has expired"}`},
	{"CLOCK_SKEW", 401, `{"error":"Please make sure that your token is not expired"}`},
	{"RATE_LIMITED_AS_401", 401, `{"error":"Unauthorized","rate_limit":{"limit":100,"remaining":99}}`},
	{"CSRF_REFUSED", 401, `{"error":"Unauthorized","csrf_token":"abcdefgh"}`},
	{"CSRF_REFUSED", 401, `{"error":"Unauthorized","csrf":"ok"}`},
	{"POLICY_BLOCKED", 401, `{"error":"Unauthorized","security_policy":"https://api.example/policy"}`},
	{"INSUFFICIENT_SCOPE", 401, `{"error":"invalid_token","scopes_supported":["read","write"]}`},
	{"MISSING_CLAIM", 401, `{"error":"Unauthorized","docs":"Every token must contain the claim sub"}`},
	{"KEYS_UNREACHABLE", 401, `{"error":"public key signature check failed"}`},
	{"WRONG_AUDIENCE", 401, `{"error":"Unauthorized","audience":"developers"}`},
	{"WRONG_ISSUER", 401, `{"error":"Unauthorized","issuer":"https://id.example"}`},
	{"TLS_CLIENT_CERT", 401, `{"error":"Unauthorized","supported":"token or client certificate"}`},
	{"HTTP_TO_HTTPS", 401, `{"error":"Unauthorized. See https://docs.example for help"}`},
	{"NOT_A_ROUTE", 401, `{"error":"Unauthorized","path":"/orders"}`},
	{"WRONG_HOST", 401, `{"error":"Unauthorized","host":"unknown"}`},
	{"DPOP_PROOF_INVALID", 401, `{"error":"unauthorized","path":"/users/kathtm"}`},
	{"SENDER_CONSTRAINED", 401, `{"error":"invalid_token","error_description":"cannot be used here"}`},
	{"ALG_NONE", 401, `{"error":"Unauthorized","algorithms":["ES256"],"retry":"none"}`},
	{"STEP_UP_NEEDED", 401, `{"error":"Unauthorized","next_step":"upload"}`},
	{"NOT_YET_VALID", 401, `{"error":"the token could not be validated"}`},
	{"CLOCK_SKEW", 401, `{"error":"the token could not be validated"}`},
	{"KEY_INVALID", 401, `{"error":"the signature of the token is made by an unknown key"}`},
	{"REFRESH_INVALID", 401, `{"error":"access token invalid; use your refresh token to get another"}`},
	{"REFRESH_AS_ACCESS", 401, `{"error":"token expired","hint":"A refresh token can be used to renew it"}`},
	{"ID_TOKEN_AS_ACCESS", 401, `{"error":"invalid token","hint":"id tokens are issued at sign-in"}`},
	{"PROXY_STRIPPED_AUTH", 401, `{"error":"invalid token"}`},
	{"HANDLER_NOT_RUN", 401, `{"error":"invalid token"}`},
	{"LOGIN_REFUSED", 401, `{"error":"Invalid username or password"}`},
}

func TestOverreach(t *testing.T) {
	for _, test := range overreach {
		for _, more := range [][]string{nil, {"Via: 1.1 edge"}} {
			a := refusal(test.status, test.said, append([]string{"Content-Type: application/json"}, more...)...)
			if d := Diagnose(asked(t, a, "Authorization: Bearer "+sound)); d.Cause == test.not {
				t.Errorf("%s (%s) of %s", d.Cause, d.Confidence, test.said)
			}
		}
	}
}

// TestUncertain: what cannot be proved is not called certain.
func TestUncertain(t *testing.T) {
	bare := refusal(401, `{"error":"none"}`, "WWW-Authenticate: Basic")
	for name, e := range map[string]*Evidence{
		"another scheme, but it read the token": func() *Evidence {
			e := asked(t, refusal(401, `{"error":"refused"}`, "WWW-Authenticate: Basic"), "Authorization: Bearer "+sound)
			e.Bare = &bare
			return e
		}(),
		"a header that may hold a credential": asked(t, refusal(401, `{}`, "WWW-Authenticate: Bearer"), "X-Sso-Ticketkey: abcdefgh12345678"),
		"a key without a scheme":              asked(t, refusal(401, `{"error":"nope"}`), "Authorization: lin_api_abcdefgh"),
		"a reason in a 200":                   asked(t, refusal(200, `{"success":false,"message":"token revoked"}`), "Authorization: Bearer "+sound),
		"a bot's secret in the path": func() *Evidence {
			r, err := NewRequest("", "https://api.example/bot123456:AAabcdefghijklmnopqrstuvwxyz0123456/getMe", nil, "")
			if err != nil {
				t.Fatal(err)
			}
			return &Evidence{Now: now, Request: *r, Hops: []Hop{{Method: "GET", URL: r.URL, Answer: refusal(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`)}}}
		}(),
	} {
		if d := Diagnose(e); d.Confidence == Certain {
			t.Errorf("%s: %s (certain)", name, d.Cause)
		}
	}
}
