// Package ledger holds what is kept of a denial, the same for a server and for
// a guard in another program, and the bounds that it is kept within.
package ledger

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/doorward/doorward"
)

// Record is what is kept of one denial for the operator: the private side, and
// of the request what is no secret.
type Record struct {
	ID      string          `json:"id"`
	Code    doorward.Code   `json:"code"`
	Status  int             `json:"status"`
	At      time.Time       `json:"at"`
	Method  string          `json:"method"`
	Path    string          `json:"path"` // without the query, which may hold secrets
	Network string          `json:"network"`
	Agent   string          `json:"agent,omitempty"` // what the client calls itself
	Node    string          `json:"node,omitempty"`  // which server or guard refused
	Detail  string          `json:"detail"`          // the public sentence
	Private doorward.Reason `json:"private"`

	// RetryAfter is how long the caller had to wait; zero for nothing, and where
	// waiting does not help.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// Key is the name of the API key that a guard in another program reported
	// with; empty where a server refused.
	Key string `json:"key,omitempty"`
	// Ahead is by how much that guard's clock was ahead of the server's that it
	// reported to; zero where they agreed. At is by the server's clock.
	Ahead time.Duration `json:"ahead,omitempty"`
}

// Flood counts the denials of one code in one minute that were not kept one by
// one.
type Flood struct {
	Minute time.Time     `json:"minute"`
	Code   doorward.Code `json:"code"`
	Count  int64         `json:"count"`
}

// How much is kept of each text, in bytes.
const (
	maxMethod = 32
	maxPath   = 256
	maxAgent  = 128
	maxName   = 128  // of ids, networks, nodes and checks
	maxText   = 1024 // of sentences
)

// NewRecord returns what is to be kept of a denial of a request, but for the
// network and the node. It is not yet [Record.Masked].
func NewRecord(r *http.Request, d *doorward.Denial) Record {
	wait := d.RetryAfter
	if d.Limit != nil && d.Limit.Window == 0 {
		wait = 0 // waiting opens nothing
	}
	return Record{
		ID: d.ID, Code: d.Code, Status: d.Status(), At: d.At,
		Method: r.Method, Path: r.URL.Path, Agent: r.UserAgent(),
		Detail: d.PublicDetail(), Private: d.Private, RetryAfter: wait,
	}
}

// Masked returns the record with every text cut to its bound and without
// anything that looks like a secret: what a stranger sent is in it, and what
// the programmer of a guard wrote.
func (r Record) Masked() Record {
	p := &r.Private
	for _, t := range []struct {
		text *string
		most int
	}{
		{&r.Method, maxMethod}, {&r.Path, maxPath}, {&r.Agent, maxAgent}, {&r.Detail, maxText},
		{&r.Network, maxName}, {&r.Node, maxName},
		{&p.Check, maxName}, {&p.Text, maxText}, {&p.Next, maxText}, {&p.User, maxName}, {&p.Session, maxName},
		{&p.Token.Fingerprint, 8},
	} {
		*t.text = Cut(Mask(*t.text), t.most)
	}
	// The name of a key is often a hash, and as long as one.
	p.Token.ID, p.Token.Key = Cut(maskKnown(p.Token.ID), maxName), Cut(maskKnown(p.Token.Key), maxName)
	return r
}

// What is a secret of ours, or a token of anybody's, by how it begins; and what
// is as long as secrets are, wherever somebody puts one by mistake.
const (
	known = `(dwr_|dwk_|eyJ)[\w.~+/=-]*`
	long  = `[\w~+=-]{40,}`
)

var (
	knownSecret = regexp.MustCompile(known)
	secretLike  = regexp.MustCompile(known + "|" + long)
)

// Mask takes out of a text whatever looks like a secret.
func Mask(s string) string {
	if !longRun(s) {
		return maskKnown(s)
	}
	return secretLike.ReplaceAllString(s, masked)
}

// maskKnown looks before it matches: most texts are as they should be, and a
// regular expression takes fifty times as long to say so.
func maskKnown(s string) string {
	if !strings.Contains(s, "eyJ") && !strings.Contains(s, "dwr_") && !strings.Contains(s, "dwk_") {
		return s
	}
	return knownSecret.ReplaceAllString(s, masked)
}

// longRun reports whether s may hold what is as long as a secret.
func longRun(s string) bool {
	run := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '~', c == '+', c == '=', c == '-':
			if run++; run >= 40 {
				return true
			}
		default:
			run = 0
		}
	}
	return false
}

const masked = "[masked]"

// Cut returns at most n bytes of a text. What is left is whole characters, and
// none is the zero byte, which not every store takes in a text.
func Cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
