// Package probe gathers evidence for the doctor over the network: few
// requests, each once, the credential to the origin that it was given for and
// to no other.
package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/doctor"
)

// Bounds on what is asked and read.
const (
	perRequest = 4 * time.Second
	altogether = 9 * time.Second
	maxBody    = 64 << 10
	maxHops    = 5
)

// Prober asks.
type Prober struct {
	Now     func() time.Time
	Offline bool // ask nobody

	client *http.Client
}

// askedKey is under what the context of a request has whether its server asked
// for a client certificate: several requests are under way at a time.
type askedKey struct{}

// Gather asks what the doctor needs to know about a request.
func (p *Prober) Gather(ctx context.Context, e *doctor.Evidence) {
	ctx, cancel := context.WithTimeout(ctx, altogether)
	defer cancel()
	p.client = p.newClient(&e.Request)
	r := &e.Request
	if r.URL == "" {
		p.issuer(ctx, e)
		return
	}
	method := r.Method
	if r.Unsafe() && !r.Send {
		method = http.MethodGet
		e.Notes = append(e.Notes, fmt.Sprintf("%s may change something, so GET was sent in its place, without the body; --send sends it as it is, once", r.Method))
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.issuer(ctx, e) })
	if p.wantsPreflight(r) {
		wg.Go(func() { e.Preflight = p.preflight(ctx, r) })
	}
	e.Hops = p.walk(ctx, r, method)
	wg.Wait() // what else is worth asking depends on all of these
	p.again(ctx, e, method)
}

// ask sends one request and reads what comes back.
func (p *Prober) ask(ctx context.Context, method, rawURL string, fields []doctor.Field, body string) doctor.Answer {
	ctx, cancel := context.WithTimeout(ctx, perRequest)
	defer cancel()
	asked := new(atomic.Bool)
	ctx = context.WithValue(ctx, askedKey{}, asked)
	req, err := newRequest(ctx, method, rawURL, fields, body)
	if err != nil {
		return doctor.Answer{Fault: "it cannot be sent: " + err.Error(), Kind: doctor.FaultRequest}
	}
	start := p.Now()
	began := time.Now()
	resp, err := p.client.Do(req)
	took := time.Since(began)
	a := doctor.Answer{At: start.Add(took / 2), Took: took}
	a.AskedTL = asked.Load()
	if err != nil {
		a.Kind, a.Fault = faultOf(err)
		return a
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // what came until then is evidence too
	a.Status, a.Body = resp.StatusCode, string(text)
	for name, values := range resp.Header {
		for _, v := range values {
			a.Header = append(a.Header, doctor.Field{Name: name, Value: v})
		}
	}
	return a
}

// unsent are fields that a client sets by itself.
var unsent = map[string]bool{"Content-Length": true, "Accept-Encoding": true, "Transfer-Encoding": true, "Te": true, "Trailer": true, "Keep-Alive": true, "Proxy-Connection": true}

func newRequest(ctx context.Context, method, rawURL string, fields []doctor.Field, body string) (*http.Request, error) {
	rawURL = strings.Replace(strings.Replace(rawURL, "wss://", "https://", 1), "ws://", "http://", 1)
	var r io.Reader
	if body != "" {
		r = bytes.NewReader([]byte(body))
	}
	req, err := http.NewRequestWithContext(ctx, method, rawURL, r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may have a secret in it
		}
		return nil, err
	}
	upgrade := false
	for _, f := range fields {
		name := http.CanonicalHeaderKey(f.Name)
		switch {
		case unsent[name] || strings.HasPrefix(name, ":"):
		case name == "Host":
			req.Host = f.Value
		case name == "Connection":
			upgrade = upgrade || strings.EqualFold(f.Value, "upgrade")
			if upgrade {
				req.Header[name] = []string{f.Value}
			}
		default:
			req.Header[name] = append(req.Header[name], f.Value)
		}
	}
	if req.Header["User-Agent"] == nil {
		req.Header.Set("User-Agent", "doorward-doctor")
	}
	if req.Header["Accept"] == nil {
		req.Header.Set("Accept", "*/*")
	}
	return req, nil
}

func (p *Prober) newClient(r *doctor.Request) *http.Client {
	dialer := &net.Dialer{Timeout: 3 * time.Second}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true, // a kept connection would ask one node only
		TLSHandshakeTimeout:    3 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: r.Insecure, //nolint:gosec // curl's -k, given for this request
			GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if asked, ok := info.Context().Value(askedKey{}).(*atomic.Bool); ok {
					asked.Store(true)
				}
				return &tls.Certificate{}, nil
			},
		},
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1, as it is written
	}
	origin := doctor.Origin(r.URL)
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if r.Connect != "" && strings.HasSuffix(origin, "://"+addr) {
			addr = r.Connect
		}
		return dialer.DialContext(ctx, network, addr)
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// faultOf says at what a request failed, without what was in it.
func faultOf(err error) (doctor.FaultKind, string) {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	text := err.Error()
	var name x509.HostnameError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return doctor.FaultCertName, "the certificate is not for this host: " + text
	case strings.Contains(text, "certificate required") || strings.Contains(text, "bad certificate") || strings.Contains(text, "handshake failure") && strings.Contains(text, "remote error"):
		return doctor.FaultCertWant, "the server ends the handshake for want of a client certificate: " + text
	case errors.As(err, &dns):
		return doctor.FaultName, "the name does not resolve here"
	case strings.Contains(text, "server gave HTTP response to HTTPS client") || strings.Contains(text, "first record does not look like a TLS handshake"):
		return doctor.FaultPlain, "the server speaks plain HTTP on this port, and was asked in TLS"
	case strings.Contains(text, `malformed HTTP response "\x15\x03`):
		return doctor.FaultPlain, "the server speaks TLS on this port, and was asked in clear"
	case strings.Contains(text, "certificate") || strings.Contains(text, "tls:"):
		return doctor.FaultTLS, "TLS fails: " + text
	case strings.Contains(text, "connection refused"):
		return doctor.FaultRefused, "nobody listens there"
	case errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded):
		return doctor.FaultTimeout, "there is no answer in time"
	case strings.Contains(text, "invalid header field") || strings.Contains(text, "invalid method"):
		return doctor.FaultRequest, "it cannot be sent: a header has a character that HTTP forbids"
	}
	return doctor.FaultOther, "it fails: " + text
}

// walk sends the request and follows redirects by hand.
func (p *Prober) walk(ctx context.Context, r *doctor.Request, method string) []doctor.Hop {
	fields, body := r.Fields(), r.Body
	if method != r.Method {
		fields, body = withoutBody(fields), ""
	}
	if r.Connect == "" && r.URL != "" && strings.HasPrefix(r.URL, "ws") {
		fields = handshake(fields)
	}
	at, credential := r.URL, r.HasCredential()
	secrets := r.Secrets()
	var hops []doctor.Hop
	for {
		a := p.ask(ctx, method, at, fields, body)
		hops = append(hops, doctor.Hop{Method: method, URL: at, Credential: credential, Answer: a})
		next := doctor.Next(at, &a)
		if next == "" || len(hops) > maxHops || doctor.LeadsToLogin(r.URL, next) {
			return hops
		}
		if method != http.MethodGet && method != http.MethodHead {
			if a.Status == 307 || a.Status == 308 {
				return hops // not sent a second time
			}
			method, body, fields = http.MethodGet, "", withoutBody(fields)
		}
		if doctor.Origin(next) != doctor.Origin(at) {
			for _, s := range secrets {
				if strings.Contains(next, s) {
					return hops // the redirect would carry the credential there
				}
			}
			fields, credential = nil, false
		}
		at = next
	}
}

func withoutBody(fields []doctor.Field) []doctor.Field {
	var list []doctor.Field
	for _, f := range fields {
		if !strings.HasPrefix(strings.ToLower(f.Name), "content-") {
			list = append(list, f)
		}
	}
	return list
}

// handshake makes a request that of a WebSocket.
func handshake(fields []doctor.Field) []doctor.Field {
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Sec-WebSocket-Key") {
			return fields
		}
	}
	return append(fields, doctor.Field{Name: "Connection", Value: "Upgrade"}, doctor.Field{Name: "Upgrade", Value: "websocket"},
		doctor.Field{Name: "Sec-WebSocket-Version", Value: "13"}, doctor.Field{Name: "Sec-WebSocket-Key", Value: "ZG9vcndhcmQtZG9jdG9yIQ=="})
}

// again asks what settles something: the same once more, past the caches,
// without the credential, and with it where it belongs.
func (p *Prober) again(ctx context.Context, e *doctor.Evidence, method string) {
	r := &e.Request
	first := &e.Hops[0]
	if len(e.Hops) > 1 || first.Answer.Fault != "" || method != http.MethodGet && method != http.MethodHead {
		if e.Hops[len(e.Hops)-1].Answer.Status == 401 {
			p.resource(ctx, e)
		}
		return
	}
	plan := doctor.Further(e)
	fields := r.Fields()
	if method != r.Method {
		fields = withoutBody(fields)
	}
	var wg sync.WaitGroup
	if plan.Bare {
		wg.Go(func() {
			a := p.ask(ctx, method, r.BareURL(), r.BareFields(fields), "")
			e.Bare = &a
		})
	}
	if plan.Fresh {
		wg.Go(func() {
			sep := "?"
			if strings.Contains(r.URL, "?") {
				sep = "&"
			}
			a := p.ask(ctx, method, r.URL+sep+"_="+rand.Text()[:8], append(fields[:len(fields):len(fields)], doctor.Field{Name: "Cache-Control", Value: "no-cache"}), "")
			e.Fresh = &a
		})
	}
	if to := plan.Moved; to != nil {
		wg.Go(func() {
			a := p.ask(ctx, method, r.BareURL(), append(r.BareFields(fields), *to), "")
			e.Moved, e.MovedTo = &a, to.Name
		})
	}
	wg.Go(func() { p.resource(ctx, e) })
	for range plan.Repeats {
		a := p.ask(ctx, method, r.URL, fields, "")
		e.Repeats = append(e.Repeats, a)
		if (a.Status < 400) != (first.Answer.Status < 400) {
			break
		}
	}
	wg.Wait()
}

// wantsPreflight reports whether a browser made the request, from a page of
// another origin, and would ask first.
func (p *Prober) wantsPreflight(r *doctor.Request) bool {
	origin, _ := r.Get("Origin")
	mode, has := r.Get("Sec-Fetch-Mode")
	return r.Browser && origin != "" && r.Method != http.MethodOptions && doctor.Origin(origin) != doctor.Origin(r.URL) && (!has || mode == "cors") && r.NeedsPreflight()
}

func (p *Prober) preflight(ctx context.Context, r *doctor.Request) *doctor.Answer {
	origin, _ := r.Get("Origin")
	fields := []doctor.Field{{Name: "Origin", Value: origin}, {Name: "Access-Control-Request-Method", Value: r.Method}, {Name: "Sec-Fetch-Mode", Value: "cors"}}
	if names := r.NotSimple(); len(names) > 0 {
		fields = append(fields, doctor.Field{Name: "Access-Control-Request-Headers", Value: strings.Join(names, ",")})
	}
	if agent, ok := r.Get("User-Agent"); ok {
		fields = append(fields, doctor.Field{Name: "User-Agent", Value: agent})
	}
	a := p.ask(ctx, http.MethodOptions, r.BareURL(), fields, "")
	return &a
}
