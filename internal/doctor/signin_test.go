package doctor

import (
	"strings"
	"testing"
)

// sent are requests that carry something else than a token, and what servers
// write when they refuse them. The request is METHOD PATH, header lines, an empty
// line and the body; {T} is a sound token and {E} one that has expired.
var sent = []struct {
	want    Cause
	request string
	status  int
	said    string // challenge lines behind "> ", then the body
}{
	// Sign-ins.
	{"LOGIN_REFUSED", "POST /login\n\n{\"email\":\"a@b.example\",\"password\":\"hunter22\"}", 401, `{"message":"Invalid email or password"}`},
	{"LOGIN_REFUSED", "POST /api/token/\n\n{\"username\":\"a\",\"password\":\"hunter22\"}", 401, `{"detail":"No active account found with the given credentials"}`},
	{"LOGIN_REFUSED", "POST /users/sign_in\n\n{\"user\":{\"email\":\"a@b.example\",\"password\":\"hunter22\"}}", 401, `{"error":"Invalid Email or password."}`},
	{"LOGIN_REFUSED", "POST /login\n\nemail=a&password=hunter22", 422, `{"message":"These credentials do not match our records.","errors":{"email":["These credentials do not match our records."]}}`},
	{"LOGIN_REFUSED", "POST /auth/v1/token?grant_type=password\n\n{\"email\":\"a\",\"password\":\"hunter22\"}", 400, `{"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"}`},
	{"LOGIN_REFUSED", "POST /v1/accounts:signInWithPassword\n\n{\"email\":\"a\",\"password\":\"hunter22\"}", 400, `{"error":{"code":400,"message":"INVALID_LOGIN_CREDENTIALS"}}`},
	{"LOGIN_REFUSED", "POST /oauth/token\n\ngrant_type=password&username=a&password=hunter22", 400, `{"error":"invalid_grant","error_description":"Invalid user credentials"}`},
	{"LOGIN_REFUSED", "POST /oauth2/token\n\ngrant_type=password&username=a&password=hunter22", 401, `{"error":"invalid_grant","error_description":"Bad credentials"}`},
	{"LOGIN_REFUSED", "POST /\nX-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth\n\n{\"AuthFlow\":\"USER_PASSWORD_AUTH\",\"AuthParameters\":{\"USERNAME\":\"a\",\"PASSWORD\":\"hunter22\"}}", 400, `{"__type":"NotAuthorizedException","message":"Incorrect username or password."}`},
	{"LOGIN_REFUSED", "POST /api/v1/authn\n\n{\"username\":\"a\",\"password\":\"hunter22\"}", 401, `{"errorCode":"E0000004","errorSummary":"Authentication failed"}`},
	{"LOGIN_REFUSED", "POST /login\n\n{\"user\":\"a\",\"password\":\"hunter22\"}", 200, `{"success":false,"message":"Invalid username or password"}`},
	{"LOGIN_REFUSED", "POST /login\n\n{\"user\":\"a\",\"password\":\"hunter22\"}", 401, `{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.2","title":"Unauthorized","status":401,"detail":"Failed"}`},
	{"USER_SUSPENDED", "POST /login\n\n{\"email\":\"a\",\"password\":\"hunter22\"}", 401, `{"title":"Unauthorized","status":401,"detail":"LockedOut"}`},
	{"USER_SUSPENDED", "POST /oauth2/token\n\ngrant_type=password&username=a&password=hunter22", 400, `{"error":"invalid_grant","error_description":"Account disabled"}`},
	{"USER_SUSPENDED", "POST /\n\n{\"AuthFlow\":\"USER_PASSWORD_AUTH\",\"AuthParameters\":{\"USERNAME\":\"a\",\"PASSWORD\":\"hunter22\"}}", 400, `{"__type":"NotAuthorizedException","message":"User is disabled."}`},
	{"MFA_DUE", "POST /login\n\n{\"email\":\"a\",\"password\":\"hunter22\"}", 401, `{"status":401,"title":"Unauthorized","detail":"RequiresTwoFactor"}`},
	{"MFA_DUE", "POST /oauth/token\n\ngrant_type=password&username=a&password=hunter22", 403, `{"error":"mfa_required","error_description":"Multifactor authentication required","mfa_token":"Fe26.2"}`},
	{"MFA_DUE", "POST /v1/accounts:signInWithPassword\n\n{\"email\":\"a\",\"password\":\"hunter22\"}", 400, `{"error":{"message":"auth/multi-factor-auth-required"}}`},
	{"MFA_DUE", "POST /identity/connect/token\n\ngrant_type=password&username=a&password=hunter22", 400, `{"error":"invalid_grant","error_description":"Two factor required.","TwoFactorProviders":["0"]}`},
	{"MFA_DUE", "POST /session\n\n{\"login\":\"a\",\"password\":\"hunter22\"}", 401, `{"next":"second_factor"}`},
	{"MFA_DUE", "POST /login\n\n{\"login\":\"a\",\"password\":\"hunter22\"}", 403, `{"error":"totp_required"}`},
	{"MFA_DUE", "POST /login\n\n{\"login\":\"a\",\"password\":\"hunter22\"}", 401, `{"code":"otpRequired","message":"Enter the code from your authenticator app"}`},
	{"MFA_DUE", "GET /-/whoami\nAuthorization: Basic YTpiYmJiYmJi", 401, "> OTP\n{\"message\":\"You must provide a one-time pass. Upgrade your client to npm@latest in order to use 2FA.\"}"},

	// Clients.
	{"CLIENT_REFUSED", "POST /oauth/token\n\ngrant_type=client_credentials&client_id=a&client_secret=hunter22", 401, `{"error":"invalid_client","error_description":"Client authentication failed"}`},
	{"CLIENT_REFUSED", "POST /oauth/token\n\ngrant_type=client_credentials&client_id=a&client_secret=hunter22", 401, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`},
	{"CLIENT_REFUSED", "POST /login/oauth/access_token\n\nclient_id=a&client_secret=hunter22&code=abcdef99", 200, `{"error":"incorrect_client_credentials","error_description":"The client_id and/or client_secret passed are incorrect."}`},
	{"CLIENT_REFUSED", "POST /token\n\ngrant_type=client_credentials&client_id=a&client_secret=hunter22", 401, `{"error":"deleted_client","error_description":"The OAuth client was deleted."}`},
	{"CLIENT_REFUSED", "POST /oauth2/token\nAuthorization: Basic YTpiYmJiYmJi\n\ngrant_type=client_credentials", 401, `{"error":"invalid_client"}`},

	// Renewals.
	{"REFRESH_INVALID", "POST /oauth/token\n\ngrant_type=refresh_token&refresh_token=abcdefgh1234", 400, `{"error":"invalid_grant","error_description":"Token is not active"}`},
	{"REFRESH_INVALID", "POST /\n\n{\"AuthFlow\":\"REFRESH_TOKEN_AUTH\",\"AuthParameters\":{\"REFRESH_TOKEN\":\"abcdefgh1234\"}}", 400, `{"__type":"NotAuthorizedException","message":"Invalid Refresh Token"}`},
	{"REFRESH_INVALID", "POST /auth/v1/token?grant_type=refresh_token\n\n{\"refresh_token\":\"abcdefgh1234\"}", 400, `{"code":400,"error_code":"refresh_token_not_found","msg":"Invalid Refresh Token: Refresh Token Not Found"}`},
	{"REFRESH_INVALID", "POST /v1/token\n\ngrant_type=refresh_token&refresh_token=abcdefgh1234", 400, `{"error":{"code":400,"message":"INVALID_REFRESH_TOKEN"}}`},
	{"REFRESH_INVALID", "POST /v1/token\n\ngrant_type=refresh_token&refresh_token=abcdefgh1234", 400, `{"error":{"code":400,"message":"TOKEN_EXPIRED","status":"INVALID_ARGUMENT"}}`},
	{"REFRESH_INVALID", "POST /oauth2/v2.0/token\n\ngrant_type=refresh_token&refresh_token=abcdefgh1234", 400, `{"error":"invalid_grant","error_description":"AADSTS700082: The refresh token has expired due to inactivity."}`},
	{"REFRESH_INVALID", "POST /token/refresh/\n\n{\"refresh\":\"abcdefgh1234\"}", 401, `{"detail":"Token is invalid or expired","code":"token_not_valid"}`},
	{"REFRESH_REUSED", "POST /oauth/token\n\ngrant_type=refresh_token&refresh_token=abcdefgh1234", 403, `{"error":"invalid_grant","error_description":"Unsuccessful refresh: reuse detected"}`},
	{"REFRESH_REUSED", "POST /oauth/token\n\ngrant_type=refresh_token&refresh_token=abcdefgh1234", 400, `{"error":"invalid_grant","error_description":"Maximum allowed refresh token reuse exceeded"}`},
	{"REFRESH_REUSED", "POST /auth/v1/token?grant_type=refresh_token\n\n{\"refresh_token\":\"abcdefgh1234\"}", 400, `{"error_code":"refresh_token_already_used","msg":"Invalid Refresh Token: Already Used"}`},
	{"REFRESH_REUSED", "POST /oauth2/token\n\ngrant_type=refresh_token&refresh_token=abcdefgh1234", 400, `{"error":"invalid_grant","error_description":"The refresh token was already used."}`},
	{"ACCESS_AS_REFRESH", "POST /refresh\nAuthorization: Bearer {T}", 422, `{"msg":"Only refresh tokens are allowed"}`},
	{"ACCESS_AS_REFRESH", "POST /token/refresh/\n\n{\"refresh\":\"{T}\"}", 401, `{"detail":"Token has wrong type","code":"token_not_valid"}`},

	// Keys.
	{"KEY_INVALID", "GET /v1/models\nAuthorization: Bearer sk-proj-abcdefgh1234", 401, `{"error":{"message":"Incorrect API key provided: sk-proj-********1234.","type":"invalid_request_error","code":"invalid_api_key"}}`},
	{"KEY_INVALID", "POST /v1/messages\nx-api-key: sk-ant-abcdefgh1234", 401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`},
	{"KEY_INVALID", "GET /v1/charges\nAuthorization: Bearer sk_test_abcdefgh1234", 401, `{"error":{"message":"Invalid API Key provided: sk_test_****1234","type":"invalid_request_error"}}`},
	{"KEY_INVALID", "GET /v1/charges\nAuthorization: Bearer sk_test_abcdefgh1234", 401, `{"error":{"code":"api_key_expired","message":"Expired API Key provided: sk_test_****1234","type":"invalid_request_error"}}`},
	{"KEY_INVALID", "GET /user\nAuthorization: Bearer ghp_abcdefgh1234", 401, `{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest"}`},
	{"KEY_INVALID", "GET /maps/api?key=AIzaabcdefgh1234", 200, `{"error_message":"The provided API key is invalid. ","results":[],"status":"REQUEST_DENIED"}`},
	{"KEY_INVALID", "GET /v1/places?key=AIzaabcdefgh1234", 400, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`},
	{"KEY_INVALID", "GET /v2/latest?access_key=abcdefgh1234", 200, `{"success":false,"error":{"code":101,"type":"invalid_access_key","info":"You have not supplied a valid API Access Key."}}`},
	{"KEY_INVALID", "GET /weather?appid=abcdefgh1234", 401, `{"cod":401,"message":"Invalid API key. Please see https://openweathermap.org/faq#error401 for more info."}`},
	{"KEY_INVALID", "GET /1/indexes\nX-Algolia-API-Key: abcdefgh1234\nX-Algolia-Application-Id: ABC", 403, `{"message":"Invalid Application-ID or API key","status":403}`},
	{"KEY_INVALID", "GET /email\nX-Postmark-Server-Token: abcdefgh1234", 401, `{"ErrorCode":10,"Message":"Request does not contain a valid Server token."}`},
	{"KEY_INVALID", "GET /v1/me\nxi-api-key: abcdefgh1234", 401, `{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}`},
	{"KEY_INVALID", "GET /api/v4/projects\nPRIVATE-TOKEN: glpat-abcdefgh1234", 401, `{"message":"401 Unauthorized"}`},
	{"KEY_INVALID", "GET /issues.json\nX-Redmine-API-Key: abcdefgh1234", 401, ``},
	{"KEY_INVALID", "GET /rest/v1/x\napikey: sb_publishable_abcdefgh1234", 401, `{"message":"Invalid API key","hint":"Double check your Supabase anon or service_role API key."}`},
	{"KEY_INVALID", "GET /api/auth.test\nAuthorization: Bearer xoxb-abcdefgh1234", 200, `{"ok":false,"error":"invalid_auth"}`},
	{"NOT_PERMITTED", "GET /x\nX-RapidAPI-Key: abcdefgh1234", 403, `{"message":"You are not subscribed to this API."}`},

	// Nothing.
	{"NO_CREDENTIALS", "GET /items", 401, `{"detail":"Not authenticated"}`},
	{"NO_CREDENTIALS", "GET /items", 403, `{"detail":"Not authenticated"}`},
	{"NO_CREDENTIALS", "GET /items", 422, `{"detail":[{"type":"missing","loc":["header","authorization"],"msg":"Field required","input":null}]}`},
	{"NO_CREDENTIALS", "GET /items", 400, `{"error":"Missing Authorization header"}`},
	{"NO_CREDENTIALS", "GET /v1/models", 401, `{"error":{"message":"You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth."}}`},
	{"NO_CREDENTIALS", "GET /api/auth.test", 200, `{"ok":false,"error":"not_authed"}`},
	{"NO_CREDENTIALS", "POST /graphql\n\n{\"query\":\"{me{id}}\"}", 200, `{"data":{"me":null},"errors":[{"message":"Not authenticated","extensions":{"code":"UNAUTHENTICATED"}}]}`},
	{"NO_CREDENTIALS", "GET /system/user/list", 200, `{"msg":"请求访问：/system/user/list，认证失败，无法访问系统资源","code":401}`},

	// Signed requests and webhooks.
	{"REQUEST_SIGNATURE", "POST /webhooks/github\nX-Hub-Signature-256: sha256=d57c68ca6f92289e6987922ff26938930f6e66a2d161ef06abdf1859230aa23c\n\n{}", 401, `{"error":"Signatures didn't match!"}`},
	{"REQUEST_SIGNATURE", "POST /webhooks/stripe\nStripe-Signature: t=1492774577,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd\n\n{}", 400, `{"error":"No signatures found matching the expected signature for payload."}`},
	{"REQUEST_SIGNATURE", "POST /slack/events\nX-Slack-Signature: v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503\nX-Slack-Request-Timestamp: 1531420618\n\n{}", 401, `invalid signature`},
	{"REQUEST_SIGNATURE", "GET /api/v3/account?timestamp=1&signature=d57c68ca6f92289e6987922ff26938930f6e66\nX-MBX-APIKEY: abcdefgh1234", 400, `{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}`},
	{"REQUEST_SIGNATURE", "GET /v5/account\nX-BAPI-API-KEY: abcdefgh1234\nX-BAPI-SIGN: d57c68ca6f92289e6987922ff26938930f6e66", 401, `{"retCode":10004,"retMsg":"error sign! origin_string[1]"}`},
	{"REQUEST_SIGNATURE", "GET /accounts\nCB-ACCESS-KEY: abcdefgh1234\nCB-ACCESS-SIGN: d57c68ca6f92289e6987922ff26938930f6e66", 401, `{"message":"request timestamp expired"}`},
	{"KEY_INVALID", "GET /accounts\nCB-ACCESS-KEY: abcdefgh1234\nCB-ACCESS-SIGN: d57c68ca6f92289e6987922ff26938930f6e66", 401, `{"message":"invalid api key"}`},

	// In the wrong place.
	{"WRONG_HEADER", "GET /items\nX-Auth-Token: {T}", 401, "> Bearer\n{\"message\":\"No token provided\"}"},
	{"WRONG_HEADER", "GET /v2.1/servers\nAuthorization: Bearer abcdefgh1234", 401, "> Keystone uri=\"https://id.example/v3\"\n{}"},
	{"WRONG_HEADER", "GET /items\nAuthorization: Bearer abcdefgh1234", 401, "> ApiKey realm=\"x\", in=\"header\", name=\"X-API-Key\"\n{}"},
	{"WRONG_HEADER", "GET /items\nX-API-Key: abcdefgh1234", 401, "> Bearer\n{\"message\":\"Unauthorized\"}"},
	{"IN_QUERY", "GET /items?access_token={T}", 401, "> Bearer\n{\"message\":\"No authorization token was found\"}"},

	// Nothing is refused.
	{None, "GET /items", 200, `{"status":"ok","items":[]}`},
	{None, "POST /introspect\nAuthorization: Basic YTpiYmJiYmJi\n\ntoken=abcdefgh1234", 200, `{"active":false}`},
	{None, "GET /search?q=x\nAuthorization: Bearer {T}", 200, `{"success":false,"error":"author is missing"}`},
	{None, "GET /jobs/7\nAuthorization: Bearer {T}", 200, `{"id":7,"state":"failed","log":"token expired at the supplier"}`},
	{None, "GET /me\nAuthorization: Bearer {T}", 200, `{"error":null,"user":{"name":"ada"}}`},
	{None, "POST /signup\nAuthorization: Bearer {T}\n\n{\"name\":\"x\"}", 200, `{"ok":false,"error":"name_taken"}`},
}

func TestWhatElseIsSent(t *testing.T) {
	fill := strings.NewReplacer("{T}", sound, "{E}", expired)
	for _, test := range sent {
		head, body, _ := strings.Cut(fill.Replace(test.request), "\n\n")
		lines := strings.Split(head, "\n")
		method, path, _ := strings.Cut(lines[0], " ")
		r, err := NewRequest(method, "https://api.example"+path, lines[1:], body)
		if err != nil {
			t.Fatal(err)
		}
		r.Send = true
		a := refusal(test.status, test.said, "Content-Type: application/json")
		if ch, rest, ok := strings.Cut(test.said, "\n"); ok && strings.HasPrefix(ch, "> ") {
			a = refusal(test.status, rest, "Content-Type: application/json", "WWW-Authenticate: "+ch[2:])
		}
		e := &Evidence{Now: now, Request: *r, Hops: []Hop{{Method: method, URL: r.URL, Credential: r.HasCredential(), Answer: a}}}
		if d := Diagnose(e); d.Cause != test.want {
			t.Errorf("%s: %s (%s), for %s: %s", test.want, d.Cause, d.Confidence, lines[0], clip(test.said, 100))
		}
	}
}
