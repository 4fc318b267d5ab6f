package doctor

import "regexp"

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
	m(byEdge, "Identity-Aware Proxy", "X-Goog-IAP-Generated-Response", `.`),
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
	m(byEdge, "Apigee", "", `"fault"\s*:\s*\{\s*"faultstring"`),
	m(byEdge, "WSO2", "", `"fault"\s*:\s*\{\s*"code"\s*:\s*9\d{5}`),
	m(byEdge, "IBM API Connect", "", `"httpCode"\s*:\s*"\d{3}"\s*,\s*"httpMessage"`),
	m(byEdge, "Gravitee", "X-Gravitee-Request-Id", `.`),
	m(byEdge, "Heroku", "Via", `vegur|heroku-router`),
	m(byEdge, "ngrok", "Ngrok-Error-Code", `.`),
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
	own          *regexp.Regexp // paths of its own API: whoever asks for one means it
}{
	{"X-Jenkins", "Jenkins", regexp.MustCompile(`.`), regexp.MustCompile(`(?i)^(/jenkins)?/(job|crumbIssuer|api|queue|computer|view|user|build|login|me)\b`)},
	{"WWW-Authenticate", "Jenkins", regexp.MustCompile(`(?i)realm="?jenkins`), regexp.MustCompile(`(?i)^(/jenkins)?/(job|crumbIssuer|api|queue|computer|view|user|build|login|me)\b`)},
	{"Docker-Distribution-Api-Version", "a Docker registry", regexp.MustCompile(`.`), regexp.MustCompile(`^/v2(/|$)|^/token`)},
	{"X-Elastic-Product", "Elasticsearch", regexp.MustCompile(`.`), regexp.MustCompile(`^/(_|[^/]+/_)`)},
	{"WWW-Authenticate", "Elasticsearch", regexp.MustCompile(`(?i)realm="security" charset`), regexp.MustCompile(`^/(_|[^/]+/_)`)},
	{"X-Grafana-Id", "Grafana", regexp.MustCompile(`.`), regexp.MustCompile(`^(/grafana)?/api/(dashboards|datasources|orgs?|users?|folders|search|alertmanager|alerting|ruler|health|ds|annotations|teams|admin|auth|serviceaccounts|access-control|playlists|plugins|snapshots|live|frontend)\b`)},
	{"X-Grafana-Version", "Grafana", regexp.MustCompile(`.`), regexp.MustCompile(`^(/grafana)?/api/(dashboards|datasources|orgs?|users?|folders|search|alertmanager|alerting|ruler|health|ds|annotations|teams|admin|auth|serviceaccounts|access-control|playlists|plugins|snapshots|live|frontend)\b`)},
	{"Kbn-Name", "Kibana", regexp.MustCompile(`.`), nil},
	{"X-Arequestid", "Jira", regexp.MustCompile(`.`), regexp.MustCompile(`/rest/`)},
	{"X-Confluence-Request-Time", "Confluence", regexp.MustCompile(`.`), regexp.MustCompile(`/rest/|/wiki/`)},
	{"X-Plex-Protocol", "Plex", regexp.MustCompile(`.`), nil},
	{"X-Gerrit-Trace", "Gerrit", regexp.MustCompile(`.`), regexp.MustCompile(`^/a/`)},
	{"X-Vault-Index", "Vault", regexp.MustCompile(`.`), regexp.MustCompile(`^/v1/(sys|auth|secret|kv|pki|transit|identity|database)\b`)},
	{"X-Consul-Index", "Consul", regexp.MustCompile(`.`), regexp.MustCompile(`^/v1/`)},
	{"X-Minio-Deployment-Id", "MinIO", regexp.MustCompile(`.`), regexp.MustCompile(`^/minio/`)},
	{"Server", "Nexus", regexp.MustCompile(`(?i)^nexus`), nil},
	{"Server", "MinIO", regexp.MustCompile(`(?i)^minio`), regexp.MustCompile(`^/minio/`)},
	{"WWW-Authenticate", "a router or device", regexp.MustCompile(`(?i)realm="?[^"]*(router|gateway login|netgear|tp-?link|linksys|d-?link|fritz|camera|printer|ipcam|dvr|nas|switch|modem|airport|idrac|ilo)`), nil},
	{"WWW-Authenticate", "Tomcat Manager", regexp.MustCompile(`(?i)tomcat manager`), nil},
	{"WWW-Authenticate", "RabbitMQ", regexp.MustCompile(`(?i)rabbitmq`), regexp.MustCompile(`^/api/(overview|queues|exchanges|vhosts|connections|channels|nodes|whoami|definitions|bindings|users|permissions|policies|health)\b`)},
	{"WWW-Authenticate", "Prometheus or another monitor", regexp.MustCompile(`(?i)realm="?(prometheus|grafana|kibana|nexus|sonatype|artifactory|gitea|gerrit|airflow|flower|solr|couchdb|influxdb|pgadmin|phpmyadmin|portainer|traefik dashboard|consul|rundeck|zabbix|nagios)`), nil},
	{"X-Influxdb-Version", "InfluxDB", regexp.MustCompile(`.`), regexp.MustCompile(`^/(api/v2|write|query)\b`)},
	{"X-Couchdb-Body-Time", "CouchDB", regexp.MustCompile(`.`), nil},
	{"X-Artifactory-Id", "Artifactory", regexp.MustCompile(`.`), regexp.MustCompile(`/artifactory\b|^/api/(storage|search|repositories|npm|pypi|docker|system|security|build)\b`)},
	{"X-Gitlab-Meta", "GitLab", regexp.MustCompile(`.`), regexp.MustCompile(`^/api/v4/|\.git\b|^/api/graphql`)},
	{"", "a Kubernetes API server", regexp.MustCompile(`^\s*\{"kind":"Status","apiVersion":"v1"`), regexp.MustCompile(`^/(apis?|version|openapi|healthz|livez|readyz|metrics|\.well-known)(/|$)`)},
	{"Server", "the AirPlay receiver of macOS", regexp.MustCompile(`(?i)^AirTunes`), nil},
	{"Server", "a device", regexp.MustCompile(`(?i)UPnP/\d|^Roku|^VMware|goahead|mini_httpd|boa/|micro_httpd|thttpd|RomPager|CUPS|lighttpd/1\.4\.\d+-devolo|mikrotik`), nil},
}

// noServices are those of them that have no API which takes a bearer token.
var noServices = []string{"the AirPlay receiver of macOS", "a device"}

// refusesRefresh are words that a token endpoint has about what it was given.
var invalidGrant = regexp.MustCompile(`(?i)invalid_grant`)

var loginPath = regexp.MustCompile(`(?i)(^|[/._-])(log-?in|sign-?in|log-?on|sign_in|sso|authorize|authenticate|saml2?|adfs|oauth2/(start|sign_in|auth)|openid-connect/auth|oauth2/v2\.0/authorize|accounts?/login|users/sign_in|identity/account|cas|idp|auth/realms|auth)([/._?-]|$)`)
var thenLogin = regexp.MustCompile(`(?i)/(log-?out|sign-?out|log-?off|end-?session|logged-?out|register|registration|sign-?up|password-?reset|(reset|forgot|forgotten|change)-?password|(reset|forgot|change)_password)([/._?-]|$)`)
var loginHost = regexp.MustCompile(`(?i)^(log-?in|sign-?in|sso|auth|accounts?|id|idp|identity|adfs|saml)\.|\.okta\.com$|\.auth0\.com$|login\.microsoftonline\.com$|\.amazoncognito\.com$|\.cloudflareaccess\.com$|accounts\.google\.com$|\.onelogin\.com$|\.b2clogin\.com$`)
var loginQuery = regexp.MustCompile(`(?i)(^|&)(return_?url|return_?to|redirect_?ur[il]|redirect_?to|next|continue|back|rd|from|target|goto|callback_?url|origin_?url|service|response_type|saml_?request|client_id|destination|url|r|ru)=`)
var loginPage = regexp.MustCompile(`(?i)<input[^>]+type=["']?password|<title>[^<]*(log ?in|sign ?in|log ?on|single sign)[^<]*</title>|id=["']?(kc-form-login|login-?form|okta-sign-in|loginForm)|<form[^>]+action=["'][^"']*(log-?in|sign-?in|authenticate|session)`)
