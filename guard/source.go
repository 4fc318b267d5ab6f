package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/strictjson"
)

const (
	maxAnswer    = 1 << 20 // bytes
	maxRedirects = 3
)

// source is where a key set is fetched.
type source struct {
	client *http.Client
	now    func() time.Time
	issuer string   // to ask for the metadata of; empty to ask keys alone
	keys   *url.URL // of the set, or where it is in the absence of metadata

	metadata []*url.URL // of the issuer, in the order to try
}

func newSource(c RemoteConfig) (source, error) {
	s := source{client: sameOriginClient(c.Client), now: c.Now}
	var err error
	if c.URL != "" {
		s.keys, err = secureURL("key set URL", c.URL)
		return s, err
	}
	issuer, err := secureURL("issuer", c.Issuer)
	if err != nil {
		return s, err
	}
	if issuer.RawQuery != "" || issuer.ForceQuery {
		return s, fmt.Errorf("issuer %q: an issuer has no query (RFC 8414 §2)", c.Issuer)
	}
	s.issuer = c.Issuer
	path := strings.TrimSuffix(issuer.Path, "/")
	at := func(path string) *url.URL {
		return &url.URL{Scheme: issuer.Scheme, Host: issuer.Host, Path: path}
	}
	s.metadata = []*url.URL{
		at("/.well-known/oauth-authorization-server" + path), // RFC 8414 §3.1
		at(path + "/.well-known/openid-configuration"),       // OpenID Connect Discovery §4.1
	}
	s.keys = at(path + "/.well-known/jwks.json")
	return s, nil
}

// secureURL parses a URL that keys may be fetched by: whoever can alter what
// comes from there can sign tokens.
func secureURL(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%s %q: want a URL such as https://auth.example.com", what, text)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%s: want a URL without user, password and fragment", what)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("%s %q: want https: who can alter what comes over http can sign tokens", what, text)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") // RFC 6761 §6.3
}

// sameOriginClient returns a client that follows no redirect to another
// origin: the issuer's own origin is what is trusted with its keys.
func sameOriginClient(base *http.Client) *http.Client {
	if base == nil {
		base = &http.Client{}
	}
	c := *base
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		first := via[0].URL
		if r.URL.Scheme != first.Scheme || r.URL.Host != first.Host {
			return errors.New("a redirect to another origin is not followed")
		}
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		if base.CheckRedirect != nil {
			return base.CheckRedirect(r, via)
		}
		return nil
	}
	return &c
}

// answer is what came from a URL, and what its header says of the times.
type answer struct {
	body  []byte
	fresh time.Duration // until it is to be asked for again
	ahead time.Duration // by how much the clock here is ahead of the sender's
	timed bool          // ahead was measured
}

// fetch returns the text of the key set.
func (s *source) fetch(ctx context.Context) (answer, error) {
	where, err := s.locate(ctx)
	if err != nil {
		return answer{}, err
	}
	return s.get(ctx, where)
}

// errNoMetadata reports that a URL answers, but not with metadata.
var errNoMetadata = errors.New("no metadata")

// locate returns the URL of the key set. It goes on to the next possibility
// only where the issuer itself says that it does not have one: an issuer that
// cannot be asked has told nothing.
func (s *source) locate(ctx context.Context) (*url.URL, error) {
	for _, where := range s.metadata {
		found, err := s.readMetadata(ctx, where)
		if !errors.Is(err, errNoMetadata) {
			return found, err
		}
	}
	return s.keys, nil
}

func (s *source) readMetadata(ctx context.Context, where *url.URL) (*url.URL, error) {
	a, err := s.get(ctx, where)
	if status, ok := errors.AsType[statusError](err); ok && status < 500 && status != http.StatusTooManyRequests {
		return nil, errNoMetadata
	}
	if err != nil {
		return nil, err
	}
	doc, err := strictjson.ParseObject(a.body)
	if err != nil {
		return nil, errNoMetadata // such as the page of an application that has one for every path
	}
	// RFC 8414 §3.3: metadata that names another issuer must not be used.
	if got := doc.Get("issuer").Text; got != s.issuer {
		return nil, fmt.Errorf("%s is the metadata of the issuer %.200q, not of %q; they must be the same, byte for byte", where, got, s.issuer)
	}
	uri := doc.Get("jwks_uri")
	if uri.Kind != strictjson.String {
		return nil, fmt.Errorf("%s has no jwks_uri", where)
	}
	return secureURL("jwks_uri", uri.Text)
}

// statusError is the status of an answer that is not 200.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("the answer is %d %s", int(e), http.StatusText(int(e)))
}

// get returns the answer of a URL, if it is 200.
func (s *source) get(ctx context.Context, where *url.URL) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	r.Header.Set("User-Agent", "doorward-guard")
	// The guard has a cache of its own; one on the way would only add to its age,
	// when a key has just been changed.
	r.Header.Set("Cache-Control", "no-cache")
	asked := s.now()
	resp, err := s.client.Do(r)
	if err != nil {
		return answer{}, err // it names the URL
	}
	defer func() { _ = resp.Body.Close() }()
	came := s.now()
	if resp.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("%s: %w", where, statusError(resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", where, err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("%s: the answer is longer than %d bytes", where, maxAnswer)
	}
	a := answer{body: body, fresh: freshness(resp.Header)}
	a.ahead, a.timed = skew(resp.Header, asked, came)
	return a, nil
}

// skew returns by how much a clock that showed asked and came is ahead of the
// sender's. Date is the sender's clock only in an answer that no cache kept.
func skew(h http.Header, asked, came time.Time) (time.Duration, bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" {
		return 0, false
	}
	sent := asked.Add(came.Sub(asked) / 2)
	const half = time.Second / 2 // on average, of the second that Date is cut to
	return sent.Sub(date.Add(half)), true
}

// freshness returns for how long an answer may be used (RFC 9111 §4.2), within
// the bounds.
func freshness(h http.Header) time.Duration {
	fresh := defaultFresh
	for _, field := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(field, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return minFresh
			case "max-age":
				if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
					fresh = time.Duration(n) * time.Second
				}
			}
		}
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		fresh -= time.Duration(age) * time.Second
	}
	return min(max(fresh, minFresh), maxFresh)
}
