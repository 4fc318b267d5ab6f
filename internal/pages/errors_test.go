package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/docs"
	"github.com/doorward/doorward/internal/config"
)

const anID = "dn_01JD3ZK8W4T6N5Q2R7X9V0B1CA"

// get asks the pages, with header fields in pairs.
func get(t *testing.T, h http.Handler, method, target string, fields ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func pageOf(t *testing.T, h http.Handler, target, accept string) string {
	t.Helper()
	res := get(t, h, http.MethodGet, target, "Accept", accept)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", target, res.Status)
	}
	return bodyOf(t, res)
}

func articles(t *testing.T) []*article {
	t.Helper()
	var all []*article
	for _, info := range doorward.Codes() {
		a, err := readArticle(info)
		if err != nil {
			t.Error(err)
			continue
		}
		all = append(all, a)
	}
	if len(all) < 20 {
		t.Fatalf("only %d pages", len(all))
	}
	return all
}

// TestEveryCodeHasAPage: with all headings, in order, none empty; the opening
// is what a denial writes. And no page is without a code.
func TestEveryCodeHasAPage(t *testing.T) {
	all := articles(t)
	files, err := docs.Errors.ReadDir("errors")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(all) {
		t.Errorf("%d files and %d codes", len(files), len(all))
	}
}

func TestSplit(t *testing.T) {
	good := articles(t)[0]
	opening := len(good.opening())
	for name, broken := range map[string]string{
		"no opening":        good.File[opening:],
		"heading missing":   strings.Replace(good.File, "## Usual causes\n\n", "", 1),
		"heading misspelt":  strings.Replace(good.File, "### For the caller", "### For the Caller", 1),
		"another heading":   good.File + "\n## More\n\ntext\n",
		"headings swapped":  strings.NewReplacer("## What it means", "## Usual causes", "## Usual causes", "## What it means").Replace(good.File),
		"nothing below one": good.File[:opening] + "## What it means\n\n" + good.File[strings.Index(good.File, "## Usual causes"):],
		"text below Fix it": strings.Replace(good.File, "## Fix it\n\n", "## Fix it\n\nSome text.\n\n", 1),
		"no empty line":     strings.Replace(good.File, "## Usual causes\n\n", "## Usual causes\n", 1),
	} {
		a := &article{Info: good.Info, Wire: good.Wire, File: broken}
		if err := a.split(); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	fenced := strings.Replace(good.File, "## What it means\n\n", "## What it means\n\n```sh\n# no heading\n```\n\n", 1)
	a := &article{Info: good.Info, Wire: good.Wire, File: fenced}
	if err := a.split(); err != nil {
		t.Errorf("a # in code was taken for a heading: %v", err)
	}
}

// TestFormatsAgree: JSON, HTML and Markdown of a page say the same, and the
// same as the table of codes.
func TestFormatsAgree(t *testing.T) {
	h := Errors(nil)
	for _, a := range articles(t) {
		target := "/errors/" + string(a.Info.Code)
		var got explanation
		if err := json.Unmarshal([]byte(pageOf(t, h, target, "application/json")), &got); err != nil {
			t.Fatal(err)
		}
		want := explanation{
			summary: summary{
				a.Info.Code, a.Info.Status, a.Info.Title(), a.Info.Detail, a.Info.Recovery, target,
			},
			Wire: got.Wire, Meaning: a.Meaning, Causes: a.Causes,
			Fix: fix{a.Caller, a.Developer, a.Operator}, Evidence: a.Evidence, Client: a.Client,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: JSON says\n%+v\nwant\n%+v", a.Info.Code, got, want)
		}
		page := pageOf(t, h, target, "text/html")
		for _, text := range []string{got.Meaning, got.Causes, got.Fix.Caller, got.Fix.Developer, got.Fix.Operator, got.Evidence, got.Client} {
			if !strings.Contains(page, string(render(text))) {
				t.Errorf("%s: the HTML lacks %q", a.Info.Code, text)
			}
		}
		for _, text := range append(got.Wire, got.Detail, fmt.Sprintf("%d %s", got.Status, got.Title)) {
			if !strings.Contains(html.UnescapeString(page), text) {
				t.Errorf("%s: the HTML lacks %q", a.Info.Code, text)
			}
		}
		for _, accept := range []string{"text/markdown", "text/plain"} {
			if text := pageOf(t, h, target, accept); text != a.File {
				t.Errorf("%s: %s is not the file", a.Info.Code, accept)
			}
		}
		if text := pageOf(t, h, target+".md", "text/html"); text != a.File {
			t.Errorf("%s.md is not the file", a.Info.Code)
		}
	}
}

func TestIndexListsAllCodes(t *testing.T) {
	h := Errors(nil)
	var got index
	if err := json.Unmarshal([]byte(pageOf(t, h, "/errors/", "*/*")), &got); err != nil {
		t.Fatal(err)
	}
	page, text := pageOf(t, h, "/errors/", "text/html"), pageOf(t, h, "/errors/", "text/markdown")
	all := doorward.Codes()
	if len(got.Codes) != len(all) {
		t.Errorf("JSON lists %d codes of %d", len(got.Codes), len(all))
	}
	for i, info := range all {
		if got.Codes[i].Code != info.Code || got.Codes[i].Detail != info.Detail {
			t.Errorf("JSON says %+v of %s", got.Codes[i], info.Code)
		}
		if !strings.Contains(page, `href="`+string(info.Code)+`"`) || !strings.Contains(page, info.Detail) {
			t.Errorf("the HTML lacks %s", info.Code)
		}
		if !strings.Contains(text, fmt.Sprintf("- [%s](%s.md) (%d): %s\n", info.Code, info.Code, info.Status, info.Detail)) {
			t.Errorf("the Markdown lacks %s", info.Code)
		}
	}
}

func TestEveryRecoveryHasWords(t *testing.T) {
	for _, info := range doorward.Codes() {
		if recoveries[info.Recovery] == "" {
			t.Errorf("no words for %q", info.Recovery)
		}
	}
}

var (
	hrefs   = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	mdLinks = regexp.MustCompile(`\]\(([^)]*)\)`)
	anchors = regexp.MustCompile(`\bid="([^"]*)"`)
)

// TestLinksResolve walks every link of every page, in HTML and in Markdown.
func TestLinksResolve(t *testing.T) {
	h := Errors(nil)
	targets := []string{"/errors/"}
	for _, info := range doorward.Codes() {
		targets = append(targets, "/errors/"+string(info.Code), "/errors/"+string(info.Code)+".md")
	}
	walked := 0
	for _, target := range targets {
		page := pageOf(t, h, target, "text/html")
		links := hrefs.FindAllStringSubmatch(page, -1)
		if path.Ext(target) == ".md" {
			links = mdLinks.FindAllStringSubmatch(page, -1)
		}
		for _, m := range links {
			link := html.UnescapeString(m[1])
			if strings.HasPrefix(link, "data:") {
				continue
			}
			walked++
			resolved, err := (&url.URL{Path: target}).Parse(link)
			if err != nil {
				t.Errorf("%s: link %q: %v", target, link, err)
				continue
			}
			if resolved.Host != "" {
				if resolved.Scheme != "https" || resolved.Host != "www.rfc-editor.org" {
					t.Errorf("%s: link %q leads elsewhere than to an RFC", target, link)
				}
				continue
			}
			there := pageOf(t, h, resolved.RequestURI(), "text/html")
			if f := resolved.Fragment; f != "" && !slices.ContainsFunc(anchors.FindAllStringSubmatch(there, -1), func(id []string) bool { return id[1] == f }) {
				t.Errorf("%s: link %q: no such place on the page", target, link)
			}
		}
	}
	if walked < len(targets) {
		t.Errorf("only %d links on %d pages", walked, len(targets))
	}
}

// TestNoLeftovers: nothing of the Markdown is left in the HTML, every block of
// code names its language, and nothing is dropped.
func TestNoLeftovers(t *testing.T) {
	h := Errors(nil)
	for _, a := range articles(t) {
		page := pageOf(t, h, "/errors/"+string(a.Info.Code), "text/html")
		prose := regexp.MustCompile(`(?s)<style>.*?</style>|<pre.*?</pre>|<code>.*?</code>`).ReplaceAllString(page, "")
		for _, mark := range []string{"```", "](", "**", "raw HTML omitted", "\n|", "PLACEHOLDER"} {
			if strings.Contains(prose, mark) {
				t.Errorf("%s: %q is left in the HTML", a.Info.Code, mark)
			}
		}
		fences := strings.Count(a.File, "\n```") / 2
		named := strings.Count(page, `tabindex="0" data-language="`)
		if fences != named+1 { // the opening is the head of the page
			t.Errorf("%s: %d blocks of code, %d with a known language", a.Info.Code, fences, named)
		}
	}
}

// TestCommandsExist: the pages name no command and no setting that there is not.
func TestCommandsExist(t *testing.T) {
	commands := []string{
		"apikey create", "apikey list", "apikey revoke", "backup", "decode", "dev", "doctor", "key list", "key rotate", "migrate", "serve", "session end", "session list",
		"user activate", "user add", "user deactivate", "user import", "user list", "user password", "user show", "user suspend", "why",
	}
	flags := []string{"--all", "--last", "--code", "--user", "--scope", "--expires", "--har"} // of session end, why, apikey and doctor
	for _, s := range config.Settings() {
		flags = append(flags, s.Flag())
	}
	command := regexp.MustCompile(`(?m)(?:^|[\x60|] ?)doorward ((?:user|session|key|apikey) [a-z]+|[a-z]+)(.*)`)
	flag := regexp.MustCompile(`--[a-z-]+`)
	found := 0
	for _, a := range articles(t) {
		for _, m := range command.FindAllStringSubmatch(a.File, -1) {
			found++
			if !slices.Contains(commands, m[1]) {
				t.Errorf("%s: there is no command %q", a.Info.Code, m[1])
			}
			line, _, _ := strings.Cut(m[2], "`")
			for _, f := range flag.FindAllString(line, -1) {
				if !slices.Contains(flags, f) {
					t.Errorf("%s: doorward %s has no setting %s", a.Info.Code, m[1], f)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("found only %d commands", found)
	}
}

func TestDenialIsRepeated(t *testing.T) {
	h := Errors(nil)
	target := "/errors/TOKEN_EXPIRED?denial=" + anID
	if page := pageOf(t, h, target, "text/html"); !strings.Contains(page, "<code>doorward why "+anID+"</code>") {
		t.Error("the HTML does not name the denial")
	}
	if text := pageOf(t, h, target, "text/plain"); !strings.Contains(text, "`doorward why "+anID+"`") {
		t.Error("the Markdown does not name the denial")
	}
	var got explanation
	if err := json.Unmarshal([]byte(pageOf(t, h, target, "application/json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Denial == nil || *got.Denial != (story{ID: anID, Why: "doorward why " + anID}) {
		t.Errorf("JSON says %+v of the denial", got.Denial)
	}
	if page := pageOf(t, h, "/errors/TOKEN_EXPIRED", "text/html"); strings.Contains(page, anID) {
		t.Error("the denial of one request is on the page of another")
	}
}

// TestNothingOfACallerIsRepeated: what is no denial's id is not shown at all.
func TestNothingOfACallerIsRepeated(t *testing.T) {
	h := Errors(nil)
	for _, s := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `dn_`, `dn_x`, anID + `"`, anID + "\n", " " + anID,
		`dn_01JD3ZK8W4T6N5Q2R7X9V0B1C<`, "`" + anID, strings.Repeat("a", 8000),
	} {
		for _, accept := range []string{"text/html", "application/json", "text/markdown", "text/plain"} {
			query := "?denial=" + url.QueryEscape(s)
			if got, want := pageOf(t, h, "/errors/NOT_FOUND"+query, accept), pageOf(t, h, "/errors/NOT_FOUND", accept); got != want {
				t.Errorf("denial=%.40q changes the page as %s", s, accept)
			}
		}
	}
	res := get(t, h, http.MethodGet, "/errors/<script>alert(1)", "Accept", "text/html")
	if body := bodyOf(t, res); strings.Contains(body, "alert") {
		t.Errorf("an unknown code is repeated: %s", body)
	}
}

func TestUnknownIsAProblem(t *testing.T) {
	h := Errors(nil)
	for _, target := range []string{
		"/errors/NO_SUCH_CODE", "/errors/token_expired", "/errors/TOKEN_EXPIRED/", "/errors/.md", "/errors/TOKEN_EXPIRED.md.md", "/errors/TOKEN_EXPIRED.html",
		"/", "/TOKEN_EXPIRED", "/errors", "/errors/%2e%2e/docs.go",
	} {
		res := get(t, h, http.MethodGet, target, "Accept", "text/html")
		var problem struct{ Code, Type string }
		if err := json.Unmarshal([]byte(bodyOf(t, res)), &problem); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		if res.StatusCode != http.StatusNotFound || res.Header.Get("Content-Type") != "application/problem+json" || problem.Code != "NOT_FOUND" {
			t.Errorf("%s: %s, %v, %+v", target, res.Status, res.Header, problem)
		}
	}
}

func TestMethods(t *testing.T) {
	h := Errors(nil)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "BREW"} {
		for _, target := range []string{"/errors/", "/errors/TOKEN_EXPIRED", "/errors/NO_SUCH_CODE"} {
			res := get(t, h, method, target)
			if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" ||
				!strings.Contains(bodyOf(t, res), `"code":"METHOD_NOT_ALLOWED"`) {
				t.Errorf("%s %s: %s, Allow %q", method, target, res.Status, res.Header.Get("Allow"))
			}
		}
	}
	for _, target := range []string{"/errors/", "/errors/TOKEN_EXPIRED"} {
		res, full := get(t, h, http.MethodHead, target), get(t, h, http.MethodGet, target)
		if res.StatusCode != http.StatusOK || bodyOf(t, res) != "" {
			t.Errorf("HEAD %s: %s with a body", target, res.Status)
		}
		if got, want := res.Header.Get("Content-Length"), fmt.Sprint(len(bodyOf(t, full))); got != want {
			t.Errorf("HEAD %s: Content-Length %s, want %s", target, got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := Errors(nil)
	for _, target := range []string{"/errors/", "/errors/RATE_LIMITED"} {
		etags := make(map[string]string)
		for f, kind := range contentTypes {
			res := get(t, h, http.MethodGet, target, "Accept", kind)
			want := map[string]string{
				"Content-Type": kind, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
				"Vary": "Accept", "Cache-Control": "public, max-age=3600",
			}
			for name, value := range want {
				if got := res.Header.Get(name); got != value {
					t.Errorf("%s as %s: %s is %q, want %q", target, kind, name, got, value)
				}
			}
			if csp := res.Header.Get("Content-Security-Policy"); (csp != "") != (format(f) == asHTML) {
				t.Errorf("%s as %s: Content-Security-Policy %q", target, kind, csp)
			}
			etag := res.Header.Get("ETag")
			etags[etag] = kind
			again := get(t, h, http.MethodGet, target, "Accept", kind, "If-None-Match", etag)
			if again.StatusCode != http.StatusNotModified || bodyOf(t, again) != "" {
				t.Errorf("%s as %s: %s to its own ETag %s", target, kind, again.Status, etag)
			}
		}
		if len(etags) != 3 { // plain text is the same text as Markdown
			t.Errorf("%s: the formats share ETags: %v", target, etags)
		}
	}
}

// contained checks that a page is all that it needs, and that its policy lets
// in its own style and nothing else.
func contained(t *testing.T, res *http.Response) {
	t.Helper()
	page := bodyOf(t, res)
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(page, -1)
	if len(style) != 1 {
		t.Fatalf("%d style sheets", len(style))
	}
	sum := sha256.Sum256([]byte(style[0][1]))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := res.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is\n%s, want\n%s", got, want)
	}
	for _, inline := range []string{`\sstyle="`, `\son[a-z]+="`, `<script>`, `@import`, `url\(`, `src="https?:`, `<link [^>]*href="https?:`} {
		if m := regexp.MustCompile(inline).FindString(page); m != "" {
			t.Errorf("the page has %q", m)
		}
	}
}

func TestPagesAreContained(t *testing.T) {
	h := Errors(nil)
	contained(t, get(t, h, http.MethodGet, "/errors/", "Accept", "text/html"))
	for _, info := range doorward.Codes() {
		contained(t, get(t, h, http.MethodGet, "/errors/"+string(info.Code)+"?denial="+anID, "Accept", "text/html"))
	}
}

// TestNothingIsRenderedAtTheStart: making the handler is cheap, since every
// server does so when it starts.
func TestNothingIsRenderedAtTheStart(t *testing.T) {
	if n := testing.AllocsPerRun(10, func() { Errors(nil) }); n > 200 {
		t.Errorf("Errors allocates %v times", n)
	}
}

func BenchmarkErrors(b *testing.B) {
	h := Errors(nil)
	r := httptest.NewRequest(http.MethodGet, "/errors/TOKEN_EXPIRED", nil)
	r.Header.Set("Accept", "text/html")
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
