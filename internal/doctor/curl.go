package doctor

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// ErrPowerShell reports a command of the flavour that is not read.
var ErrPowerShell = errors.New("this is PowerShell; in DevTools, copy as cURL (bash) or as cURL (cmd)")

// IsCurl reports whether a text is a curl command.
func IsCurl(text string) bool {
	word := strings.Fields(strings.TrimLeft(strings.TrimSpace(text), "$>% "))
	return len(word) > 0 && isCurlWord(word[0])
}

func isCurlWord(w string) bool {
	w = strings.ToLower(strings.Trim(w, `"'^`))
	w = w[strings.LastIndexAny(w, `/\`)+1:]
	return w == "curl" || w == "curl.exe"
}

// shortFlags of curl that take a value.
const shortValued = "AbcCdDeEFhHKmoPQrtTuUwxXyYz"

var longValued = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq(`header request data data-raw data-binary data-ascii data-urlencode json form form-string cookie cookie-jar user user-agent referer url oauth2-bearer
		output max-time connect-timeout proxy proxy-user cert key cacert capath cert-type key-type resolve connect-to interface retry retry-delay retry-max-time limit-rate max-redirs aws-sigv4 netrc-file
		ciphers tls13-ciphers tls-max range write-out dump-header config upload-file variable expand-data expand-header url-query unix-socket pass noproxy dns-servers proto proto-default proto-redir
		speed-limit speed-time time-cond trace trace-ascii stderr socks5 socks5-hostname socks4 pinnedpubkey request-target keepalive-time happy-eyeballs-timeout-ms haproxy-clientip hsts alt-svc local-port create-file-mode delegation service-name`) {
		longValued[name] = true
	}
}

// ReadCurl reads a curl command as words, with or without "curl" in front.
func ReadCurl(words []string) (*Request, error) {
	if len(words) > 0 && isCurlWord(words[0]) {
		words = words[1:]
	}
	words = typographic(words)
	r := &curlRequest{Request: Request{FromCurl: true}}
	var loose []string
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case strings.HasPrefix(w, "--") && len(w) > 2:
			name, value, has := strings.Cut(w[2:], "=")
			if longValued[name] && !has {
				if i++; i >= len(words) {
					return nil, fmt.Errorf("curl's --%s has no value", name)
				}
				value = words[i]
			}
			r.long(name, value)
		case strings.HasPrefix(w, "-") && len(w) > 1:
			for j := 1; j < len(w); j++ {
				if strings.IndexByte(shortValued, w[j]) < 0 {
					r.short(w[j])
					continue
				}
				value := w[j+1:]
				if value == "" {
					if i++; i >= len(words) {
						return nil, fmt.Errorf("curl's -%c has no value", w[j])
					}
					value = words[i]
				}
				r.valued(w[j], value)
				break
			}
		default:
			loose = append(loose, w)
		}
	}
	if r.URL == "" {
		r.URL = address(loose)
	}
	return r.finish()
}

const openings, closings = "“”„«‘‚", "”“»’"

// typographic joins what the shell takes apart where a word processor made the
// straight quotes curly, which a shell does not know.
func typographic(words []string) []string {
	var list []string
	for i := 0; i < len(words); i++ {
		w := words[i]
		if !strings.ContainsAny(firstRune(w), openings) {
			list = append(list, w)
			continue
		}
		j := i
		for j < len(words)-1 && !strings.ContainsAny(lastRune(words[j]), closings) {
			j++
		}
		if strings.ContainsAny(lastRune(words[j]), closings) {
			w = strings.Join(words[i:j+1], " ")
			i = j
		}
		if strings.Contains(w, "://") && !strings.Contains(w, " ") {
			w = strings.TrimRight(strings.TrimLeft(w, openings), closings)
		}
		list = append(list, w)
	}
	return list
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

func lastRune(s string) string {
	_, n := utf8.DecodeLastRuneInString(s)
	return s[len(s)-n:]
}

// address picks the URL from the words that belong to no option: where quotes were
// forgotten, scheme and token of a header are among them, and nobody is to be
// asked for a host by their name.
func address(words []string) string {
	for _, w := range words {
		if strings.Contains(w, "://") {
			return w
		}
	}
	for _, w := range words {
		if !isScheme(w) && !looksLikeJWT(w) && !keyPrefixes.MatchString(w) && placeholder(w) == "" {
			return w
		}
	}
	return ""
}

type curlRequest struct {
	Request
	method   string
	data     []string
	head     bool
	get      bool
	json     bool
	multi    bool
	agent    string
	referer  string
	bearer   string
	queries  []string
	cookies  []string
	hasAgent bool
}

func (r *curlRequest) short(flag byte) {
	switch flag {
	case 'k':
		r.Insecure = true
	case 'L':
		r.Follow = true
	case 'I':
		r.head = true
	case 'G':
		r.get = true
	case 'n':
		r.Netrc = true
	}
}

func (r *curlRequest) valued(flag byte, v string) {
	name := map[byte]string{'H': "header", 'X': "request", 'd': "data", 'F': "form", 'b': "cookie", 'u': "user", 'A': "user-agent", 'e': "referer", 'E': "cert", 'T': "upload-file", 'x': "proxy", 'K': "config"}[flag]
	r.long(name, v)
}

func (r *curlRequest) long(name, v string) {
	switch name {
	case "header", "expand-header":
		r.header(v)
	case "request":
		r.method = strings.ToUpper(v)
	case "data", "data-ascii", "data-raw", "data-binary", "expand-data":
		if strings.HasPrefix(v, "@") && name != "data-raw" {
			r.Unsupported = append(r.Unsupported, "the body is read from a file, which the doctor does not")
			v = ""
		}
		r.data = append(r.data, v)
	case "data-urlencode":
		if k, val, ok := strings.Cut(v, "="); ok {
			v = k + "=" + url.QueryEscape(val)
			if k == "" {
				v = url.QueryEscape(val)
			}
		}
		r.data = append(r.data, v)
	case "json":
		r.json = true
		r.data = append(r.data, v)
	case "form", "form-string":
		r.multi = true
		r.data = append(r.data, v)
	case "cookie":
		if strings.Contains(v, "=") {
			r.cookies = append(r.cookies, v)
		} else {
			r.Unsupported = append(r.Unsupported, "the cookies are read from a file, which the doctor does not")
		}
	case "user":
		r.User, r.HasUser = v, true
	case "user-agent":
		r.agent, r.hasAgent = v, true
	case "referer":
		r.referer = v
	case "url":
		if r.URL == "" {
			r.URL = v
		}
	case "url-query":
		r.queries = append(r.queries, v)
	case "oauth2-bearer":
		r.bearer = v
	case "cert":
		r.ClientCert = true
		r.Unsupported = append(r.Unsupported, "the client certificate is not presented by the doctor")
	case "digest":
		r.Dance = "Digest"
	case "ntlm":
		r.Dance = "NTLM"
	case "negotiate":
		r.Dance = "Negotiate"
	case "insecure":
		r.Insecure = true
	case "location":
		r.Follow = true
	case "location-trusted":
		r.Follow, r.Trusted = true, true
	case "head":
		r.head = true
	case "get":
		r.get = true
	case "netrc", "netrc-optional", "netrc-file":
		r.Netrc = true
	case "resolve":
		if p := strings.SplitN(v, ":", 3); len(p) == 3 {
			r.Connect = strings.Trim(strings.SplitN(p[2], ",", 2)[0], "[]") + ":" + p[1]
		}
	case "connect-to":
		if p := strings.SplitN(v, ":", 4); len(p) == 4 && p[2] != "" {
			r.Connect = p[2] + ":" + p[3]
		}
	case "upload-file":
		if r.method == "" {
			r.method = "PUT"
		}
		r.Unsupported = append(r.Unsupported, "the body is read from a file, which the doctor does not")
	case "aws-sigv4":
		r.Unsupported = append(r.Unsupported, "curl would sign this request (--aws-sigv4), which the doctor does not")
	}
}

// header takes a line as curl does: "Name;" is an empty field, "Name:" takes
// one away.
func (r *curlRequest) header(line string) {
	if strings.ContainsAny(firstRune(line), openings) {
		line = strings.TrimLeft(line, openings)
		if name, _, _ := strings.Cut(line, ":"); !secretHeader(name) {
			line = strings.TrimRight(line, closings)
		}
	}
	if name, rest, ok := strings.Cut(line, ":"); ok {
		if strings.HasPrefix(line, ":") { // a pseudo-header of HTTP/2, from DevTools
			return
		}
		if strings.TrimLeft(rest, " \t") == "" {
			// "Authorization:" takes the field away in curl; whoever wrote it
			// meant to send one.
			return
		}
		r.Header = append(r.Header, Field{strings.TrimSpace(name), trimLeft(rest)})
		return
	}
	if name, ok := strings.CutSuffix(line, ";"); ok {
		r.Header = append(r.Header, Field{name, ""})
	}
}

// trimLeft takes the space behind the colon away, and no more of the value.
func trimLeft(s string) string { return strings.TrimLeft(s, " \t") }

func (r *curlRequest) finish() (*Request, error) {
	if r.URL == "" {
		return nil, errors.New("the curl command names no URL")
	}
	if !strings.Contains(r.URL, "://") {
		r.URL = "http://" + r.URL
	}
	if r.bearer != "" {
		if _, ok := r.Get("Authorization"); !ok {
			r.Header = append(r.Header, Field{"Authorization", "Bearer " + r.bearer})
		}
	}
	for _, v := range r.cookies {
		r.Header = append(r.Header, Field{"Cookie", v})
	}
	if r.hasAgent {
		r.Header = append(r.Header, Field{"User-Agent", r.agent})
	}
	if r.referer != "" {
		r.Header = append(r.Header, Field{"Referer", r.referer})
	}
	body := strings.Join(r.data, "&")
	switch {
	case r.get:
		r.queries = append(r.queries, r.data...)
		r.data = nil
	case r.multi:
		r.Unsupported = append(r.Unsupported, "a multipart body is not sent by the doctor")
	case len(r.data) > 0:
		r.Body = body
		if _, ok := r.Get("Content-Type"); !ok {
			kind := "application/x-www-form-urlencoded"
			if r.json {
				kind = "application/json"
			}
			r.Header = append(r.Header, Field{"Content-Type", kind})
		}
	}
	if len(r.queries) > 0 {
		sep := "?"
		if strings.Contains(r.URL, "?") {
			sep = "&"
		}
		r.URL += sep + strings.Join(r.queries, "&")
	}
	r.Method = r.method
	if r.Method == "" {
		switch {
		case r.head:
			r.Method = "HEAD"
		case len(r.data) > 0:
			r.Method = "POST"
		default:
			r.Method = "GET"
		}
	}
	r.Request.settle()
	return &r.Request, nil
}

// NewRequest makes a request of a URL and header lines as curl takes them.
func NewRequest(method, rawURL string, lines []string, body string) (*Request, error) {
	r := &curlRequest{Request: Request{URL: rawURL}, method: strings.ToUpper(method)}
	for _, l := range lines {
		r.header(l)
	}
	if body != "" {
		r.data = []string{body}
	}
	return r.finish()
}

// settle fills in what follows from the rest.
func (r *Request) settle() {
	for _, f := range r.Header {
		if strings.HasPrefix(strings.ToLower(f.Name), "sec-fetch-") || strings.EqualFold(f.Name, "Origin") || strings.EqualFold(f.Name, "sec-ch-ua") {
			r.Browser = true
		}
	}
	if u, err := url.Parse(r.URL); err == nil && u.User != nil && !r.HasUser {
		if _, given := r.Get("Authorization"); !given {
			pass, _ := u.User.Password()
			r.User, r.HasUser = u.User.Username()+":"+pass, true
		}
		u.User = nil
		r.URL = u.String()
	}
}
