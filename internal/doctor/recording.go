package doctor

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// store says where in the browser an answer comes from, in place of the server, and
// whether it was kept there.
func (e *harEntry) store() (where string, kept bool) {
	source := strings.ToLower(e.Response.WorkerHadIt)
	switch {
	case e.FromCache != "":
		return "the browser's cache (" + clip(e.FromCache, 20) + ")", true
	case strings.HasSuffix(e.FetchType, " Cache"):
		return "the browser's cache (" + clip(e.FetchType, 20) + ")", true
	case source == "cache-storage":
		return "the Cache Storage of a service worker", true
	case source == "http-cache":
		return "the browser's cache, by way of a service worker", true
	case source == "network":
		return "", false
	case source != "" || e.Response.ByWorker || e.FetchType == "Service Worker":
		return "a service worker", false
	}
	return "", false
}

// signedIn reports whether a redirect to a sign-in page led on, without anybody's
// doing, to an answer of where it began: the provider knew the user.
func (r *recording) signedIn(i int) bool {
	at := i
	for range 12 {
		a := r.entries[at].answer()
		to := Next(r.entries[at].Request.URL, &a)
		if to == "" {
			u, err := url.Parse(r.entries[at].Request.URL)
			return err == nil && at != i && a.Status >= 200 && a.Status < 300 && Origin(u.String()) == Origin(r.entries[i].Request.URL) && !loginPath.MatchString(u.Path) && !loginPage.MatchString(a.Body)
		}
		next := slices.IndexFunc(r.entries[at+1:], func(o harEntry) bool { return same(o.Request.URL, to) })
		if next < 0 {
			return false
		}
		at += 1 + next
	}
	return false
}

var hydrated = regexp.MustCompile(`__NEXT_DATA__|__NUXT__|window\.__remixContext|__sveltekit|data-sveltekit|self\.__next_f|ng-(state|server-context)|__NUXT_DATA__|astro-island|/_astro/|content="(Astro|Nuxt|Gatsby|SvelteKit)\b|__reactRouterContext|\$_TSR|__TSR_|___gatsby|_\$HY|q:container|__FRSH|vike_pageContext|data-server-rendered|data-reactroot`)
var hydrated401 = regexp.MustCompile(`(?i)"?status(code)?"?\s*[:=]\s*"?401|status code 401|401 Unauthorized|"Unauthorized"|Request failed.{0,30}401|UNAUTHENTICATED|TOKEN_MISSING`)

// renderedWithout: a page that was rendered on the server without the
// credential that its own request had.
func (r *recording) renderedWithout(en *harEntry, e *Evidence) bool {
	if en.Type != "document" && !strings.Contains(en.Response.Content.MimeType, "html") {
		return false
	}
	body := en.body()
	if en.Response.Status == 401 && hydrated.MatchString(body) && renderedAs401.MatchString(body) && r.sameCookieElsewhere(en) {
		e.Earlier.Error = "the page was rendered on the server as a 401, and the same cookie is let through in a request of the browser's own"
		e.Earlier.PageHadIt, e.Earlier.Type = true, "rendered"
		return true
	}
	if !hydrated.MatchString(body) || !hydrated401.MatchString(body) || !e.Request.HasCredential() {
		return false
	}
	if s := en.Response.Status; (s == 401 || s == 403) && !innerFetch.MatchString(body) && !r.sameCookieElsewhere(en) {
		return false // it may be the page's own request that is refused
	}
	e.Earlier.Error = fmt.Sprintf("the page was rendered on the server, and says %q", quoteWords(body, hydrated401))
	e.Earlier.PageHadIt = true
	e.Earlier.Type = "rendered"
	return true
}

var renderedAs401 = regexp.MustCompile(`(?i)<(h1|title)[^>]*>\s*401\b`)

// innerFetch is what a page says of a request that its server made for it.
var innerFetch = regexp.MustCompile(`(?i)\b(fetch|fetching|request|load|query|call)(ed|ing)?\b( failed| to| for)?.{0,80}\b401\b|\bhttps?://[\w.-]+(:\d+)?/[^<>]{0,80}\b401\b|\b401\b.{0,40}\b(from|for|by|fetching|loading|GET|POST) "?(https?://|/)`)

// sameCookieElsewhere reports whether another request to the host, with the same
// cookies and near in time, was let through.
func (r *recording) sameCookieElsewhere(en *harEntry) bool {
	req := en.request()
	mine, _ := req.Get("Cookie")
	for i := range r.entries {
		o := &r.entries[i]
		other := o.request()
		theirs, _ := other.Get("Cookie")
		near := o.Started.Sub(en.Started).Abs() < 2*time.Minute
		if o != en && near && mine != "" && theirs == mine && o.Response.Status == 200 && hostOf(o.Request.URL) == hostOf(en.Request.URL) && strings.Contains(o.Response.Content.MimeType, "json") {
			return true
		}
	}
	return false
}
