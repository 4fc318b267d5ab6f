package client

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// origin is a scheme and a host, in lower case and without the scheme's own
// port (RFC 6454 §4).
type origin struct{ scheme, host string }

func originOf(u *url.URL) origin {
	o := origin{strings.ToLower(u.Scheme), strings.ToLower(u.Host)}
	switch o.scheme {
	case "https":
		o.host = strings.TrimSuffix(o.host, ":443")
	case "http":
		o.host = strings.TrimSuffix(o.host, ":80")
	}
	return o
}

// parseOrigin takes the URL of a server, and nothing behind its host. Tokens
// travel by TLS (RFC 6750 §5.3), but for hosts of this machine.
func parseOrigin(what, text string) (origin, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return origin{}, fmt.Errorf("client: %s %q: want a URL such as https://api.example.com", what, text)
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return origin{}, fmt.Errorf("client: %s: want the scheme and the host, with nothing before or behind the host", what)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return origin{}, fmt.Errorf("client: %s %q: want https: a token that travels by http is anybody's", what, text)
	}
	return originOf(u), nil
}

func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") // RFC 6761 §6.3
}

// origins are those that the token is for; the first is the issuer's.
type origins []origin

func (all origins) has(u *url.URL) bool {
	for i := range all {
		if all[i].scheme == u.Scheme && all[i].host == u.Host {
			return true
		}
	}
	asked := originOf(u) // the same in another spelling
	for i := range all {
		if all[i] == asked {
			return true
		}
	}
	return false
}

// authRoutes take credentials of their own, or give them out: what they refuse,
// no renewal mends.
var authRoutes = map[string]bool{
	"/auth/signup":          true,
	"/auth/login":           true,
	"/auth/refresh":         true,
	"/auth/logout":          true,
	"/auth/logout/all":      true,
	"/auth/password/forgot": true,
	"/auth/password/reset":  true,
	"/auth/email/verify":    true,
}

// takes reports whether a request is to carry the token.
func (all origins) takes(u *url.URL) bool {
	if !all.has(u) {
		return false
	}
	return !strings.HasPrefix(u.Path, "/auth/") || !authRoutes[u.Path] || originOf(u) != all[0]
}

// strayed reports whether a redirect led a request to another origin than the
// one its caller wrote its credentials for. An http.Client takes them along to
// other ports and to hosts below the first one.
func strayed(r *http.Request) bool {
	if r.URL.User != nil {
		return false // they are the redirect's own
	}
	first := r
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	return first != r && first.URL != nil && originOf(first.URL) != originOf(r.URL)
}
