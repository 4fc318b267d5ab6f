// Package doctor says why a request is answered 401: evidence in, diagnosis
// out. It has no network and no clock; package probe gathers, and whoever reads
// a file gives its text.
//
// A rule names one cause, the evidence for it, and whether that proves it. The
// rules stand in the order in which things are mended: what happened on the way
// before what is true only because of it.
package doctor

import (
	"net/url"
	"strings"
	"time"
)

// Evidence is all that is known about one request.
type Evidence struct {
	Now time.Time // of this machine, or when the request of a recording was made

	Request Request
	Hops    []Hop // what was sent and came back, redirects one at a time; the last is the answer

	Repeats   []Answer // the same request again
	Fresh     *Answer  // the same, past every cache
	Bare      *Answer  // the same without a credential
	Moved     *Answer  // the same with the credential where MovedTo says
	MovedTo   string
	Preflight *Answer // what a browser would have asked first

	Issuer    Issuer
	Resource  *Resource // RFC 9728, where the challenge points to it
	NetrcHost bool      // the user's .netrc has an entry for the host

	Recorded bool      // of a HAR: nothing was sent
	Redacted bool      // the recording lacks what browsers leave out of one
	Notes    []string  // what was not done, and why
	Earlier  *Earlier  // of a HAR: what the recording knows besides
	Private  *Narrated // a Doorward's own record of the refusal
}

// Narrated is what a Doorward's ledger says of a refusal.
type Narrated struct {
	Check, Text, Next string
}

// Request is a request as it was given, byte by byte.
type Request struct {
	Method string
	URL    string
	Header []Field
	Body   string

	User        string // of -u: user and password
	HasUser     bool
	Browser     bool   // a browser made it
	Dance       string // a scheme with which the client answers a challenge, of --digest and its like
	Netrc       bool   // the client reads .netrc
	Insecure    bool   // -k
	Follow      bool   // -L
	Trusted     bool   // --location-trusted
	ClientCert  bool
	Send        bool // unsafe methods may be sent, once
	FromCurl    bool
	Connect     string // host:port to connect to instead, of --resolve or --connect-to
	Unsupported []string
}

// Field is one field line.
type Field struct{ Name, Value string }

// Hop is one exchange.
type Hop struct {
	Method     string
	URL        string
	Credential bool // whether the request had its credential still
	Answer     Answer
}

// Answer is what came back.
type Answer struct {
	Status  int
	Header  []Field
	Body    string        // cut short
	At      time.Time     // half way between asking and being answered
	Took    time.Duration // there and back
	Fault   string        // why there is no answer; empty where there is one
	Kind    FaultKind
	AskedTL bool   // the server asked for a client certificate
	Store   string // of a HAR: where in the browser it comes from, in place of the server
	Stored  bool   // it was kept there, and not made there
}

// FaultKind says at what a request failed.
type FaultKind string

// The kinds of fault.
const (
	FaultNone     FaultKind = ""
	FaultName     FaultKind = "name"     // the name does not resolve
	FaultRefused  FaultKind = "refused"  // nobody listens there
	FaultTimeout  FaultKind = "timeout"  // no answer in time
	FaultTLS      FaultKind = "tls"      // no trust, or no common ground
	FaultCertName FaultKind = "certname" // the certificate is another host's
	FaultCertWant FaultKind = "certwant" // the server wants a certificate from the client
	FaultPlain    FaultKind = "plain"    // TLS spoken to a plain port, or plain to a TLS port
	FaultRequest  FaultKind = "request"  // the request cannot be sent as it is
	FaultOther    FaultKind = "other"
)

// Issuer is what the issuer that a token names says about itself.
type Issuer struct {
	Asked    bool
	Metadata *Answer // RFC 8414 or OpenID Connect discovery
	Name     string  // `issuer` in it
	KeysURL  string
	Keys     *Answer
	Set      *KeySet // nil where it could not be read
	Algs     []string
	Own      bool // the token names no issuer: these are the keys of the URL's origin
}

// Resource is RFC 9728 metadata.
type Resource struct {
	Resource string
	Issuers  []string
	Scopes   []string
	Methods  []string
}

// Earlier is what else a recording holds that bears on one request in it.
type Earlier struct {
	Cookies   []SetCookie     // set before, by any host
	Tokens    []Seen          // credentials seen in answers, in order
	Page      string          // the origin of the page that asked
	Top       string          // the address of the page in the window, which a frame is not
	PageHadIt bool            // the page's own request had a cookie
	Sent      bool            // another request to this host had a cookie
	Type      string          // the kind of resource: fetch, document, websocket …
	Preflight *Answer         // the OPTIONS before it
	Error     string          // what the browser said: a CORS or a blocked reason
	AskedFor  []string        // the headers that the OPTIONS before it asked for
	Spent     map[string]bool // refresh tokens that were exchanged before
	Accepted  time.Time       // when the same credential was last let through
	Others    []Answer        // to the same request, with the same credential
}

// SetCookie is one Set-Cookie field of a recording.
type SetCookie struct {
	Host   string // that set it
	URL    string
	Secure bool // the scheme was https
	At     time.Time
	Line   string
	Status int
}

// Seen is a credential that an answer issued.
type Seen struct {
	At    time.Time
	Value string
	Kind  string // access, refresh, id
	Host  string // that issued it
	Name  string // of the member that held it
}

func get(fields []Field, name string) (string, bool) {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value, true
		}
	}
	return "", false
}

func all(fields []Field, name string) []string {
	var values []string
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Get returns the first field of the request with a name.
func (r *Request) Get(name string) (string, bool) { return get(r.Header, name) }

// Get returns the first field of the answer with a name, or "".
func (a *Answer) Get(name string) string {
	v, _ := get(a.Header, name)
	return v
}

func (a *Answer) has(name string) bool {
	_, ok := get(a.Header, name)
	return ok
}

// Unsafe reports whether sending the request again may change something.
func (r *Request) Unsafe() bool {
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return false
	}
	return true
}

// last returns the answer that decides.
func (e *Evidence) last() *Hop {
	if len(e.Hops) == 0 {
		return nil
	}
	return &e.Hops[len(e.Hops)-1]
}

// Origin returns scheme, host and port of a URL, with the port always there.
func Origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	scheme := strings.ToLower(u.Scheme)
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
