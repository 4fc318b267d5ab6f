package corpus

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// host is one origin. It speaks HTTP/1.1 itself rather than by net/http, so
// that the answer is what the scenario says, letter by letter.
type host struct {
	decl     *hostDecl
	stage    *stage
	listener net.Listener
	name     string // in URLs
	port     int
	tls      bool
	clock    time.Duration
	down     bool
	silent   bool
	strip    []string
	fields   []string // on every answer

	mu    sync.Mutex
	count map[string]int // requests by method and path
	seen  []arrival
	fault error
}

// arrival is one request as it came in.
type arrival struct {
	host   *host
	method string
	path   string
	raw    string // all of it
}

func (h *host) authority() string { return net.JoinHostPort(h.name, strconv.Itoa(h.port)) }

func (h *host) origin() string {
	scheme := "http://"
	if h.tls {
		scheme = "https://"
	}
	return scheme + h.authority()
}

// open binds the port, so that everybody can be told of it before anybody answers.
func (h *host) open() error {
	h.name, h.count = "127.0.0.1", map[string]int{}
	own, err := loopback()
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"http/1.1"}}
	for _, option := range h.decl.options {
		word, rest, _ := strings.Cut(option, " ")
		switch word {
		case "tls":
			h.tls = true
		case "name":
			h.name = rest
		case "clock":
			d, err := time.ParseDuration(strings.TrimPrefix(rest, "+"))
			if err != nil {
				return err
			}
			h.clock = d
		case "strip":
			h.strip = append(h.strip, rest)
		case "down":
			h.down = true
		case "silent":
			h.silent = true
		case "certificate":
			h.tls = true
			c, err := makeCertificate(rest)
			if err != nil {
				return err
			}
			config.Certificates = []tls.Certificate{c}
		case "client-certificate":
			h.tls = true
			config.ClientAuth = map[string]tls.ClientAuthType{"required": tls.RequireAnyClientCert, "asked": tls.RequestClientCert}[rest]
			if config.ClientAuth == tls.NoClientCert {
				return fmt.Errorf("%s: a client certificate is required or asked", option)
			}
		default:
			if !strings.HasSuffix(word, ":") {
				return fmt.Errorf("host %s: there is no option %q", h.decl.name, option)
			}
			h.fields = append(h.fields, option)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.port = l.Addr().(*net.TCPAddr).Port
	if h.tls {
		l = tls.NewListener(l, config)
	}
	h.listener = l
	if h.down {
		return l.Close()
	}
	return nil
}

func (h *host) serve() {
	if h.down {
		return
	}
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		go h.converse(conn)
	}
}

// reset forgets what was asked before.
func (h *host) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count, h.seen = map[string]int{}, nil
}

func (h *host) arrivals() ([]arrival, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seen), h.fault
}

// patience is how long a connection may stand.
const patience = 60 * time.Second

func (h *host) converse(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	for {
		var raw bytes.Buffer
		r := bufio.NewReader(io.TeeReader(oneByOne{conn}, &raw))
		req, err := http.ReadRequest(r)
		if err != nil {
			if raw.Len() > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
			return
		}
		head := raw.Len()
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if h.silent {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		if !h.answer(conn, req, raw.String(), head) {
			return
		}
	}
}

// oneByOne hands out a byte at a time, so that nothing of the next request is
// taken with this one.
type oneByOne struct{ r io.Reader }

func (o oneByOne) Read(b []byte) (int, error) { return o.r.Read(b[:min(len(b), 1)]) }

// answer writes what the first fitting route says, and tells whether the
// connection may go on.
func (h *host) answer(conn net.Conn, req *http.Request, raw string, head int) bool {
	h.mu.Lock()
	h.seen = append(h.seen, arrival{h, req.Method, req.URL.Path, raw})
	h.mu.Unlock()
	q := &query{Request: req, conn: conn, raw: raw, head: head, nth: sync.OnceValue(func() int { return h.nth(req) })}

	for _, name := range h.strip {
		req.Header.Del(name)
	}
	text := "HTTP/1.1 404 Not Found\nContent-Type: text/plain; charset=utf-8\n\n404 page not found"
	for _, r := range h.decl.routes {
		fits, err := h.fits(r, q)
		if err != nil {
			h.fail(err)
			return false
		}
		if fits {
			if text, err = h.stage.fill(r.answer); err != nil {
				h.fail(err)
				return false
			}
			break
		}
	}
	for {
		line, rest, _ := strings.Cut(text, "\n")
		if line == "hang up" {
			return false
		}
		wait, ok := strings.CutPrefix(line, "wait ")
		if !ok {
			break
		}
		d, err := time.ParseDuration(wait)
		if err != nil {
			h.fail(err)
			return false
		}
		time.Sleep(d)
		text = rest
	}
	top, body, _ := strings.Cut(text, "\n\n")
	lines := append(strings.Split(strings.TrimSuffix(top, "\n"), "\n"), h.fields...)
	body = strings.TrimSuffix(body, "\n")
	if !slices.ContainsFunc(lines, isField("date:")) {
		lines = append(lines, "Date: "+time.Now().Add(h.clock).UTC().Format(http.TimeFormat))
	}
	if !slices.ContainsFunc(lines, isField("content-length:")) {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	}
	if req.Method == http.MethodHead {
		body = ""
	}
	_, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body)
	return err == nil && !slices.ContainsFunc(lines, isField("connection: close"))
}

func isField(prefix string) func(string) bool {
	return func(line string) bool { return strings.HasPrefix(strings.ToLower(line), prefix) }
}

func (h *host) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = errors.Join(h.fault, err)
}

// query is a request as conditions look at it.
type query struct {
	*http.Request
	conn net.Conn
	raw  string
	head int        // bytes before the body
	nth  func() int // which of those for this method and path that asked
}

// nth counts a request. Those that an earlier route answered are not counted,
// so that what a node says does not depend on what was asked besides.
func (h *host) nth(req *http.Request) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	where := req.Method + " " + req.URL.Path
	h.count[where]++
	return h.count[where]
}

func (h *host) fits(r route, q *query) (bool, error) {
	if r.method != "*" && r.method != q.Method || !like(r.path, q.URL.Path) {
		return false, nil
	}
	for _, c := range r.conditions {
		// + is a space, which ends a condition.
		if c, err := h.stage.fill(strings.ReplaceAll(c, "+", " ")); err != nil {
			return false, err
		} else if fits, err := condition(c, q); err != nil || !fits {
			return false, err
		}
	}
	return true, nil
}

// condition is one word behind method and path; README.md lists them.
func condition(c string, q *query) (bool, error) {
	if word, ok := strings.CutPrefix(c, "not:"); ok {
		fits, err := condition(word, q)
		return !fits, err
	}
	word, arg, ok := strings.Cut(c, ":")
	switch {
	case !ok:
		return false, fmt.Errorf("%q is no condition", c)
	case word == "has":
		name, pattern, ok := strings.Cut(arg, "=")
		values := q.Header.Values(name)
		if !ok {
			return len(values) > 0, nil
		}
		return slices.ContainsFunc(values, func(v string) bool { return like(pattern, v) }), nil
	case word == "cookie":
		_, err := q.Cookie(arg)
		return err == nil, nil
	case word == "query":
		return q.URL.Query().Has(arg), nil
	case word == "contains":
		return strings.Contains(q.raw, arg), nil
	case word == "certificate":
		t, ok := q.conn.(*tls.Conn)
		return ok && len(t.ConnectionState().PeerCertificates) > 0, nil
	case word == "turn": // 2/3: the second of every three requests for this
		which, of, _ := strings.Cut(arg, "/")
		i, err1 := strconv.Atoi(which)
		every, err2 := strconv.Atoi(of)
		if err := errors.Join(err1, err2); err != nil {
			return false, err
		}
		return (q.nth()-1)%every == i-1, nil
	case word == "after": // so many requests for this
		i, err := strconv.Atoi(arg)
		return q.nth() > i, err
	case word == "head": // over so many bytes
		i, err := strconv.Atoi(arg)
		return q.head > i, err
	}
	return false, fmt.Errorf("there is no condition %q", word)
}

// like matches a pattern in which * is anything.
func like(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for i := range len(s) + 1 {
		if like(rest, s[i:]) {
			return true
		}
	}
	return false
}

// makeCertificate makes one of its own authority, for a name and for loopback
// or, where the name is another's, for that alone.
func makeCertificate(name string) (tls.Certificate, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		DNSNames: []string{name},
	}
	if name == "localhost" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}, err
}

// loopback is what every host of TLS shows unless its scenario says otherwise.
var loopback = sync.OnceValues(func() (tls.Certificate, error) { return makeCertificate("localhost") })

// certificatePEM is what a client has to trust.
func certificatePEM() ([]byte, error) {
	c, err := loopback()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), nil
}
