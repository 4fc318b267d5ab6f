package doctor

import (
	"fmt"
	"strings"
)

// fixFor says who mends a cause and how, with the names of what was seen.
func (c *Case) fixFor(f *finding) Fix {
	fix := fixes[f.cause]
	fill := func(s string) string {
		if strings.Contains(s, "{header}") {
			name := c.cred.name
			if name == "" {
				name = "Authorization"
			}
			s = strings.ReplaceAll(s, "{header}", name)
		}
		return s
	}
	fix = Fix{fill(fix.Caller), fill(fix.Developer), fill(fix.Operator)}
	switch to := c.belongsIn(); {
	case to != "" && (f.cause == "WRONG_HEADER" || f.cause == "IN_QUERY"):
		fix.Caller = "Send it in the header " + to + "."
	case f.cause == "EXPIRED" && c.cred.scheme == signedAsAWhole:
		fix.Caller = "Have the URL signed anew."
	}
	if line := c.named(f.cause); line != "" {
		if operators[f.cause] {
			fix.Operator = join(line, fix.Operator)
		} else {
			fix.Developer = join(line, fix.Developer)
		}
	}
	return fix
}

// belongsIn returns the header where the server was seen or said to read the
// credential, or "".
func (c *Case) belongsIn() string {
	if c.Moved != nil && c.Moved.Fault == "" && c.Moved.Status > 0 && c.Moved.Status < 400 {
		return c.MovedTo
	}
	if c.answer == nil {
		return ""
	}
	return c.challengedHeader()
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + " — " + b
}

// operators are causes whose line to change is in the set-up of a proxy.
var operators = map[Cause]bool{"PROXY_STRIPPED_AUTH": true, "PROXY_ANSWERED": true, "CACHED_401": true, "HEADER_TOO_LARGE": true, "NOT_A_ROUTE": true, "HTTP_TO_HTTPS": true, "TLS_CLIENT_CERT": true}

// named returns the line to change in what the evidence shows.
func (c *Case) named(cause Cause) string {
	if c.answer == nil {
		return ""
	}
	for _, l := range lines {
		if l.cause != cause {
			continue
		}
		for _, s := range c.seen {
			if strings.Contains(strings.ToLower(s.who+" "+s.from), l.who) {
				return l.text
			}
		}
		if l.who != "" && strings.Contains(strings.ToLower(c.answer.Body), l.who) {
			return l.text
		}
	}
	return ""
}

// lines name the line to change, by cause and by what was seen.
var lines = []struct {
	cause     Cause
	who, text string
}{
	{"PROXY_STRIPPED_AUTH", "nginx", "nginx: add `proxy_set_header Authorization $http_authorization;` to the location"},
	{"PROXY_STRIPPED_AUTH", "apache", "Apache: add `CGIPassAuth On`, or `SetEnvIf Authorization \"(.*)\" HTTP_AUTHORIZATION=$1`"},
	{"PROXY_STRIPPED_AUTH", "php", "PHP behind FastCGI: add `fastcgi_param HTTP_AUTHORIZATION $http_authorization;`"},
	{"PROXY_STRIPPED_AUTH", "cloudfront", "CloudFront: add Authorization to the origin request policy (AllViewer) and to the cache policy"},
	{"PROXY_STRIPPED_AUTH", "amazon api gateway", "API Gateway: map the header, integration.request.header.Authorization = method.request.header.Authorization"},
	{"PROXY_STRIPPED_AUTH", "kong", "Kong: set `hide_credentials: false` in the plugin, and keep Authorization out of request-transformer's `remove.headers`"},
	{"PROXY_STRIPPED_AUTH", "envoy", "Envoy: set `forward: true` in jwt_authn, and keep Authorization out of `request_headers_to_remove`"},
	{"PROXY_STRIPPED_AUTH", "traefik", "Traefik: set `removeHeader: false` in basicAuth, and list Authorization in forwardAuth's `authRequestHeaders`"},
	{"PROXY_STRIPPED_AUTH", "haproxy", "HAProxy: remove `http-request del-header Authorization`"},
	{"PROXY_STRIPPED_AUTH", "caddy", "Caddy: remove `header_up -Authorization` from reverse_proxy"},
	{"PROXY_STRIPPED_AUTH", "varnish", "Varnish: remove `unset req.http.Authorization` from vcl_recv"},
	{"PROXY_STRIPPED_AUTH", "google", "Google: read X-Forwarded-Authorization, where the front end moves the header"},
	{"PROXY_STRIPPED_AUTH", "azure", "API Management: remove the `set-header name=\"Authorization\" exists-action=\"delete\"` policy"},
	{"PROXY_ANSWERED", "nginx", "nginx: look for auth_basic, auth_request or auth_jwt in the location"},
	{"PROXY_ANSWERED", "apache", "Apache: look for AuthType and Require in the <Location>"},
	{"PROXY_ANSWERED", "kong", "Kong: look at the plugins of the route (jwt, key-auth, openid-connect)"},
	{"PROXY_ANSWERED", "amazon api gateway", "API Gateway: look at the authorizer of the method, and its log"},
	{"PROXY_ANSWERED", "envoy", "Envoy: look at jwt_authn and ext_authz in the listener"},
	{"PROXY_ANSWERED", "traefik", "Traefik: look at the middlewares of the router (basicAuth, forwardAuth)"},
	{"PROXY_ANSWERED", "vercel", "Vercel: Deployment Protection stands before the preview; send x-vercel-protection-bypass, or turn it off"},
	{"PROXY_ANSWERED", "identity-aware", "Google IAP: send an ID token for IAP's client in Proxy-Authorization, and the application's in Authorization"},
	{"PREFLIGHT_REFUSED", "express", "Express: put `app.use(cors())` before the auth middleware"},
	{"PREFLIGHT_REFUSED", "spring", "Spring: `http.cors(withDefaults())` and a CorsConfigurationSource; it answers OPTIONS before authorization"},
	{"PREFLIGHT_REFUSED", "asp.net", "ASP.NET Core: `app.UseCors()` before `app.UseAuthentication()`"},
	{"PREFLIGHT_REFUSED", "fastapi", "FastAPI: add CORSMiddleware last, so that it runs first"},
	{"PREFLIGHT_REFUSED", "python", "FastAPI or Django: the CORS middleware comes first in the list"},
	{"PREFLIGHT_REFUSED", "laravel", "Laravel: HandleCors in the global middleware, before auth"},
	{"PREFLIGHT_REFUSED", "nginx", "nginx: answer OPTIONS with 204 in front of auth_request (`if ($request_method = OPTIONS) { return 204; }`)"},
	{"PREFLIGHT_REFUSED", "amazon api gateway", "API Gateway: an OPTIONS method with authorization NONE (enable CORS)"},
	{"CORS_CREDENTIALS", "express", "Express: `cors({ origin: 'https://app…', credentials: true })`"},
	{"CORS_ORIGIN", "express", "Express: `cors({ origin: ['https://app…'] })`, before the auth middleware"},
	{"CORS_HEADER_NOT_ALLOWED", "express", "Express: `cors({ allowedHeaders: ['Authorization', 'Content-Type'] })`"},
	{"HANDLER_NOT_RUN", "asp.net", "ASP.NET Core: `app.UseAuthentication()` before `app.UseAuthorization()`, and a default scheme in AddAuthentication"},
	{"HANDLER_NOT_RUN", "express", "Express: put `app.use(auth)` before the route"},
	{"HANDLER_NOT_RUN", "spring", "Spring: `http.oauth2ResourceServer(o -> o.jwt(withDefaults()))` on the chain whose securityMatcher has this path"},
	{"HANDLER_NOT_RUN", "java", "Spring: `http.oauth2ResourceServer(o -> o.jwt(withDefaults()))` on the chain whose securityMatcher has this path"},
	{"HANDLER_NOT_RUN", "python", "FastAPI: `Depends(get_current_user)` on the route; Django REST: the class in DEFAULT_AUTHENTICATION_CLASSES"},
	{"HANDLER_NOT_RUN", "laravel", "Laravel: `auth:sanctum` or `auth:api`, with the guard's driver in config/auth.php"},
	{"HEADER_TOO_LARGE", "nginx", "nginx: `large_client_header_buffers 4 32k;`"},
	{"HEADER_TOO_LARGE", "", ""},
	{"CACHED_401", "cloudfront", "CloudFront: set the error caching TTL of 401 to 0, and put Authorization into the cache key"},
	{"CACHED_401", "nginx", "nginx: `proxy_cache_valid` without `any`, and `proxy_no_cache $http_authorization;`"},
	{"CACHED_401", "varnish", "Varnish: `return (pass)` where req.http.Authorization is set"},
	{"CACHED_401", "cloudflare", "Cloudflare: bypass the cache where there is Authorization"},
	{"WRONG_AUDIENCE", "asp.net", "ASP.NET Core: `options.Audience` (or ValidAudiences) has to hold the token's aud"},
	{"WRONG_AUDIENCE", "spring", "Spring: `spring.security.oauth2.resourceserver.jwt.audiences`"},
	{"WRONG_AUDIENCE", "express", "Express: the option `audience` of express-jwt or of jsonwebtoken's verify"},
	{"WRONG_AUDIENCE", "python", "Python: `jwt.decode(…, audience=…)`; simplejwt: SIMPLE_JWT['AUDIENCE']"},
	{"WRONG_ISSUER", "asp.net", "ASP.NET Core: `options.Authority` or ValidIssuers has to be the token's iss"},
	{"WRONG_ISSUER", "spring", "Spring: `spring.security.oauth2.resourceserver.jwt.issuer-uri`"},
	{"WRONG_ISSUER", "envoy", "Envoy: `issuer` of the provider in jwt_authn"},
	{"CSRF_REFUSED", "django", "Django: send the cookie csrftoken in X-CSRFToken; CSRF_TRUSTED_ORIGINS has to hold the page's origin"},
	{"CSRF_REFUSED", "laravel", "Laravel: get /sanctum/csrf-cookie first, and send XSRF-TOKEN in X-XSRF-TOKEN"},
	{"CSRF_REFUSED", "spring", "Spring: CookieCsrfTokenRepository.withHttpOnlyFalse(), and send X-XSRF-TOKEN"},
	{"CSRF_REFUSED", "rails", "Rails: send the token of csrf-token in X-CSRF-Token"},
	{"NOT_A_ROUTE", "amazon", "API Gateway: see the stage in the URL, the path and the method; deploy the API again"},
	{"ALG_NOT_ALLOWED", "express", "Express: the option `algorithms` of express-jwt"},
	{"REDIRECT_TO_LOGIN", "asp.net", "ASP.NET Core: answer 401 under /api in CookieAuthenticationEvents.OnRedirectToLogin"},
	{"REDIRECT_TO_LOGIN", "laravel", "Laravel: send `Accept: application/json`"},
	{"REDIRECT_TO_LOGIN", "spring", "Spring: `exceptionHandling(e -> e.authenticationEntryPoint(new HttpStatusEntryPoint(UNAUTHORIZED)))`"},
	{"TRAILING_SLASH_REDIRECT", "python", "FastAPI: `redirect_slashes=False`; Django: APPEND_SLASH"},
}

// titles say a cause in a line.
var titles = map[Cause]string{None: "the request is let through", Unknown: "nothing is proved"}

func (c Cause) title() string { return titles[c] }

// Causes returns every cause that the doctor knows, in the order of its page.
func Causes() []Cause {
	list := make([]Cause, 0, len(table))
	for _, row := range table {
		list = append(list, row.cause)
	}
	return list
}

// Title says a cause in a line.
func Title(c Cause) string { return c.title() }

var fixes = map[Cause]Fix{}

func init() {
	for _, row := range table {
		if _, twice := titles[row.cause]; twice {
			panic(fmt.Sprintf("doctor: %s stands twice in the table", row.cause))
		}
		titles[row.cause], fixes[row.cause] = row.title, Fix{row.caller, row.developer, row.operator}
	}
}
