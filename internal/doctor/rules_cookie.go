package doctor

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/why"
)

// jar is one cookie as an answer set it.
type jar struct {
	SetCookie
	name, domain, path string
	size               int
	secure, httpOnly   bool
	sameSite           string // lower case; "" where the field has none
	expires            time.Time
	gone               bool // set to be deleted
}

func readCookie(s SetCookie) (jar, bool) {
	pair, attrs, _ := strings.Cut(s.Line, ";")
	name, value, ok := strings.Cut(pair, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		return jar{}, false
	}
	j := jar{SetCookie: s, name: name, size: len(name) + len(strings.TrimSpace(value))}
	u, err := url.Parse(s.URL)
	if err == nil {
		j.path = "/"
		if i := strings.LastIndexByte(u.Path, '/'); i > 0 {
			j.path = u.Path[:i]
		}
	}
	maxAge := false
	for a := range strings.SplitSeq(attrs, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(a), "=")
		v = strings.Trim(strings.TrimSpace(v), `"`)
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "domain":
			j.domain = strings.ToLower(strings.TrimPrefix(v, "."))
		case "path":
			if strings.HasPrefix(v, "/") {
				j.path = v
			}
		case "secure":
			j.secure = true
		case "httponly":
			j.httpOnly = true
		case "samesite":
			j.sameSite = strings.ToLower(v)
		case "max-age":
			var n int64
			if _, err := fmt.Sscan(v, &n); err == nil {
				maxAge = true
				j.expires = s.At.Add(time.Duration(min(n, 10*365*86400)) * time.Second)
				j.gone = n <= 0
			}
		case "expires":
			if at, err := http.ParseTime(v); err == nil && !maxAge {
				j.expires, j.gone = at, !at.After(s.At)
			} else if at, err := time.Parse("Mon, 02-Jan-2006 15:04:05 MST", v); err == nil && !maxAge {
				j.expires, j.gone = at, !at.After(s.At)
			}
		}
	}
	return j, true
}

// cookies: one that was set earlier, and did not come back.
func (c *Case) cookies() []*finding {
	if c.Earlier == nil || c.outcome != refused || c.Redacted && c.cred.place == nowhere && len(c.Earlier.Cookies) == 0 || c.cred.place == inAuthorization || c.cred.place == inHeader && !c.cred.guess {
		return nil
	}
	sent := map[string]bool{}
	for _, v := range all(c.Request.Header, "Cookie") {
		for pair := range strings.SplitSeq(v, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			sent[name] = true
		}
	}
	latest := map[string]jar{}
	var order []string
	for _, s := range c.Earlier.Cookies {
		if s.At.After(c.Now) {
			continue
		}
		j, ok := readCookie(s)
		if !ok || !related(j.Host, hostOf(c.Request.URL)) {
			continue
		}
		if _, seen := latest[j.name]; !seen {
			order = append(order, j.name)
		}
		latest[j.name] = j
	}
	var best, other *finding
	for _, name := range order {
		if sent[name] {
			continue
		}
		f := c.lost(latest[name])
		if f == nil || besideSession.MatchString(name) || f.cause == "COOKIE_PATH" && ofRefresh.MatchString(name) && !c.signIn && !ofRefresh.MatchString(pathOf(c.Request.URL)) {
			continue
		}
		if sessionCookie.MatchString(name) && best == nil {
			best = f
		} else if other == nil {
			if !latest[name].httpOnly && len(order) > 1 {
				f.sure = false // nothing tells that it is the credential
			}
			other = f
		}
	}
	if best == nil {
		best = other
	}
	if best == nil {
		return nil
	}
	return []*finding{best}
}

// besideSession are cookies that nobody is let through for; ofRefresh those that
// are meant for the refresh alone, which keeps them to its path.
var (
	besideSession = regexp.MustCompile(`(?i)^(_ga|_gid|_gat|_gcl|_fbp|_hj|_pk_|__utm|ajs_|amplitude|intercom|optimizely|__cf|cf_|_cfuvid|awsalb|arraffinity|incap_|visid_|ak_bmsc|bm_|datadome|nlbi_)|^(lang|language|locale|i18next|theme|color-?scheme|timezone|tz|consent|cookie-?consent|next_locale|currency)$`)
	ofRefresh     = regexp.MustCompile(`(?i)refresh|renew`)
)

// related: the hosts could share a cookie, or somebody would want them to.
func related(a, b string) bool { return a == b || site(a) == site(b) }

var twoLevels = regexp.MustCompile(`\.(co|com|org|net|ac|gov|edu)\.[a-z]{2}$|\.(github|gitlab|vercel|netlify|herokuapp|pages|web|azurewebsites|cloudfront|appspot|onrender|fly)\.(io|app|com|dev|net)$`)

// site is the registrable domain, near enough: without the list of public
// suffixes, those that people meet.
func site(host string) string {
	if regexp.MustCompile(`^[\d.:]+$`).MatchString(host) {
		return host
	}
	labels := strings.Split(host, ".")
	n := 2
	if twoLevels.MatchString(host) {
		n = 3
	}
	if len(labels) <= n {
		return host
	}
	return strings.Join(labels[len(labels)-n:], ".")
}

func (c *Case) lost(j jar) *finding {
	u, err := url.Parse(c.Request.URL)
	if err != nil {
		return nil
	}
	host := strings.ToLower(u.Hostname())
	secureNow := u.Scheme == "https" || u.Scheme == "wss"
	local := host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "127.0.0.1" || host == "::1"
	name := clip(j.name, 40)
	set := fmt.Sprintf("%s set the cookie %s %s before", j.Host, name, why.Span(c.Now.Sub(j.At)))
	found := func(cause Cause, why string) *finding {
		return certain(cause, set, why, "the request does not carry it")
	}
	switch {
	// Never stored.
	case j.size > 4096:
		return found("COOKIE_TOO_LARGE", fmt.Sprintf("name and value have %d bytes; browsers store 4096 (RFC 6265bis §5.6)", j.size))
	case strings.HasPrefix(j.name, "__Host-") && (!j.secure || j.domain != "" || j.path != "/" || !strings.Contains(strings.ToLower(j.Line), "path=/")),
		strings.HasPrefix(j.name, "__Secure-") && !j.secure, (strings.HasPrefix(j.name, "__Http-") || strings.HasPrefix(j.name, "__Host-Http-")) && !j.httpOnly,
		strings.HasPrefix(j.name, "__") && (strings.HasPrefix(j.name, "__Host-") || strings.HasPrefix(j.name, "__Secure-")) && !j.SetCookie.Secure && !local:
		return found("COOKIE_PREFIX", "its name begins with "+prefixOf(j.name)+", and it lacks what that promises: Secure"+map[bool]string{true: ", Path=/ and no Domain"}[strings.HasPrefix(j.name, "__Host-")])
	case j.sameSite == "none" && !j.secure:
		return likely("COOKIE_SAMESITE", set, "it has SameSite=None without Secure: browsers do not store it", "the request does not carry it")
	case j.secure && !j.SetCookie.Secure && !local:
		return found("COOKIE_SECURE", "it has Secure, and was set over http: browsers do not store it")
	case j.domain != "" && !covers(j.domain, j.Host):
		return found("COOKIE_DOMAIN", fmt.Sprintf("its Domain is %s, which does not cover the host that set it: browsers do not store it", clip(j.domain, 60)))
	case j.domain != "" && publicSuffix(j.domain) && j.domain != j.Host:
		return found("COOKIE_DOMAIN", fmt.Sprintf("its Domain %s is a public suffix: browsers do not store it", clip(j.domain, 60)))
	// Stored, and not sent.
	case j.domain == "" && host != j.Host || j.domain != "" && !covers(j.domain, host):
		return found("COOKIE_DOMAIN", fmt.Sprintf("it is for %s, and the request goes to %s", clip(or(j.domain, j.Host+" alone"), 60), host))
	case !j.expires.IsZero() && !j.expires.After(c.Now):
		if j.gone && j.expires.Before(j.At.Add(-time.Hour)) && strings.HasPrefix(j.Line, j.name+"=;") {
			return certain("SESSION_ENDED", fmt.Sprintf("%s deleted the cookie %s %s before: signed out", j.Host, name, why.Span(c.Now.Sub(j.At))))
		}
		return found("COOKIE_EXPIRED", fmt.Sprintf("it expired %s, %s before the request", why.Stamp(j.expires), why.Span(c.Now.Sub(j.expires))))
	case !pathMatch(u.Path, j.path):
		return found("COOKIE_PATH", fmt.Sprintf("its Path is %s, and the request is for %s", clip(j.path, 60), clip(u.Path, 80)))
	case j.secure && !secureNow && !local:
		return found("COOKIE_SECURE", "it has Secure, and the request goes over http")
	}
	return c.lostAcross(j, set, secureNow)
}

func prefixOf(name string) string {
	for _, p := range []string{"__Host-Http-", "__Host-", "__Secure-", "__Http-"} {
		if strings.HasPrefix(name, p) {
			return p
		}
	}
	return ""
}

// lostAcross: another site or another origin asks.
func (c *Case) lostAcross(j jar, set string, _ bool) *finding {
	origin, cross := c.page()
	fetchSite, _ := c.Request.Get("Sec-Fetch-Site")
	crossSite := cross && site(hostOf(origin)) != site(hostOf(c.Request.URL)) || fetchSite == "cross-site"
	if fetchSite == "same-site" || fetchSite == "same-origin" {
		crossSite = false
	}
	found := func(cause Cause, sure bool, why string) *finding {
		return &finding{cause: cause, sure: sure, proof: []string{set, why, "the request does not carry it"}}
	}
	if top := hostOf(c.Earlier.Top); top != "" && site(top) != site(hostOf(c.Request.URL)) && !crossSite {
		// Same-origin to the frame that asks, and a third party to the page in the window.
		framed := fmt.Sprintf("the request comes from a frame in a page of another site (%s)", clip(top, 80))
		if j.sameSite != "none" {
			return found("COOKIE_SAMESITE", false, framed+fmt.Sprintf(", and the cookie has SameSite=%s", or(j.sameSite, "(none given, which is Lax)")))
		}
		if !strings.Contains(strings.ToLower(j.Line), "partitioned") {
			return found("COOKIE_THIRD_PARTY", false, framed+", where browsers block the cookies of third parties")
		}
	}
	mode, _ := c.Request.Get("Sec-Fetch-Mode")
	dest, _ := c.Request.Get("Sec-Fetch-Dest")
	topGet := mode == "navigate" && dest == "document" && !c.Request.Unsafe()
	if crossSite && j.sameSite != "none" && !(topGet && j.sameSite != "strict") {
		return found("COOKIE_SAMESITE", true, fmt.Sprintf("it has SameSite=%s, and the request comes from another site (%s)", or(j.sameSite, "(none given, which is Lax)"), clip(or(origin, fetchSite), 80)))
	}
	if access, ok := c.Request.Get("Sec-Fetch-Storage-Access"); ok && (access == "none" || access == "inactive") {
		return found("COOKIE_THIRD_PARTY", true, "the browser says that it has no access to cookies there (Sec-Fetch-Storage-Access: "+access+")")
	}
	agent, _ := c.Request.Get("User-Agent")
	blocks := strings.Contains(agent, "Firefox/") || strings.Contains(agent, "Safari/") && !strings.Contains(agent, "Chrome/")
	switch {
	case crossSite && (dest == "iframe" || dest == "image" || dest == "script" || mode == "no-cors" || mode == "navigate"):
		return found("COOKIE_THIRD_PARTY", false, "the request comes from another site, asks with cookies, and the browser keeps them back: third-party cookies are blocked")
	case crossSite && blocks && c.allowsCredentials():
		return found("COOKIE_THIRD_PARTY", false, "the request comes from another site, and this browser blocks third-party cookies")
	case cross && c.fetched():
		return found("CREDENTIALS_NOT_INCLUDED", !crossSite, fmt.Sprintf("a script of %s asks for another origin: fetch leaves cookies behind there unless it is told credentials: \"include\"", clip(origin, 80)))
	}
	return nil
}

func (c *Case) allowsCredentials() bool {
	return c.answer.Get("Access-Control-Allow-Credentials") == "true"
}

func covers(domain, host string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

func publicSuffix(d string) bool {
	return !strings.Contains(d, ".") && d != "localhost" || regexp.MustCompile(`^(co|com|org|net|ac|gov|edu)\.[a-z]{2}$|^(github\.io|vercel\.app|netlify\.app|herokuapp\.com|pages\.dev|web\.app|azurewebsites\.net|cloudfront\.net|appspot\.com|onrender\.com|fly\.dev|gitlab\.io)$`).MatchString(d)
}

// pathMatch follows RFC 6265 §5.1.4.
func pathMatch(path, cookie string) bool {
	if path == "" {
		path = "/"
	}
	return path == cookie || strings.HasPrefix(path, cookie) && (strings.HasSuffix(cookie, "/") || path[len(cookie)] == '/')
}
