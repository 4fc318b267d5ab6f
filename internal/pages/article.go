package pages

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/docs"
)

// article is the page of one code. The texts are Markdown.
type article struct {
	Info doorward.CodeInfo
	Wire string // the answer as it goes over the wire, less what all answers have
	File string // the whole file

	Meaning   string
	Causes    string
	Caller    string
	Developer string
	Operator  string
	Evidence  string
	Client    string
}

// headings returns the headings of a page, in order, each with the place of
// the text below it; nil where only further headings follow.
func (a *article) headings() []heading {
	return []heading{
		{"## What it means", &a.Meaning},
		{"## Usual causes", &a.Causes},
		{"## Fix it", nil},
		{"### For the caller", &a.Caller},
		{"### For the developer", &a.Developer},
		{"### For the operator", &a.Operator},
		{"## Which cause it is", &a.Evidence},
		{"## What a client does", &a.Client},
	}
}

type heading struct {
	line string
	text *string
}

// readArticle reads the page of a code.
func readArticle(info doorward.CodeInfo) (*article, error) {
	name := "errors/" + string(info.Code) + ".md"
	file, err := docs.Errors.ReadFile(name)
	if err != nil {
		return nil, err
	}
	a := &article{Info: info, Wire: wireOf(info.Code), File: string(file)}
	if err := a.split(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

// split cuts the file at its headings. All pages have the same ones, so that
// whoever has read one finds their way about the others.
func (a *article) split() error {
	body, ok := strings.CutPrefix(a.File, a.opening())
	if !ok {
		return fmt.Errorf("does not open with:\n%s", a.opening())
	}
	for i, h := range a.headings() {
		rest, ok := strings.CutPrefix(body, h.line+"\n\n")
		if !ok {
			return fmt.Errorf("want the heading %q next, in a line of its own with an empty one below", h.line)
		}
		text := rest[:nextHeading(rest)]
		body = rest[len(text):]
		text = strings.TrimSpace(text)
		if (text == "") != (h.text == nil) {
			return fmt.Errorf("heading %d, %q: text %q", i, h.line, text)
		}
		if h.text != nil {
			*h.text = text
		}
	}
	if body != "" {
		return fmt.Errorf("has more than the headings of a page: %q", strings.SplitN(body, "\n", 2)[0])
	}
	return nil
}

// opening is how the file of a page begins. The head of the HTML says the same
// in its own way.
func (a *article) opening() string {
	return fmt.Sprintf("# %s\n\n%s.\n\n```http\n%s\n```\n\n", a.Info.Code, a.Info.Detail, a.Wire)
}

// nextHeading returns where the next heading begins, or the length of s. A "#"
// inside a fence is code.
func nextHeading(s string) int {
	fenced, at := false, 0
	for line := range strings.Lines(s) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced = !fenced
		case !fenced && strings.HasPrefix(line, "#"):
			return at
		}
		at += len(line)
	}
	return at
}

// wireFields are the fields that tell one refusal from another.
var wireFields = []string{"WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy"}

// wireOf returns how an answer with this code begins. It is what the denial
// itself writes, so it cannot say anything else than the server does.
func wireOf(code doorward.Code) string {
	d := doorward.Denial{Code: code}
	switch code {
	case doorward.TokenNotActive:
		d.RetryAfter = 90 * time.Second
	case doorward.InsufficientScope:
		d.Scope = "reports:read"
	case doorward.RateLimited:
		d.RetryAfter = 14 * time.Minute
		d.Limit = &doorward.Limit{Name: "login", Quota: 5, Window: 15 * time.Minute, Reset: d.RetryAfter}
	case doorward.Unavailable:
		d.RetryAfter = time.Second
	}
	var head answerHead
	d.Write(&head, doorward.Wire{})
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s", head.status, http.StatusText(head.status))
	for _, name := range wireFields {
		if value := head.Header().Get(name); value != "" {
			fmt.Fprintf(&b, "\n%s: %s", name, value)
		}
	}
	return b.String()
}

// answerHead takes an answer and keeps its head.
type answerHead struct {
	header http.Header
	status int
}

func (a *answerHead) Header() http.Header {
	if a.header == nil {
		a.header = make(http.Header)
	}
	return a.header
}

func (a *answerHead) WriteHeader(status int)      { a.status = status }
func (a *answerHead) Write(b []byte) (int, error) { return len(b), nil }
