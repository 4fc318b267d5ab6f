// Package cors lets the scripts of configured origins read answers, by the
// CORS protocol of the Fetch standard (https://fetch.spec.whatwg.org/#http-cors-protocol).
//
// Origins are compared exactly, and there are no wildcards: an allowed origin
// acts with the cookies of whoever sits before the browser.
package cors

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/doorward/doorward"
)

const (
	allowMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"

	// allowHeaders always holds Authorization by name, which "*" never covers.
	allowHeaders = "Authorization, Content-Type, Idempotency-Key, Doorward-Transport, " +
		"If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Last-Event-ID, Range, X-Requested-With"

	maxAge = "7200" // seconds; Chromium keeps none longer
)

// Policy says which origins are let in. The zero Policy lets in none. It is
// safe for concurrent use.
type Policy struct {
	origins map[string]bool
	headers string
}

// New returns the policy that lets in the given origins, each written
// scheme://host or scheme://host:port. Their scripts may send the request
// headers that the common ones and Doorward's need, and those named here.
func New(origins []string, headers ...string) (*Policy, error) {
	p := &Policy{origins: make(map[string]bool, len(origins)), headers: allowHeaders}
	for _, origin := range origins {
		normal, err := normalize(origin)
		if err != nil {
			return nil, fmt.Errorf("allowed origin %q: %w", origin, err)
		}
		p.origins[normal] = true
	}
	for _, name := range headers {
		if !isToken(name) {
			return nil, fmt.Errorf("allowed header %q: not the name of a header", name)
		}
		p.headers += ", " + name
	}
	return p, nil
}

// Origins returns the origins that are let in, as browsers write them.
func (p *Policy) Origins() []string { return slices.Sorted(maps.Keys(p.origins)) }

// Allows reports whether origin, as a browser sends it, is let in.
func (p *Policy) Allows(origin string) bool { return p.origins[origin] }

// IsPreflight reports whether r is a browser's question about a request to
// come. It never carries credentials and must never be asked for them.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header["Origin"]) > 0 && len(r.Header["Access-Control-Request-Method"]) > 0
}

// Answer adds to h what the answer to r says about CORS: to an origin that is
// let in everything it needs, to another nothing. It may be called twice.
func (p *Policy) Answer(h http.Header, r *http.Request) {
	if len(p.origins) == 0 {
		return
	}
	preflight := IsPreflight(r)
	// An answer that depends on these must not be kept for a request that
	// differs in them, whether the origin is let in or not.
	vary(h, "Origin")
	if preflight {
		vary(h, "Access-Control-Request-Method")
		vary(h, "Access-Control-Request-Headers")
	}
	origin := r.Header["Origin"]
	if len(origin) != 1 || !p.Allows(origin[0]) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin[0])
	h.Set("Access-Control-Allow-Credentials", "true")
	if preflight {
		h.Set("Access-Control-Allow-Methods", allowMethods)
		h.Set("Access-Control-Allow-Headers", p.headers)
		h.Set("Access-Control-Max-Age", maxAge)
		return
	}
	expose(h)
}

// Handler answers preflights, with 204 and without asking next, and adds to
// the answers of next what Answer says.
func (p *Policy) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Answer(w.Header(), r)
		if IsPreflight(r) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func vary(h http.Header, name string) {
	if !slices.Contains(h["Vary"], name) {
		h.Add("Vary", name)
	}
}

// expose adds to what else may be exposed; a browser reads all such fields.
func expose(h http.Header) {
	const field = "Access-Control-Expose-Headers"
	if !slices.Contains(h[field], doorward.ExposedHeaders) {
		h.Add(field, doorward.ExposedHeaders)
	}
}

// normalize returns the origin as a browser serialises it (RFC 6454 §6.2), or
// an error that says how to write it.
func normalize(origin string) (string, error) {
	switch {
	case origin == "":
		return "", errors.New("empty")
	case origin == "null":
		// Sandboxed frames and local files of anyone send it.
		return "", errors.New(`"null" is nobody in particular and cannot be let in`)
	case strings.Contains(origin, "*"):
		return "", errors.New("there are no wildcards: list each origin")
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errors.New("want scheme://host or scheme://host:port, such as https://app.example.com")
	}
	host, err := normalHost(u.Hostname())
	if err != nil {
		return "", err
	}
	port, err := normalPort(u.Scheme, u.Port())
	if err != nil {
		return "", err
	}
	normal := u.Scheme + "://" + host + port
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(origin, "#") {
		return "", fmt.Errorf("an origin ends with its host or port: write %s", normal)
	}
	return normal, nil
}

func normalHost(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		if ip.Zone() != "" {
			return "", errors.New("an origin has no zone")
		}
		return "[" + ip.String() + "]", nil
	}
	host = strings.ToLower(host)
	for _, c := range []byte(host) {
		switch {
		case c >= 0x80:
			return "", errors.New("write the host in ASCII (xn--…), as browsers send it")
		case ('a' > c || c > 'z') && ('0' > c || c > '9') && !strings.ContainsRune("-._", rune(c)):
			return "", fmt.Errorf("%q cannot be in a host", c)
		}
	}
	if host == "" {
		return "", errors.New("the host is missing")
	}
	return host, nil
}

// normalPort returns the port with its colon, and nothing for the default.
func normalPort(scheme, port string) (string, error) {
	if port == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("the port must be a number from 1 to 65535")
	}
	if scheme == "http" && n == 80 || scheme == "https" && n == 443 {
		return "", nil
	}
	return ":" + strconv.FormatUint(n, 10), nil
}

// isToken follows token, RFC 9110 §5.6.2.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if ('a' > c || c > 'z') && ('A' > c || c > 'Z') && ('0' > c || c > '9') &&
			!strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
