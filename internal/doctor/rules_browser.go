package doctor

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// page returns the origin of the page that asked, and whether that is another
// than the server's.
func (c *Case) page() (origin string, cross bool) {
	if !c.Request.Browser {
		return "", false
	}
	origin, _ = c.Request.Get("Origin")
	if origin == "" && c.Earlier != nil {
		origin = c.Earlier.Page
	}
	if origin == "" {
		if ref, ok := c.Request.Get("Referer"); ok {
			if u, err := url.Parse(ref); err == nil && u.Host != "" {
				origin = u.Scheme + "://" + u.Host
			}
		}
	}
	if origin == "" {
		return "", false
	}
	if origin == "null" {
		return origin, true
	}
	return origin, Origin(origin) != Origin(c.Request.URL)
}

// fetched reports whether a script asked, and CORS applies to its request.
func (c *Case) fetched() bool {
	if mode, ok := c.Request.Get("Sec-Fetch-Mode"); ok {
		return mode == "cors"
	}
	if c.Earlier != nil && c.Earlier.Type != "" {
		return slices.Contains([]string{"fetch", "xhr", "xmlhttprequest"}, c.Earlier.Type)
	}
	_, has := c.Request.Get("Origin")
	return has
}

// credentialed reports whether the request asked for cookies to go along.
func (c *Case) credentialed() bool {
	_, cookie := c.Request.Get("Cookie")
	return cookie
}

// simple are the header names that need no preflight (WHATWG Fetch).
var simple = []string{"accept", "accept-language", "content-language", "content-type", "range"}

// browsers set these themselves.
var automatic = regexp.MustCompile(`(?i)^(host|connection|content-length|origin|referer|user-agent|accept-encoding|cookie|dnt|pragma|cache-control|te|priority|upgrade-insecure-requests|sec-.*|proxy-.*|:.*|if-.*|expect|keep-alive|transfer-encoding|via|date|x-client-data|accept-charset|trailer|upgrade|save-data|viewport-width|device-memory|rtt|downlink)$`)

// NotSimple returns the headers that a preflight asks for.
func (r *Request) NotSimple() []string {
	var list []string
	for _, f := range r.Header {
		name := strings.ToLower(f.Name)
		if automatic.MatchString(name) || slices.Contains(list, name) {
			continue
		}
		if name == "content-type" {
			kind := strings.ToLower(strings.TrimSpace(strings.SplitN(f.Value, ";", 2)[0]))
			if kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data" || kind == "text/plain" {
				continue
			}
		} else if slices.Contains(simple, name) {
			continue
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// NeedsPreflight reports whether a browser would ask before it sends r.
func (r *Request) NeedsPreflight() bool {
	return r.Method != "GET" && r.Method != "HEAD" && r.Method != "POST" || len(r.NotSimple()) > 0
}

func (c *Case) preflight() *Answer {
	if c.Preflight != nil {
		return c.Preflight
	}
	if c.Earlier != nil {
		return c.Earlier.Preflight
	}
	return nil
}

func (c *Case) preflightRefused() *finding {
	origin, cross := c.page()
	own := c.Request.Method == "OPTIONS"
	if own && c.answer != nil && c.answer.Fault == "" && (c.answer.Status >= 300) {
		if _, asks := c.Request.Get("Access-Control-Request-Method"); asks {
			return certain("PREFLIGHT_REFUSED", fmt.Sprintf("the preflight (OPTIONS) is answered %d; a browser wants 2xx, and never sends a credential with it", c.answer.Status))
		}
	}
	if _, asks := c.Request.Get("Access-Control-Request-Method"); own && asks && c.Recorded && cross && c.answer != nil && c.answer.Fault == "" && c.answer.Status < 300 {
		return c.corsPreflight(c.answer, origin) // what it was asked for never came
	}
	p := c.preflight()
	if p == nil || p.Fault != "" || !cross || !c.fetched() || c.Earlier == nil && !c.Request.NeedsPreflight() {
		return nil
	}
	if p.Status >= 200 && p.Status < 300 {
		return c.corsPreflight(p, origin)
	}
	return certain("PREFLIGHT_REFUSED", fmt.Sprintf("the preflight (OPTIONS, from %s) is answered %d; a browser wants 2xx, and never sends a credential with it", clip(origin, 80), p.Status))
}

func (c *Case) corsPreflight(p *Answer, origin string) *finding {
	if f := c.corsOrigin(p, origin, "the answer to the preflight"); f != nil {
		return f
	}
	allowed := map[string]bool{}
	star := false
	for _, v := range all(p.Header, "Access-Control-Allow-Headers") {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			star = star || name == "*"
			allowed[name] = true
		}
	}
	names := c.Request.NotSimple()
	if c.Earlier != nil && len(c.Earlier.AskedFor) > 0 {
		names = c.Earlier.AskedFor
	} else if asked, ok := c.Request.Get("Access-Control-Request-Headers"); ok && c.Request.Method == "OPTIONS" {
		names = strings.FieldsFunc(strings.ToLower(asked), func(r rune) bool { return r == ',' || r == ' ' })
	}
	for _, name := range names {
		if allowed[name] || star && name != "authorization" && !c.credentialed() {
			continue
		}
		text := fmt.Sprintf("the preflight does not allow the header %s: Access-Control-Allow-Headers is %s", name, or(clip(strings.Join(all(p.Header, "Access-Control-Allow-Headers"), ", "), 120), "missing"))
		if star && name == "authorization" {
			text += ", and * does not cover Authorization (WHATWG Fetch §4.8)"
		}
		return certain("CORS_HEADER_NOT_ALLOWED", text)
	}
	return nil
}

func (c *Case) corsOrigin(a *Answer, origin, where string) *finding {
	allow := strings.TrimSpace(a.Get("Access-Control-Allow-Origin"))
	switch {
	case allow == "*" && c.credentialed():
		return certain("CORS_ORIGIN", where+" has Access-Control-Allow-Origin: *, which a browser does not take for a request with credentials")
	case allow == "":
		return certain("CORS_ORIGIN", where+" has no Access-Control-Allow-Origin, and the page is of "+clip(origin, 80))
	case len(all(a.Header, "Access-Control-Allow-Origin")) > 1 || strings.Contains(allow, ","):
		return certain("CORS_ORIGIN", where+" has Access-Control-Allow-Origin more than once; a browser takes one")
	case allow != "*" && allow != origin:
		return certain("CORS_ORIGIN", fmt.Sprintf("%s allows the origin %s, and the page is of %s", where, clip(allow, 80), clip(origin, 80)))
	case c.credentialed() && a.Get("Access-Control-Allow-Credentials") != "true":
		return certain("CORS_CREDENTIALS", where+" lacks Access-Control-Allow-Credentials: true, and the request carries cookies")
	}
	return nil
}

// corsAnswer: the answer is there, and the browser keeps it from the page.
func (c *Case) corsAnswer() *finding {
	origin, cross := c.page()
	if !cross || !c.fetched() || c.answer == nil || c.answer.Fault != "" || c.Request.Method == "OPTIONS" {
		return nil
	}
	if c.answer.Status == 0 {
		return nil
	}
	f := c.corsOrigin(c.answer, origin, "the answer")
	if f == nil || c.outcome == letThrough {
		return f
	}
	// A refusal that lacks the headers hides its reason and has another.
	return nil
}

// socket: a browser cannot give a WebSocket or an EventSource a header.
func (c *Case) socket() *finding {
	if c.outcome != refused && !c.probedOnly() || c.cred.place == inAuthorization || c.cred.place == inHeader {
		return nil
	}
	u, _ := url.Parse(c.Request.URL)
	upgrade, _ := c.Request.Get("Upgrade")
	_, key := c.Request.Get("Sec-WebSocket-Key")
	accept, _ := c.Request.Get("Accept")
	mode, _ := c.Request.Get("Sec-Fetch-Mode")
	kind := ""
	switch {
	case u != nil && (u.Scheme == "ws" || u.Scheme == "wss") || strings.EqualFold(upgrade, "websocket") || key || mode == "websocket" || c.Earlier != nil && c.Earlier.Type == "websocket":
		kind = "WebSocket"
	case strings.Contains(accept, "text/event-stream") && (c.Request.Browser || c.Recorded) || c.Earlier != nil && c.Earlier.Type == "eventsource":
		kind = "EventSource"
	default:
		return nil
	}
	if c.cred.place == inCookie && (c.word == nil || c.word.means != saidMissing) && !c.wantsScheme("Bearer") {
		return nil
	}
	if c.word != nil && tokenCause[c.word.means] {
		return nil
	}
	f := likely("SOCKET_HAS_NO_HEADER", "the request is of a browser's "+kind+", which cannot carry Authorization", "no header carries a credential")
	f.sure = c.wantsScheme("Bearer") || c.says(saidMissing) != nil
	return f
}

func (c *Case) csrf() *finding {
	if c.outcome != refused {
		return nil
	}
	w := c.says("CSRF_REFUSED")
	if w != nil && w.prose && (!c.Request.Unsafe() || c.says(saidMissing) != nil) {
		w = nil // it explains what is done against forgery
	}
	if v := c.answer.Get("X-CSRF-Token"); c.status() == 403 && strings.EqualFold(v, "required") {
		return certain("CSRF_REFUSED", "the answer has X-CSRF-Token: Required, as SAP's services say it")
	}
	if w != nil && (c.word == w || !tokenCause[c.word.means]) {
		return certain("CSRF_REFUSED", c.heard(w))
	}
	if c.status() == 419 {
		return certain("CSRF_REFUSED", "the answer is 419, Laravel's for a CSRF token that is missing or old")
	}
	if c.status() == 403 && c.Request.Unsafe() && c.cred.place == inCookie && c.word == nil && c.last().Method == c.Request.Method {
		for _, h := range []string{"X-CSRF-Token", "X-CSRFToken", "X-XSRF-Token"} {
			if _, ok := c.Request.Get(h); ok {
				return nil
			}
		}
		if regexp.MustCompile(`(?i)(csrf|xsrf)`).MatchString(c.cred.raw) {
			return likely("CSRF_REFUSED", "a cookie holds a CSRF token, and no header sends it along")
		}
	}
	return nil
}

var serverAgent = regexp.MustCompile(`(?i)^(node|undici|node-fetch|axios/|got |got\(|next\.js|nuxt|deno|bun/|ofetch|remix|sveltekit|astro)`)

// notIncluded: a script asked for another origin and left its cookies behind,
// or a server that rendered a page did.
func (c *Case) notIncluded() *finding {
	if c.Earlier != nil && c.Earlier.Type == "rendered" {
		return likely("NOT_FORWARDED_BY_SSR", c.Earlier.Error, "the request for the page carries its credential")
	}
	if c.outcome != refused || c.cred.place != nowhere || c.signIn || c.Redacted {
		return nil
	}
	agent, _ := c.Request.Get("User-Agent")
	if serverAgent.MatchString(agent) {
		for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Middleware-Subrequest", "X-Invoke-Path", "Next-Action", "Rsc", "Next-Router-State-Tree", "X-Nuxt-No-Ssr", "X-Sveltekit-Action", "X-Remix-Revalidate", "X-Ssr", "X-Nextjs-Data", "Referer", "Accept-Language", "X-Matched-Path", "X-Middleware-Invoke", "Next-Url", "Purpose", "X-Rendered-By", "Traceparent", "Sec-Fetch-Mode", "X-Requested-By"} {
			if _, ok := c.Request.Get(h); ok {
				return likely("NOT_FORWARDED_BY_SSR", fmt.Sprintf("the request was made by a server (%s) on behalf of a page, and carries neither cookie nor token", clip(agent, 40)))
			}
		}
		if c.Earlier != nil {
			return likely("NOT_FORWARDED_BY_SSR", fmt.Sprintf("the request was made by a server (%s), and carries neither cookie nor token", clip(agent, 40)))
		}
	}
	origin, cross := c.page()
	if !cross || !c.fetched() {
		return nil
	}
	wants := c.answer.Get("Access-Control-Allow-Credentials") == "true" || c.preflight() != nil && c.preflight().Get("Access-Control-Allow-Credentials") == "true"
	cookieWords := regexp.MustCompile(`(?i)cookie|session`).MatchString(c.text) || len(all(c.answer.Header, "Set-Cookie")) > 0
	if (wants || cookieWords) && !c.wantsScheme("Bearer") {
		return likely("CREDENTIALS_NOT_INCLUDED", fmt.Sprintf("a script of %s asks for another origin, and no cookie goes along", clip(origin, 80)), "the server answers as one that takes cookies there")
	}
	return nil
}
