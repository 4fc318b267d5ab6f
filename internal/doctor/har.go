package doctor

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Finding is the diagnosis of one request of a recording.
type Finding struct {
	Method          string    `json:"method"`
	URL             string    `json:"url"` // without what may be secret
	StartedDateTime time.Time `json:"startedDateTime"`
	Status          int       `json:"status"`
	Diagnosis
}

// MaxHAR is how large a recording may be, in bytes.
const MaxHAR = 256 << 20

// maxFindings bounds what is told of one recording.
const maxFindings = 200

type harPair struct{ Name, Value string }

type harEntry struct {
	Started time.Time `json:"startedDateTime"`
	Time    float64   `json:"time"`
	Type    string    `json:"_resourceType"`
	Request struct {
		Method, URL string
		Headers     []harPair
		Cookies     []harPair
		PostData    struct {
			MimeType, Text string
			Params         []harPair
		}
	}
	Response struct {
		Status  int
		Headers []harPair
		Cookies []struct {
			Name, Value, Path, Domain, SameSite string
			Expires                             string
			HTTPOnly                            bool `json:"httpOnly"`
			Secure                              bool
		}
		Content struct {
			Text, Encoding, MimeType string
		}
		RedirectURL string `json:"redirectURL"`
		Error       string `json:"_error"`
		ByWorker    bool   `json:"_fetchedViaServiceWorker"`
		WorkerHadIt string `json:"_serviceWorkerResponseSource"`
	}
	Page      string `json:"pageref"`
	FromCache string `json:"_fromCache"` // Chrome: disk, memory
	FetchType string `json:"_fetchType"` // Safari
}

type har struct {
	Log *struct {
		Creator struct{ Name, Version string }
		Browser struct{ Name string }
		Pages   []struct {
			ID, Title string
			Started   time.Time `json:"startedDateTime"`
		}
		Entries []harEntry
	}
}

// ReadHAR explains every refusal in a recording of a browser (HAR 1.2). It asks
// nobody.
func ReadHAR(data []byte) ([]Finding, error) {
	var doc har
	if err := json.Unmarshal([]byte(strings.TrimPrefix(string(data), "\uFEFF")), &doc); err != nil {
		return nil, errors.New("it is not JSON, or no HAR")
	}
	if doc.Log == nil {
		return nil, errors.New("it has no member log, so it is no HAR")
	}
	rec := newRecording(&doc)
	findings := []Finding{}
	for i := range rec.entries {
		if len(findings) == maxFindings {
			break
		}
		e := rec.evidence(i)
		if e == nil {
			continue
		}
		d := Diagnose(e)
		if d.Cause == None {
			continue
		}
		en := &rec.entries[i]
		clean := Masker(e.Request.Secrets())
		findings = append(findings, Finding{Method: clip(en.Request.Method, 20), URL: clean(shownURL(e.Request.URL)), StartedDateTime: en.Started, Status: en.Response.Status, Diagnosis: d})
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		if a.URL != b.URL {
			return 0
		}
		return first(a.Cause) - first(b.Cause)
	})
	// What a cache kept, or one node of several says, is one fault.
	kept := findings[:0]
	for _, f := range findings {
		if n := len(kept); n > 0 && kept[n-1].URL == f.URL && (kept[n-1].Cause == "CACHED_401" && f.Cause == "NO_CREDENTIALS" || kept[n-1].Cause == "REPLICAS_DISAGREE" && f.Cause == "REPLICAS_DISAGREE") {
			continue
		}
		kept = append(kept, f)
	}
	return kept, nil
}

// first tells what is to be mended before another finding at the same URL.
func first(c Cause) int {
	switch c {
	case "STALE_TOKEN_RESENT", "CACHED_401", "REPLICAS_DISAGREE", "PREFLIGHT_REFUSED":
		return 0
	}
	return 1
}

type recording struct {
	entries  []harEntry
	redacted bool
	tops     map[string]string // the address of each page, by its id
	tokens   []Seen
	cookies  []SetCookie
}

var redactedValue = regexp.MustCompile(`(?i)^\s*((bearer|basic)\s+)?[\[<(*]*\s*(redacted|removed|hidden|masked|sanitized|\*{3,}|x{6,})[\]>)*]*\s*$`)

func newRecording(doc *har) *recording {
	r := &recording{entries: doc.Log.Entries, tops: map[string]string{}}
	for _, p := range doc.Log.Pages {
		r.tops[p.ID] = p.Title // browsers write the address there
	}
	slices.SortStableFunc(r.entries, func(a, b harEntry) int { return a.Started.Compare(b.Started) })
	bare := true
	for i := range r.entries {
		e := &r.entries[i]
		e.Type = strings.ToLower(e.Type)
		for _, list := range []*[]harPair{&e.Request.Headers, &e.Response.Headers} {
			*list = slices.DeleteFunc(*list, func(p harPair) bool {
				name := strings.ToLower(p.Name)
				hidden := (name == "authorization" || name == "cookie" || name == "set-cookie") && redactedValue.MatchString(p.Value)
				r.redacted = r.redacted || hidden
				return hidden
			})
		}
		for _, p := range append(slices.Clone(e.Request.Headers), e.Response.Headers...) {
			switch strings.ToLower(p.Name) {
			case "authorization", "cookie", "set-cookie":
				bare = false
			}
		}
		if len(e.Request.Cookies)+len(e.Response.Cookies) > 0 {
			bare = false
		}
	}
	if bare && strings.Contains(doc.Log.Creator.Name, "WebInspector") {
		r.redacted = true
	}
	for i := range r.entries {
		r.learn(&r.entries[i])
	}
	return r
}

func (e *harEntry) at() time.Time {
	return e.Started.Add(time.Duration(e.Time * float64(time.Millisecond)))
}

func (e *harEntry) body() string {
	text := e.Response.Content.Text
	if e.Response.Content.Encoding == "base64" {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			text = string(b)
		}
	}
	return text[:min(len(text), 64<<10)]
}

var tokenMembers = map[string]string{
	"access_token": "access", "accessToken": "access", "token": "access", "jwt": "access", "id_token": "id", "idToken": "id", "refresh_token": "refresh", "refreshToken": "refresh", "access": "access", "refresh": "refresh",
}

// learn keeps what an answer issued.
func (r *recording) learn(e *harEntry) {
	host := hostOf(e.Request.URL)
	lines := all(fieldsOf(e.Response.Headers), "Set-Cookie")
	if _, kept := e.store(); kept {
		lines = nil // set when it came from the server
	}
	if len(lines) == 0 {
		for _, k := range e.Response.Cookies {
			line := k.Name + "=" + k.Value
			if k.Path != "" {
				line += "; Path=" + k.Path
			}
			if k.Domain != "" && strings.TrimPrefix(k.Domain, ".") != host {
				line += "; Domain=" + k.Domain
			}
			if at, err := time.Parse(time.RFC3339, k.Expires); err == nil {
				line += "; Expires=" + at.UTC().Format("Mon, 02 Jan 2006 15:04:05") + " GMT"
			}
			if k.SameSite != "" {
				line += "; SameSite=" + k.SameSite
			}
			if k.Secure {
				line += "; Secure"
			}
			if k.HTTPOnly {
				line += "; HttpOnly"
			}
			lines = append(lines, line)
		}
	}
	for _, field := range lines {
		for line := range strings.SplitSeq(field, "\n") { // several in one, as DevTools writes them
			r.cookies = append(r.cookies, SetCookie{Host: host, URL: e.Request.URL, Secure: strings.HasPrefix(e.Request.URL, "https:"), At: e.at(), Line: line, Status: e.Response.Status})
		}
	}
	if e.Response.Status >= 200 && e.Response.Status < 300 {
		doc := object([]byte(e.body()))
		r.issued(Seen{At: e.at(), Host: host}, doc, 0)
	}
}

func (r *recording) issued(by Seen, doc map[string]any, depth int) {
	for name, v := range doc {
		switch v := v.(type) {
		case string:
			if kind, ok := tokenMembers[name]; ok && len(v) >= 16 {
				by.Value, by.Kind, by.Name = v, kind, name
				r.tokens = append(r.tokens, by)
			}
		case map[string]any:
			if depth < 2 {
				r.issued(by, v, depth+1)
			}
		}
	}
}

func fieldsOf(pairs []harPair) []Field {
	list := make([]Field, 0, len(pairs))
	for _, p := range pairs {
		list = append(list, Field(p))
	}
	return list
}

func (e *harEntry) answer() Answer {
	a := Answer{Status: e.Response.Status, Header: fieldsOf(e.Response.Headers), Body: e.body(), At: e.at(), Took: time.Duration(e.Time * float64(time.Millisecond))}
	if e.Response.RedirectURL != "" && a.Get("Location") == "" {
		a.Header = append(a.Header, Field{"Location", e.Response.RedirectURL})
	}
	a.Store, a.Stored = e.store()
	if a.Get("Content-Type") == "" && e.Response.Content.MimeType != "" {
		a.Header = append(a.Header, Field{"Content-Type", e.Response.Content.MimeType})
	}
	if e.Response.Error != "" && a.Status == 0 {
		a.Fault = "the browser says " + clip(e.Response.Error, 80)
		a.Kind = FaultOther
	}
	return a
}

func (e *harEntry) request() Request {
	r := Request{Method: strings.ToUpper(or(e.Request.Method, "GET")), URL: e.Request.URL, Header: fieldsOf(e.Request.Headers), Body: e.Request.PostData.Text, Browser: true, Send: true, Follow: true}
	if r.Body == "" && len(e.Request.PostData.Params) > 0 {
		values := url.Values{}
		for _, p := range e.Request.PostData.Params {
			values.Add(p.Name, p.Value)
		}
		r.Body = values.Encode()
	}
	if _, ok := r.Get("Cookie"); !ok && len(e.Request.Cookies) > 0 {
		var pairs []string
		for _, k := range e.Request.Cookies {
			pairs = append(pairs, k.Name+"="+k.Value)
		}
		r.Header = append(r.Header, Field{"Cookie", strings.Join(pairs, "; ")})
	}
	r.Header = slices.DeleteFunc(r.Header, func(f Field) bool { return strings.HasPrefix(f.Name, ":") })
	return r
}

// evidence returns what a recording knows of an entry that was refused, and
// nil where it was not.
func (r *recording) evidence(i int) *Evidence {
	en := &r.entries[i]
	s := en.Response.Status
	first, hops := r.chain(i)
	if hops == nil {
		return nil // told with the request that it is a part of
	}
	e := &Evidence{Now: r.entries[first].Started, Request: r.entries[first].request(), Hops: hops, Recorded: true, Redacted: r.redacted}
	e.Earlier = &Earlier{Type: en.Type, Tokens: r.tokens, Error: en.Response.Error}
	e.Now = en.Started
	for _, k := range r.cookies {
		if !k.At.After(en.Started) {
			e.Earlier.Cookies = append(e.Earlier.Cookies, k)
		}
	}
	r.page(i, e)
	r.asked(i, e.Earlier)
	r.repeated(i, e)
	if r.redacted {
		e.Notes = append(e.Notes, "this recording leaves out Authorization and cookies, as Chrome does by default: their absence proves nothing; export it again with sensitive data (DevTools, Settings, Network)")
	}
	if en.Request.Method == "OPTIONS" {
		return r.lonePreflight(i, e)
	}
	if handshake(e) && r.answeredLater(i, e.Request.HasCredential()) {
		return nil
	}
	c := newCase(e)
	switch {
	case r.renderedWithout(en, e):
	case c.loginGoal != "" && r.signedIn(i):
		return nil
	case c.outcome == refused, s == 401 || s == 403:
	case c.corsBlocked():
	default:
		return nil
	}
	return e
}

// corsBlocked: the browser kept the answer from the page.
func (c *Case) corsBlocked() bool {
	return c.preflightRefused() != nil || c.corsAnswer() != nil
}

// handshake: schemes that begin with a 401.
func handshake(e *Evidence) bool {
	v := strings.ToLower(e.last().Answer.Get("WWW-Authenticate"))
	if _, sent := e.Request.Get("Authorization"); !sent && e.last().Answer.Status == 401 && (strings.HasPrefix(v, "bearer realm=\"http") || strings.HasPrefix(v, "basic")) {
		return true // a registry names where to fetch a token; for Basic, a browser asks its user
	}
	return e.last().Answer.Status == 401 && (strings.HasPrefix(v, "negotiate") || strings.HasPrefix(v, "ntlm") || strings.HasPrefix(v, "digest") || strings.Contains(v, "use_dpop_nonce"))
}

// answeredLater reports whether the same request was let through soon after: with
// a credential, where the first had none.
func (r *recording) answeredLater(i int, had bool) bool {
	for _, o := range r.entries[i+1:] {
		if req := o.request(); !had && !r.redacted && !req.HasCredential() {
			continue
		}
		if o.Request.URL == r.entries[i].Request.URL && o.Request.Method == r.entries[i].Request.Method && o.Response.Status >= 200 && o.Response.Status < 400 {
			return o.Started.Sub(r.entries[i].Started) < 30*time.Second
		}
	}
	return false
}

// chain returns the redirects that led to an entry, from the first; nil for an
// entry that is followed by the next hop.
func (r *recording) chain(i int) (first int, hops []Hop) {
	en := &r.entries[i]
	if a := en.answer(); Next(en.Request.URL, &a) != "" {
		to := Next(en.Request.URL, &a)
		for j := i + 1; j < len(r.entries) && j < i+40; j++ {
			if same(r.entries[j].Request.URL, to) && !LeadsToLogin(en.Request.URL, to) {
				return 0, nil
			}
		}
	}
	first = i
	list := []int{i}
	for j := i - 1; j >= 0 && len(list) < 6; j-- {
		a := r.entries[j].answer()
		if to := Next(r.entries[j].Request.URL, &a); to != "" && same(to, r.entries[first].Request.URL) && !LeadsToLogin(r.entries[j].Request.URL, to) {
			first = j
			list = append([]int{j}, list...)
		}
	}
	for _, j := range list {
		req := r.entries[j].request()
		hops = append(hops, Hop{Method: req.Method, URL: req.URL, Credential: req.HasCredential(), Answer: r.entries[j].answer()})
	}
	return first, hops
}

func same(a, b string) bool {
	cut := func(s string) string { s, _, _ = strings.Cut(s, "#"); return s }
	return cut(a) == cut(b)
}

// page finds which page asked.
func (r *recording) page(i int, e *Evidence) {
	e.Earlier.Top = r.tops[r.entries[i].Page]
	for j := i; j >= 0; j-- {
		en := &r.entries[j]
		kind := en.Type
		if kind == "" && strings.Contains(en.Response.Content.MimeType, "html") {
			kind = "document"
		}
		if kind != "document" || j == i {
			continue
		}
		if u, err := url.Parse(en.Request.URL); err == nil {
			e.Earlier.Page = u.Scheme + "://" + u.Host
			req := en.request()
			_, e.Earlier.PageHadIt = req.Get("Cookie")
		}
		return
	}
}

// repeated finds the same request with the same credential, near in time.
func (r *recording) repeated(i int, e *Evidence) {
	e.Earlier.Spent = map[string]bool{}
	mine := e.Request.CredentialValue()
	for j := range r.entries {
		o := &r.entries[j]
		req := o.request()
		if j < i && o.Response.Status >= 200 && o.Response.Status < 300 && req.Unsafe() {
			if v := (&Case{form: formOf(&req)}).refreshValue(); v != "" {
				e.Earlier.Spent[v] = true
			}
		}
		if s := o.Response.Status; j != i && mine != "" && s >= 200 && s < 300 && req.CredentialValue() == mine && o.at().After(e.Earlier.Accepted) {
			e.Earlier.Accepted = o.at()
		}
		if j == i || o.Request.Method != e.Request.Method || !same(o.Request.URL, e.Request.URL) || o.Response.Status == 0 {
			continue
		}
		if d := o.Started.Sub(e.Now); d > 2*time.Minute || d < -2*time.Minute {
			continue
		}
		if a := o.answer(); mine != "" && req.CredentialValue() == mine && a.Store == "" {
			e.Earlier.Others = append(e.Earlier.Others, a)
		}
	}
}

// asked finds the preflight of an entry.
func (r *recording) asked(i int, to *Earlier) {
	for j := min(i+4, len(r.entries)-1); j >= 0 && j > i-8; j-- {
		en := &r.entries[j]
		if j != i && en.Request.Method == "OPTIONS" && same(en.Request.URL, r.entries[i].Request.URL) {
			a := en.answer()
			to.Preflight = &a
			for _, v := range all(fieldsOf(en.Request.Headers), "Access-Control-Request-Headers") {
				for name := range strings.SplitSeq(v, ",") {
					to.AskedFor = append(to.AskedFor, strings.ToLower(strings.TrimSpace(name)))
				}
			}
			return
		}
	}
}

// lonePreflight: an OPTIONS whose request the recording does not have.
func (r *recording) lonePreflight(i int, e *Evidence) *Evidence {
	en := &r.entries[i]
	for j := max(0, i-6); j < len(r.entries) && j < i+6; j++ {
		if j != i && r.entries[j].Request.Method != "OPTIONS" && same(r.entries[j].Request.URL, en.Request.URL) {
			return nil
		}
	}
	if en.Response.Status == 0 || en.Response.Status < 300 && newCase(e).preflightRefused() == nil {
		return nil
	}
	return e
}
