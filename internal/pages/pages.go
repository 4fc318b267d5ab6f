// Package pages answers with what a person reads: the page behind every code,
// and the page of `doorward dev`. All of it is embedded, and none of it asks
// another origin for anything.
package pages

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // style sheets and templates
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"net/http"
	"time"
)

// base is the style sheet of all pages.
//
//go:embed base.css
var base string

// icon is inlined, since a page may ask for nothing else.
const icon = template.URL(`data:image/svg+xml,` + //nolint:gosec // a constant
	`%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E` +
	`%3Crect x='6' y='2' width='20' height='28' rx='3' fill='%230b6e69'/%3E` +
	`%3Ccircle cx='21' cy='17' r='2.4' fill='%23fff'/%3E%3C/svg%3E`)

// sheet is a style sheet inside of its page, and the CSP source that lets in
// that sheet and no other.
type sheet struct {
	CSS    template.CSS
	source string
}

func newSheet(css string) sheet {
	sum := sha256.Sum256([]byte(css))
	return sheet{
		CSS:    template.CSS(css), //nolint:gosec // embedded, never a caller's
		source: "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
}

// policy is the Content-Security-Policy of a page: nothing but its own style
// and its inlined icon.
func (s sheet) policy() string {
	return "default-src 'none'; style-src " + s.source + "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// document is an answer that stays the same for as long as the binary does.
type document struct {
	kind   string
	policy string // empty for what is no page
	body   []byte
	etag   string
}

func newDocument(kind, policy string, body []byte) *document {
	sum := sha256.Sum256(body)
	return &document{kind, policy, body, `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// serve answers GET and HEAD.
func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", d.kind)
	if d.etag != "" {
		h.Set("ETag", d.etag)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if d.policy != "" {
		h.Set("Content-Security-Policy", d.policy)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body))
}
