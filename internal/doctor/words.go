package doctor

import (
	"regexp"
	"strings"
)

// What a server says may stand for no cause yet.
const (
	saidMissing   Cause = "said:missing"   // it saw no credential
	saidMalformed Cause = "said:malformed" // it saw one and could not read it
	saidInvalid   Cause = "said:invalid"   // it refused one and does not say why
)

// phrase is what a server says, and what it means by it.
type phrase struct {
	pattern *regexp.Regexp
	means   Cause
	who     string // whose words they are; empty for anybody's
	plain   bool   // it says so outright
}

func says(means Cause, who, pattern string) phrase {
	return phrase{regexp.MustCompile(`(?i)` + pattern), means, who, true}
}

func hints(means Cause, who, pattern string) phrase {
	return phrase{regexp.MustCompile(`(?i)` + pattern), means, who, false}
}

// phrases are looked for in this order in the challenge and the body of a
// refusal; what is more exact stands first.
var phrases = []phrase{
	// Not about identity at all.
	says("HEADER_TOO_LARGE", "nginx", `request header or cookie too large`),
	says("HEADER_TOO_LARGE", "", `(request )?header( fields?| size| section)?s? (is |are )?(too (large|big|long)|exceed)|size of (the )?request headers? is too long|cookie(s| header)? (is |are )?too (large|big)|header line(s)? too (long|large)|HPE_HEADER_OVERFLOW`),
	says("HTTP_TO_HTTPS", "nginx", `plain HTTP request was sent to HTTPS port|speaking plain HTTP to an SSL-enabled`),
	says("HTTP_TO_HTTPS", "", `HTTPS (is )?required|(must|please|should) use (https|ssl|tls)|SSL (is )?required|TLS (is )?required|requires? (https|ssl|tls)\b|(client sent an HTTP request to an HTTPS server)|over (https|tls|ssl) only|(only|must|ensure|please|should)\b.{0,50}\bhttps\b|https only|only (available|accepted|allowed) over https|insecure transport|upgrade to https`),
	says("TLS_CLIENT_CERT", "nginx", `no required SSL certificate was sent|SSL certificate error|400 The SSL certificate error`),
	says("TLS_CLIENT_CERT", "", `client[ -]cert(ificate)?s? (is |was |are )?(required|missing|not (provided|presented|sent)|needed)|(requires?|missing|provide|present) (a |an |valid )*(client|TLS client)[ -]?certificate|mutual TLS (is )?required|mtls (is )?required|no client certificate|certificate required`),
	says("RATE_LIMITED_AS_401", "", `rate.?limit(ed)?\b|too many (requests|attempts|failed|login|tries|sign)|throttl(ed|ing)|quota (was |has been |is )?exceeded|exceeded (your|the) (quota|limit|rate)|request limit|limit exceeded|slow down|try again in \d+|usage limit`),
	says("POLICY_BLOCKED", "GitHub", `SAML (SSO|enforcement|single)|Resource protected by organization SAML|grant your .* access to this organization`),
	says("POLICY_BLOCKED", "Cloudflare", `Attention Required! \| Cloudflare|error code: 10(06|07|08|09|10|12|15|20)\b|Cloudflare Ray ID|cf-error-details|Sorry, you have been blocked`),
	says("POLICY_BLOCKED", "CloudFront", `The request could not be satisfied|Request blocked\.`),
	says("POLICY_BLOCKED", "Akamai", `You don't have permission to access .* on this server[\s\S]{0,200}Reference[\s\S]{0,8}(&#35;|#)|errors\.edgesuite\.net`),
	says("POLICY_BLOCKED", "Imperva", `Incapsula incident|_Incapsula_Resource`),
	says("POLICY_BLOCKED", "Azure Front Door", `The request is blocked\.`),
	says("POLICY_BLOCKED", "Entra ID", `AADSTS(53003|53000|50105|530003|50158|53001)|conditional access`),
	says("POLICY_BLOCKED", "", `web application firewall|\bWAF\b|\bIP( address)? .{0,60}(not (allowed|permitted|whitelisted|on the|in the|authori[sz]ed)|blocked|denied|forbidden|banned|restricted)|not (in|on) (the )?(ip )?(allow|white).?list|blocked by (a |the |our |your )?(security|policy|admin|network|firewall|rule)|mod_?security|access from (your|this) (ip|country|location|region|network)|(ip|country|region|geo)[ -](block|restrict|den|allow)|request (was |has been |is )?(blocked|rejected by)|requested URL was rejected|single sign-on (is )?(required|enforced|policy)|sso (is )?(required|enforced)|security policy|bot (detected|protection)|not allowed from (your|this) (ip|network)|outside .{0,30}(network|allowed)|organization policy|blocked due to`),
	says("CSRF_REFUSED", "Django", `CSRF (verification failed|cookie not set|token missing|token from|Failed)|Origin checking failed`),
	says("CSRF_REFUSED", "Laravel", `CSRF token mismatch|Page Expired`),
	says("CSRF_REFUSED", "Rails", `InvalidAuthenticityToken|Can't verify CSRF|HTTP Origin header .* didn't match`),
	says("CSRF_REFUSED", "Spring Security", `Invalid CSRF Token|Could not verify the provided CSRF token|Missing CSRF`),
	says("CSRF_REFUSED", "", `c[sx]rf|xsrf|anti-?forgery|EBADCSRFTOKEN|cross-origin request (was )?(detected|blocked|forbidden|refused)|cross[- ]site (request|post|form)|invalid authenticity token|request comes from another origin|origin (header )?(mismatch|does not match|not trusted|check failed)`),
	says("NOT_A_ROUTE", "Amazon API Gateway", `^[\s\S]{0,40}"?message"?\s*:\s*"Missing Authentication Token"|MissingAuthenticationToken`),
	says("NOT_A_ROUTE", "Kong", `no Route matched with those values`),
	says("NOT_A_ROUTE", "Google ESP", `Method doesn't allow unregistered callers|The current request is not defined by this API|Method does not exist`),
	says("NOT_A_ROUTE", "", `"path"\s*:\s*"/error"|(no|unknown|unmatched|undefined) (such )?(route|endpoint|operation)\b|(route|endpoint|path|resource|operation|api) (was )?(not found|does not exist|not (defined|configured|registered|mapped|recognized))|no (matching )?(route|endpoint|operation|resource) (found|matche[sd]|configured|defined)|not a (valid |known )?(route|endpoint)|Unable to match incoming request to an operation|No (static resource|handler|mapping)( found)? for`),
	says("WRONG_HOST", "", `no such app\b|There isn't a GitHub Pages site|NoSuchBucket|Welcome to nginx!|It works!|Apache2 (Ubuntu|Debian) Default Page|default backend - 404|unknown (virtual )?host|(host|domain) .{0,60}(not (configured|found|known|served|recogni[sz]ed)|unknown)|misdirected request|no (site|server|service|backend|tenant)s? (is )?(configured )?(for|at) (this )?(host|domain)|deployment (could )?not (be )?found|Fastly error: unknown domain|invalid host(name| header)|DisallowedHost`),

	// Sign-ins and token endpoints.
	says("CLIENT_REFUSED", "", `invalid_client\b|AADSTS7000215|AADSTS7000222|invalid client (secret|credentials|or)|client authentication failed|bad client credentials|client secret (is )?(invalid|wrong|incorrect)|unauthorized_client`),
	says("MFA_DUE", "", `otp_required|two_factor|mfa[_ -]?(is )?(required|needed|due|challenge)|MFA_REQUIRED|second[- ]factor|two[- ]factor|2fa|AADSTS5007[69]|\botp\b.{0,30}(required|missing|needed|code)|multi-?factor|one[- ]time (password|code|passcode) (is )?(required|needed)|SOFTWARE_TOKEN_MFA|SMS_MFA|totp|verification code (is )?(required|sent)|"challenge(Name)?"\s*:\s*"(SMS|SOFTWARE|MFA)`),
	says("DPOP_NONCE", "", `use_dpop_nonce`),
	says("DPOP_PROOF_INVALID", "", `invalid_dpop_proof|DPoP proof (is |was )?(invalid|expired|missing|not|has|could)|invalid dpop|dpop .{0,40}(mismatch|does not match|invalid|replay|expired)|htu|\bhtm\b|\bath\b (claim|mismatch)`),
	says("STEP_UP_NEEDED", "", `insufficient_user_authentication|insufficient_claims|AuthContextRequired|InteractionRequired|step.?up|acr_values=|interaction_required|re-?authenticat(e|ion) (is )?(required|needed)|stronger (sign-?in|authentication)|(more )?recent (sign-?in|login|authentication)|max_age=|password.?confirm|sudo mode|authentication (is )?too (old|weak)|higher (assurance|authentication|level)|fresh(er)? (login|token|sign-?in) (is )?required|fresh token required`),
	says("INSUFFICIENT_SCOPE", "", `insufficient_scope|insufficient (oauth )?(authentication )?scopes?|(missing|required|requires|lacks?|needs?|without)( the)?( following)?( required)?( oauth)? scopes?\b|scope .{0,60}(required|missing|not granted|is needed)|ACCESS_TOKEN_SCOPE_INSUFFICIENT|not (been )?granted .{0,40}scope|scope (is )?insufficient|scope\(s\)`),

	// Who it is.
	says("USER_SUSPENDED", "", `(user|account|member|profile|customer)('s account)?( is| has been| was|:)?( currently| temporarily| now)?( been)? (suspended|disabled|deactivated|locked|blocked|banned|inactive|not active|deleted|closed|frozen)|user_inactive|User inactive or deleted|ACCOUNT_SUSPENDED|USER_INACTIVE|account_(disabled|locked|suspended|inactive)|user_(disabled|locked|blocked|suspended)|AADSTS50057|AADSTS50053|suspended (user|account)|(disabled|locked|inactive) (user|account)|UserDisabled|UserNotConfirmed|User is disabled`),
	says("REFRESH_REUSED", "", `refresh.?token.{0,60}(re-?use|already (been )?(used|redeemed|consumed|rotated)|used (before|twice|more)|replay|superseded|rotated)|REFRESH_TOKEN_REUSED|token_reuse|Maximum allowed refresh token reuse|reuse (of|detected|exceeded)|AADSTS54005|Unsuccessful refresh.{0,20}rotat|token (was )?already (used|rotated|redeemed)`),
	says("REFRESH_INVALID", "", `refresh.?token.{0,60}(invalid|expired|revoked|not valid|not found|unknown|malformed|does not exist|is inactive|has been)|(invalid|unknown|expired|revoked|bad) refresh.?token|INVALID_REFRESH_TOKEN|AADSTS70008|AADSTS700082|Token is not active|Stale token`),
	says("SESSION_ENDED", "", `token.{0,30}(has been |was |is |been )(revoked|blacklisted|blocklisted|denylisted|invalidated|cancelled|terminated|ended)|(revoked|blacklisted|blocklisted) (access )?token|token_revoked|TOKEN_REVOKED|(session|sign-?in|login).{0,40}(\bended|revoked|terminated|invalidated|logged out|signed out|killed|no longer (valid|active|exists)|was closed|has been closed|has expired|is expired|\bexpired|not (found|active)|does not exist|deleted|removed|inactive)|(logged|signed) out|session_(expired|ended|revoked|terminated|not_found)|invalid session|Session not active|no longer (active|valid).{0,20}session|inactive token|"active"\s*:\s*false|token (is )?(no longer (valid|active)|inactive)|password (was |has been )?changed`),
	says("KEY_INVALID", "Kong", `Invalid authentication credentials`),
	says("KEY_INVALID", "Azure API Management", `invalid subscription key|Access denied due to invalid subscription`),
	says("KEY_INVALID", "", `api.?key.{0,60}(not valid|invalid|expired|revoked|unknown|wrong|incorrect|disabled|deactivated|deleted|does not exist|not found|is not|unrecogni[sz]ed|rejected|suspended)|(invalid|incorrect|unknown|expired|revoked|wrong|bad|unrecogni[sz]ed|disabled|inactive) (or [a-z]+ )?(api|subscription|access|consumer|app|application)[ _-]?(key|token secret)|API_KEY_INVALID|invalid_api_key|invalid.?key\b|key not authori[sz]ed|key (is |has |was |has been )(expired|revoked|disabled|invalid|unknown|inactive|not active)`),

	// Keys and how they are had.
	says("KEYS_NOT_JSON", "", `(jwks|key ?set|keys|jwk|openid).{0,80}(not (valid )?json|unexpected token|invalid json|cannot be parsed|could not be parsed|parse|html|malformed|decode)|(unexpected token '?<|Expecting value).{0,60}`),
	says("KEYS_UNREACHABLE", "ASP.NET Core", `IDX20803|IDX20804|IDX20807|Unable to obtain configuration from|signature key was not found.{0,40}metadata`),
	says("KEYS_UNREACHABLE", "Envoy", `Jwks remote fetch is failed|Jwks fetch`),
	says("KEYS_UNREACHABLE", "", `(jwks|jwk set|key ?set|public keys?|signing keys?|openid[- ]configuration|discovery|issuer metadata|keys).{0,80}(unreachable|not reachable|could ?n[o']t be (retrieved|fetched|loaded|reached|downloaded|obtained)|unable to (retrieve|fetch|load|obtain)|fetch(ing)? (failed|error|is failed)|failed|time(d)? ?out|unavailable|ECONNREFUSED|ENOTFOUND|connection refused|HTTP (404|5\d\d)|request failed|no answer)|(failed|unable|could not|couldn't|error|cannot|can't)( to)? ?(while )?(fetch|retriev|load|get|download|obtain|reach|resolv)\w*.{0,40}(jwks|jwk set|key ?set|public key|signing key|openid|verification key|keys|metadata)|Couldn't retrieve remote JWK set|Fail(ed)? to fetch data from the url|JwksRateLimit|JwksError`),
	says("NO_KID", "", `(no|missing|without|lacks?|requires?)( an?| the)? ["'']?kid["'']?\b|"?kid"? (is |was )?(missing|required|not (present|found in (the )?(token|header)))|token (has|with) no kid|kid header (is )?(missing|required|absent)|invalid token header\. no kid|IDX10503.{0,60}kid: ''|multiple (matching )?keys|ERR_JWKS_MULTIPLE|matches ['"](undefined|None|null)['"]`),
	says("UNKNOWN_KEY", "ASP.NET Core", `signature key was not found|IDX1050[13]|IDX10516`),
	says("UNKNOWN_KEY", "", `(signing|public|matching|verification|applicable|suitable|jwk|rsa|signature)[ -]?key.{0,40}(not found|could not be found|unknown|does not exist|no match)|unable to find a signing key|(kid|key id|key_id|keyid).{0,60}(not found|unknown|does not|did not|no match|not match|not in|is not|isn't|unrecogni[sz]ed|invalid|was not)|(unknown|unrecogni[sz]ed|no matching|no such|cannot find|could not find|unable to find|didn't find|no applicable|no suitable)( an?| appropriate| the| any| signing| public| verification| matching)* (kid|key|jwk)|SigningKeyNotFound|ERR_JWKS_NO_MATCHING_KEY|Jwt verification fails.{0,10}kid|no (matching )?(signing )?keys? (was |were )?found|Another algorithm expected, or no matching key|secret or public key must be provided|JWK was not found|Jwks doesn't have key to match kid`),
	says("ALG_NONE", "", `alg(orithm)?["' :=]*none|unsecured (jws|jwt)|unsigned (jwt|token)|jwt signature is required|token is not signed`),
	says("ALG_NOT_ALLOWED", "", `alg(orithm)?s?\b.{0,50}(not (allowed|supported|permitted|accepted|match|valid|implemented|expected)|invalid|unsupported|unexpected|mismatch|disallowed|is not)|(invalid|unsupported|unexpected|disallowed|wrong|forbidden|illegal) (signing |signature |token |jwt |header )?(alg(orithm)?|method)\b|signing method .{0,40}(is )?(invalid|unexpected)|The specified alg value is not allowed|IDX10511.{0,40}alg|ERR_JOSE_ALG_NOT_ALLOWED|Jwt header \[alg\] is not supported|expected (signing )?alg|Incorrect key for this alg|(Expected )?a different algorithm|Algorithm doesn.t match|IDX10696|IDX10634|Signed JWT rejected: Another algorithm expected`),
	says("REQUEST_SIGNATURE", "AWS", `SignatureDoesNotMatch|request signature we calculated|Signature expired|Signature not yet current|RequestTimeTooSkewed|InvalidSignatureException|IncompleteSignature|Credential should be scoped|InvalidClientTokenId|InvalidAccessKeyId|security token included in the request is (invalid|expired)|not a valid key=value pair|AuthorizationHeaderMalformed|UnrecognizedClientException`),
	says("REQUEST_SIGNATURE", "Azure Storage", `Server failed to authenticate the request\. Make sure the value of Authorization header is formed correctly`),
	says("REQUEST_SIGNATURE", "Kong", `HMAC signature (does not match|cannot be verified)`),

	// The token.
	says("SENDER_CONSTRAINED", "", `dpop[- ]?(bound|proof)?.{0,30}(required|missing|needed|expected|not present)|(proof[- ]of[- ]possession|sender[- ]constrain|certificate[- ]bound|holder[- ]of[- ]key|token binding)|cnf\b|missing dpop|no dpop`),
	says("ENCRYPTED_TOKEN", "", `(encrypted|jwe).{0,60}(not supported|unsupported|cannot|token|unexpected|decrypt)|(decrypt|decryption).{0,40}(fail|not|key|unable)|IDX10609|five (parts|segments)|cannot be decrypted`),
	says("WRONG_ISSUER", "", `issued by a different (provider|issuer)`),
	says("ID_TOKEN_AS_ACCESS", "", `id.?tokens? (is|are|was|cannot|can not|can't|not|instead|used|given|presented|sent)|(not|is) an? id.?token|(got|received|found|given|token_use).{0,20}\bid.?token|token_use.{0,40}\bid\b`),
	says("REFRESH_AS_ACCESS", "", `only non-refresh tokens|(is|got|received|found|given|a) (a )?refresh.?token|refresh.?token (was |is |cannot |can not |not |used|given|sent|instead)|only access tokens? (are )?allowed|expected (an )?access.?token.{0,30}refresh`),
	says("ACCESS_AS_REFRESH", "", `only refresh tokens? (are )?allowed|(is|got|received|found|given) (an? )?access.?token|access.?token (was |is |cannot )?(used|given|sent)|Token has wrong type|not a refresh token|expected (a )?refresh`),
	says("NOT_YET_VALID", "", `not (yet|be) (valid|active)|not valid (yet|before)|token used before|(jwt|token) (is )?not active|before (its )?(nbf|not.?before)|immature|nbf.{0,60}(check failed|future|not|claim)|ImmatureSignature|iat.{0,60}(future|check failed|not yet)|issued (in|at|at a time in) the future|used too early|Jwt not yet valid|TOKEN_NOT_ACTIVE|Cannot handle token (prior to|with iat prior to)|Jwt used before|IDX10222|ERR_JWT_CLAIM.{0,40}nbf|from the future|not active yet|not yet valid`),
	says("EXPIRED", "", `(token|jwt|signature|credential|claim|bearer|access|id|auth\w*|sess\w*|lifetime|ticket|it)s?\b.{0,60}\b(has |is |was |have |been )*expired|expired (jwt|token|access|bearer|at|signature|credential|on)|token_expired|TOKEN_EXPIRED|jwt expired|TokenExpired|ExpiredSignature|ExpiredToken|ExpiredJwt|"exp" claim timestamp check failed|past its exp|(The )?token expired|IDX10223|ERR_JWT_EXPIRED|is expired by|Jwt is expired|token.{0,30}expir(ed|y)|maxAge exceeded|JWT_EXPIRED|JWTExpired|\b900904\b|Lifetime validation failed|\bexpired\b`),
	says("WRONG_ISSUER", "Kong", `No credentials found for given`),
	says("WRONG_AUDIENCE", "", `aud(ience)?s?\b.{0,80}(invalid|not (match|allowed|valid|accepted|contain|expected|in|for|trusted)|mismatch|unexpected|is not|does ?n[o']t|check failed|failed|wrong|incorrect|rejected|expected|did not)|(invalid|wrong|unexpected|incorrect|unknown|bad|mismatched?) (token |jwt |the )?["']?aud(ience)?s?\b|invalidaudience|not (meant|intended|issued) for (this|the) (service|audience|api|resource|server|client)|Audiences in Jwt are not allowed|IDX10214|different audience|wrong recipient|expected audience|JWTNotInAudience|(required |the )aud(ience)? is missing|another audience`),
	says("WRONG_ISSUER", "", `iss(uer)?s?\b.{0,80}(invalid|not (match|allowed|valid|trusted|configured|known|accepted|expected|recogni[sz]ed|in)|mismatch|unexpected|is not|does ?n[o']t|check failed|failed|wrong|unknown|untrusted|incorrect|rejected|expected|did not)|(invalid|wrong|unexpected|unknown|untrusted|incorrect|bad|unrecogni[sz]ed|mismatched?) (token |jwt |the )?["']?iss(uer)?s?\b|invalidissuer|IDX10205|Jwt issuer is not configured|expected issuer|issued by a different (provider|issuer)|iss claim has value|JWTIssuer|not a trusted issuer|another issuer`),
	says("MISSING_CLAIM", "", `(missing|lacks?|requires?|without|no|must (have|contain|include)|absent)( the| an?| required| mandatory| its)* ["'\x60]?[a-z_:/.-]*["'\x60]? ?claims?\b|claims? ["'\x60]?[a-z_:/.-]*["'\x60]? ?(is |are |was )?(missing|required|not (present|found|provided)|absent)|required claim|MissingRequiredClaim|Token is missing the|has no expiration|IDX10225|Token contained no recognizable|contained no (recognizable )?[a-z]+|missing required ["'][a-z_]+["']`),
	says("BAD_SIGNATURE", "", `(invalid|bad|wrong|incorrect) (jwt |token |jws )?signature|signature.{0,60}(invalid|verification|not (match|valid|be verified)|mismatch|does ?n[o']t|could not|failed|is wrong|differs|cannot|can't|validation|error)|InvalidSignature|SignatureVerification|crypto(graphic)?/?(rsa|ecdsa)?:? verification error|Jwt verification fails|IDX10511|IDX10500|JWSSignatureVerificationFailed|failed to verify signature|error in cryptographic primitive|signature verification fail`),

	says("NOT_PERMITTED", "", `not enough permissions?|permission(s)? (is |are |was )?(denied|missing|required|insufficient)|(do|does)(n't| not) have (the |a )?(required |necessary |sufficient )?(permissions?|roles?|access|rights|privileges)|RBAC: access denied|not authori[sz]ed to (perform|access|do)|insufficient (permissions?|privileges|rights|roles?|access)|(requires?|missing|lacks?|needs?) (the |a |an )?(role|permission|group|privilege|["'][a-z_:. -]+["'] (role|permission))|AccessDenied|(explicit|identity-based) (deny|policy)|not allowed to|access (is |was )?(denied|forbidden)|admin(istrator)?s? only|This action is unauthorized|Resource not accessible by`),

	// What it saw.
	says(saidMissing, "Kong", `No API key found in request|No credentials found`),
	says(saidMissing, "FastAPI", `"detail"\s*:\s*"Not authenticated"`),
	says(saidMissing, "Django REST framework", `Authentication credentials were not provided`),
	says(saidMissing, "Envoy", `Jwt is missing`),
	says(saidMissing, "Azure API Management", `missing subscription key|JWT not present`),
	says(saidMissing, "Spring Security", `Full authentication is required|insufficient_authentication`),
	says(saidMissing, "flask-jwt-extended", `Missing (Authorization Header|JWT|cookie)`),
	says(saidMissing, "express-jwt", `No authorization token was found|credentials_required`),
	says(saidMissing, "", `(no|missing|without)( an?| the| any| valid| required)* ?(auth\w*|bearer|access|jwt|api|session|security|id)?[ _-]?(tokens?|credentials?|authorization( header)?|authentication( header| token| credentials)?|api[ _-]?key|key|jwt|cookie|session)( header| cookie)? ?(was |were |is |in |found|provided|present|supplied|sent|given|received|specified|on |$|["'.<,!)\]}])|(token|credentials?|authorization( header)?|header|key|cookie|jwt|session)( is| was| are| were)? (missing|absent|required|not (present|provided|supplied|found|sent|set|given))|(must|need to|have to|please) (provide|supply|send|include|log ?in|sign ?in|authenticate)|TOKEN_MISSING|REFRESH_TOKEN_MISSING|token_missing|missing_token|missing_authorization|(requires|need) authentication|carries no|anonymous (access|request|user)|(login|authentication|sign-?in|authorization) (is )?(required|needed)|not (logged|signed) in|"?Not authenticated"?|Access token is empty|missing (authentication credentials|client token)|did not provide an? (API )?key|Failed to resolve API Key|\b900902\b|system:anonymous`),
	says(saidMalformed, "", `(jwt|token|segments?|jws|authorization( header)?|credentials?).{0,40}(malformed|not well[- ]formed|cannot be (parsed|decoded)|could not be (parsed|decoded)|unparsable|contains an invalid number of segments|not enough segments|wrong number of (parts|segments)|is not a (valid )?(jwt|jws|token)|must (have|consist|be)|invalid (format|form|structure)|unable to (parse|decode))|(malformed|unparsable|undecodable|invalid compact|not a (valid )?(jwt|jws)|wrong number of segments|not enough segments|invalid jwt serialization|error decoding|invalid number of segments|IDX1270[69]|IDX12741|Invalid (token )?(format|header (string|padding))|bad (jwt )?format|Jwt is not in the form|cannot (parse|decode)|failed to (parse|decode)|Invalid crypto padding|(expected|exactly|was expected to have) (2|3|three) (parts|period)|Expected 3 parts|illegal base64)`),
	hints(saidInvalid, "", `invalid_token|token_not_valid|invalid token|(token|jwt|credentials?|bearer).{0,30}(invalid|not valid|rejected)|Could not validate credentials|TOKEN_INVALID|bad credentials`),
}

// marks are what tells who answered: a header, or the shape of a body.
type mark struct {
	header  string // the field to look at; empty for the body
	pattern *regexp.Regexp
	who     string
	kind    markKind
}

type markKind uint8

const (
	byApp   markKind = iota // an application or its framework
	byProxy                 // a reverse proxy, which may be all there is
	byEdge                  // a gateway, CDN or load balancer, which never is all there is
)

func m(kind markKind, who, header, pattern string) mark {
	return mark{header, regexp.MustCompile(`(?i)` + pattern), who, kind}
}

var marks = []mark{
	m(byApp, "Express", "X-Powered-By", `express`),
	m(byApp, "Next.js", "X-Powered-By", `next\.js`),
	m(byApp, "ASP.NET", "X-Powered-By", `asp\.net`),
	m(byApp, "PHP", "X-Powered-By", `php`),
	m(byApp, "Servlet", "X-Powered-By", `servlet|jsp|undertow`),
	m(byApp, "ASP.NET Core", "Server", `kestrel`),
	m(byApp, "ASP.NET", "Server", `microsoft-iis|microsoft-httpapi`),
	m(byApp, "Python (uvicorn)", "Server", `uvicorn|hypercorn|daphne|starlette`),
	m(byApp, "Python (gunicorn)", "Server", `gunicorn|werkzeug|wsgiserver|waitress|cheroot`),
	m(byApp, "Java", "Server", `jetty|tomcat|coyote|undertow|wildfly|netty|glassfish`),
	m(byApp, "Ruby", "Server", `puma|unicorn|webrick|passenger|thin`),
	m(byApp, "Go", "Server", `fasthttp|gin\b|golang`),
	m(byApp, "Rails", "X-Runtime", `.`),
	m(byApp, "ASP.NET", "X-AspNet-Version", `.`),
	m(byApp, "Doorward", "Doorward-Denial", `.`),
	m(byEdge, "Cloudflare", "CF-Ray", `.`),
	m(byEdge, "Cloudflare", "Server", `^cloudflare`),
	m(byEdge, "CloudFront", "X-Amz-Cf-Id", `.`),
	m(byEdge, "CloudFront", "Server", `cloudfront`),
	m(byEdge, "Amazon API Gateway", "X-Amz-Apigw-Id", `.`),
	m(byEdge, "Amazon API Gateway", "Apigw-Requestid", `.`),
	m(byEdge, "Amazon load balancer", "Server", `^awselb`),
	m(byEdge, "Kong", "Via", `kong`),
	m(byEdge, "Kong", "Server", `^kong`),
	m(byEdge, "Kong", "X-Kong-Response-Latency", `.`),
	m(byEdge, "Kong", "X-Kong-Proxy-Latency", `.`),
	m(byEdge, "Kong", "X-Kong-Upstream-Latency", `.`),
	m(byEdge, "Fastly", "X-Served-By", `^cache-`),
	m(byEdge, "Fastly", "X-Fastly-Request-ID", `.`),
	m(byEdge, "Akamai", "Server", `akamai`),
	m(byEdge, "Akamai", "X-Akamai-Request-ID", `.`),
	m(byEdge, "Varnish", "X-Varnish", `.`),
	m(byEdge, "Varnish", "Via", `varnish`),
	m(byEdge, "Envoy", "Server", `^(istio-)?envoy`),
	m(byEdge, "Envoy", "X-Envoy-Upstream-Service-Time", `.`),
	m(byEdge, "Google front end", "Via", `google`),
	m(byEdge, "Google front end", "Server", `google frontend|^gws|ESF`),
	m(byEdge, "Azure API Management", "Ocp-Apim-Trace-Location", `.`),
	m(byEdge, "Azure Front Door", "X-Azure-Ref", `.`),
	m(byEdge, "Azure Application Gateway", "Server", `azure-application-gateway|microsoft-azure-application-gateway`),
	m(byEdge, "Apigee", "Server", `apigee`),
	m(byEdge, "Tyk", "X-Tyk-Version", `.`),
	m(byEdge, "Tyk", "Server", `tyk`),
	m(byEdge, "KrakenD", "X-Krakend", `.`),
	m(byEdge, "APISIX", "Server", `apisix`),
	m(byEdge, "Traefik", "Server", `traefik`),
	m(byEdge, "BIG-IP", "Server", `big-?ip`),
	m(byEdge, "Vercel", "X-Vercel-Id", `.`),
	m(byEdge, "Netlify", "X-Nf-Request-Id", `.`),
	m(byEdge, "oauth2-proxy", "Gap-Auth", `.`),
	m(byEdge, "a cache", "X-Cache", `.`),
	m(byEdge, "a proxy", "Via", `.`),
	m(byEdge, "a proxy", "X-Proxy-Cache", `.`),
	m(byEdge, "a proxy", "Proxy-Agent", `.`),
	m(byEdge, "a proxy", "X-Forwarded-Server", `.`),
	m(byEdge, "a proxy", "X-Upstream", `.`),
	m(byProxy, "nginx", "Server", `nginx|openresty|tengine`),
	m(byProxy, "Apache", "Server", `apache`),
	m(byProxy, "Caddy", "Server", `caddy`),
	m(byProxy, "HAProxy", "Server", `haproxy`),
	m(byProxy, "LiteSpeed", "Server", `litespeed`),
	m(byProxy, "lighttpd", "Server", `lighttpd`),
	m(byProxy, "a proxy", "Server", `squid|ats/|trafficserver|pound|h2o`),

	m(byProxy, "nginx", "", `<center>(nginx|openresty)[^<]*</center>`),
	m(byProxy, "Apache", "", `This server could not verify that you\s+are authorized to access the document|<address>Apache`),
	m(byProxy, "HAProxy", "", `<h1>401 Unauthorized</h1>\s*You need a valid user and password to access this content`),
	m(byEdge, "oauth2-proxy", "", `oauth2[- ]proxy`),
	m(byEdge, "Amazon load balancer", "", `<center>awselb`),
	m(byEdge, "Envoy", "", `RBAC: access denied|Jwt (is|issuer|verification|header|not)|Audiences in Jwt`),
	m(byApp, "FastAPI", "", `"detail":"(Not authenticated|Could not validate credentials)"`),
	m(byApp, "Django REST framework", "", `"detail":"(Authentication credentials were not provided|Invalid token|CSRF Failed)`),
	m(byApp, "Spring Boot", "", `"timestamp":.*"status":\d+.*"path":`),
	m(byApp, "Laravel", "", `\{"message":"Unauthenticated\."\}`),
	m(byApp, "Doorward", "", `"instance":"dn_`),
	m(byApp, "Express", "", `<pre>Unauthorized(Error)?`),
	m(byApp, "simplejwt", "", `token_not_valid`),
	m(byApp, "Go", "", `^Unauthorized\n$`),
}

// products are services with a sign-in of their own that are met where another
// was meant.
var products = []struct {
	header, name string
	pattern      *regexp.Regexp
}{
	{"X-Jenkins", "Jenkins", regexp.MustCompile(`.`)},
	{"WWW-Authenticate", "Jenkins", regexp.MustCompile(`(?i)realm="?jenkins`)},
	{"Docker-Distribution-Api-Version", "a Docker registry", regexp.MustCompile(`.`)},
	{"X-Elastic-Product", "Elasticsearch", regexp.MustCompile(`.`)},
	{"WWW-Authenticate", "Elasticsearch", regexp.MustCompile(`(?i)realm="security" charset`)},
	{"X-Grafana-Id", "Grafana", regexp.MustCompile(`.`)},
	{"X-Grafana-Version", "Grafana", regexp.MustCompile(`.`)},
	{"Kbn-Name", "Kibana", regexp.MustCompile(`.`)},
	{"X-Arequestid", "Jira", regexp.MustCompile(`.`)},
	{"X-Confluence-Request-Time", "Confluence", regexp.MustCompile(`.`)},
	{"X-Plex-Protocol", "Plex", regexp.MustCompile(`.`)},
	{"X-Gerrit-Trace", "Gerrit", regexp.MustCompile(`.`)},
	{"X-Vault-Index", "Vault", regexp.MustCompile(`.`)},
	{"X-Consul-Index", "Consul", regexp.MustCompile(`.`)},
	{"X-Minio-Deployment-Id", "MinIO", regexp.MustCompile(`.`)},
	{"Server", "Nexus", regexp.MustCompile(`(?i)^nexus`)},
	{"Server", "MinIO", regexp.MustCompile(`(?i)^minio`)},
	{"WWW-Authenticate", "a router or device", regexp.MustCompile(`(?i)realm="?[^"]*(router|gateway login|netgear|tp-?link|linksys|d-?link|fritz|camera|printer|ipcam|dvr|nas|switch|modem|airport|idrac|ilo)`)},
	{"WWW-Authenticate", "Tomcat Manager", regexp.MustCompile(`(?i)tomcat manager`)},
	{"WWW-Authenticate", "RabbitMQ", regexp.MustCompile(`(?i)rabbitmq`)},
	{"WWW-Authenticate", "Prometheus or another monitor", regexp.MustCompile(`(?i)realm="?(prometheus|grafana|kibana|nexus|sonatype|artifactory|gitea|gerrit|airflow|flower|solr|couchdb|influxdb|pgadmin|phpmyadmin|portainer|traefik dashboard|consul|rundeck|zabbix|nagios)`)},
	{"X-Influxdb-Version", "InfluxDB", regexp.MustCompile(`.`)},
	{"X-Couchdb-Body-Time", "CouchDB", regexp.MustCompile(`.`)},
	{"X-Artifactory-Id", "Artifactory", regexp.MustCompile(`.`)},
	{"X-Gitlab-Meta", "GitLab", regexp.MustCompile(`.`)},
	{"Server", "a device", regexp.MustCompile(`(?i)goahead|mini_httpd|boa/|micro_httpd|thttpd|RomPager|CUPS|lighttpd/1\.4\.\d+-devolo|mikrotik`)},
}

// refusesRefresh are words that a token endpoint has about what it was given.
var invalidGrant = regexp.MustCompile(`(?i)invalid_grant`)

var loginPath = regexp.MustCompile(`(?i)(^|[/._-])(log-?in|sign-?in|log-?on|sign_in|sso|authorize|authenticate|saml2?|adfs|oauth2/(start|sign_in|auth)|openid-connect/auth|oauth2/v2\.0/authorize|accounts?/login|users/sign_in|identity/account|cas|idp|auth/realms|auth)([/._?-]|$)`)
var loginHost = regexp.MustCompile(`(?i)^(log-?in|sign-?in|sso|auth|accounts?|id|idp|identity|adfs|saml)\.|\.okta\.com$|\.auth0\.com$|login\.microsoftonline\.com$|\.amazoncognito\.com$|\.cloudflareaccess\.com$|accounts\.google\.com$|\.onelogin\.com$|\.b2clogin\.com$`)
var loginQuery = regexp.MustCompile(`(?i)(^|&)(return_?url|return_?to|redirect_?ur[il]|redirect_?to|next|continue|back|rd|from|target|goto|callback_?url|origin_?url|service|response_type|saml_?request|client_id|destination|url|r|ru)=`)
var loginPage = regexp.MustCompile(`(?i)<input[^>]+type=["']?password|<title>[^<]*(log ?in|sign ?in|log ?on|single sign)[^<]*</title>|id=["']?(kc-form-login|login-?form|okta-sign-in|loginForm)|<form[^>]+action=["'][^"']*(log-?in|sign-?in|authenticate|session)`)

// quote cuts the words that a phrase found out of a text.
func quoteWords(text string, p *regexp.Regexp) string {
	loc := p.FindStringIndex(text)
	if loc == nil {
		return ""
	}
	from, to := loc[0], loc[1]
	for from > 0 && loc[0]-from < 60 && !strings.ContainsRune("\"'{}<>\n,:", rune(text[from-1])) {
		from--
	}
	for to < len(text) && to-loc[1] < 80 && !strings.ContainsRune("\"{}<>\n", rune(text[to])) {
		to++
	}
	return clip(strings.TrimSpace(text[from:to]), 160)
}
