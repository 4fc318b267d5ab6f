package doorward

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/ulid"
)

// DenialHeader names the response field that carries a denial's id.
const DenialHeader = "Doorward-Denial"

// ExposedHeaders are the response fields that a browser's script must be
// allowed to read (Access-Control-Expose-Headers) to act on a denial.
const ExposedHeaders = "Doorward-Denial, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate"

// Denial is one refusal: what the public is told, what the operator is told,
// and the id that ties the two together. Bad input and faults have the same
// shape on the wire; see [Class].
//
// It is an error whose text holds only the public side.
type Denial struct {
	ID      string    // dn_ and 26 characters; empty for bad input
	Code    Code      // the public code
	Detail  string    // the public sentence; empty means the table's own
	Member  string    // the offending member of the request, for INVALID_REQUEST
	Scope   string    // the missing scopes, for INSUFFICIENT_SCOPE
	At      time.Time // when it was refused
	Private Reason    // for the operator; never sent

	// RetryAfter is how long to wait before another try, rounded up to whole
	// seconds; zero sends no Retry-After.
	RetryAfter time.Duration
	// Limit is the limit that was met, for RATE_LIMITED.
	Limit *Limit
	// Ended is how the session ended. It is set for who proved a genuine refresh
	// token of that session, and for nobody else.
	Ended *SessionEnd
}

// SessionEnd is how a session ended, as its user may know it.
type SessionEnd struct {
	Reason EndReason
	By     string    // "user" or "operator"; empty for neither
	At     time.Time // on the wire to the second
}

// EndReason says why a session ended.
type EndReason string

// The reasons.
const (
	EndedLogout      EndReason = "logout"       // signed out on this device
	EndedLogoutAll   EndReason = "logout_all"   // signed out everywhere
	EndedElsewhere   EndReason = "ended"        // from the list of sessions, or by an operator
	EndedPassword    EndReason = "password"     // the password was changed
	EndedSuspended   EndReason = "suspended"    // the account was suspended
	EndedDeactivated EndReason = "deactivated"  // the account was deactivated
	EndedReused      EndReason = "token_reused" // a superseded refresh token came back: a copy was used
	EndedIdle        EndReason = "idle"         // not refreshed for too long
	EndedAge         EndReason = "age"          // as old as a session can get
)

// Limit is a rate limit as the RateLimit and RateLimit-Policy fields say it.
type Limit struct {
	Name   string        // the policy's name
	Quota  int           // attempts per window
	Window time.Duration // the window's length; zero means that only a reset ends it
	Reset  time.Duration // until attempts are possible again
}

// Reason is the private side of a [Denial]: which check failed, on what, by
// how much, and what to do next. It never holds a token, a password, a cookie
// or a key.
type Reason struct {
	Check   string        `json:"check"`             // the check that failed, one word or two: "signature", "exp", "origin"
	Text    string        `json:"text"`              // what happened, as a sentence
	Next    string        `json:"next,omitempty"`    // what to do next, as a sentence
	Token   TokenRef      `json:"token,omitzero"`    // the token, by name
	User    string        `json:"user,omitempty"`    // the user's id
	Session string        `json:"session,omitempty"` // the session's id
	By      time.Duration `json:"by,omitempty"`      // by how much a time was missed
}

// TokenRef names a token without revealing it.
type TokenRef struct {
	ID          string `json:"jti,omitempty"`
	Key         string `json:"kid,omitempty"`
	Fingerprint string `json:"sha256,omitempty"` // the first 8 hex digits of its SHA-256
}

// NewDenial returns a denial with a fresh id, or, for bad input, with none.
func NewDenial(code Code, at time.Time, private Reason) *Denial {
	d := &Denial{Code: code, At: at, Private: private}
	if info, ok := code.Info(); !ok || info.Class != ClassInput {
		d.ID = "dn_" + ulid.New(at).String()
	}
	return d
}

// BadInput returns the answer to a request that could not be read: code, the
// member at fault (empty where there is none) and a sentence that says how to
// mend it.
func BadInput(code Code, member, detail string) *Denial {
	return &Denial{Code: code, Member: member, Detail: detail}
}

// ValidDenialID reports whether s has the form of a denial's id.
func ValidDenialID(s string) bool {
	rest, ok := strings.CutPrefix(s, "dn_")
	if !ok {
		return false
	}
	_, err := ulid.Parse(rest)
	return err == nil
}

// Error returns the code and the public sentence.
func (d *Denial) Error() string { return string(d.Code) + ": " + d.PublicDetail() }

func (d *Denial) info() CodeInfo {
	info, ok := d.Code.Info()
	if !ok {
		// An unknown code is a bug; it must refuse all the same.
		return CodeInfo{Code: d.Code, Status: http.StatusInternalServerError, Detail: "The service failed"}
	}
	return info
}

// PublicDetail returns the sentence that the public is told.
func (d *Denial) PublicDetail() string {
	if d.Detail != "" {
		return d.Detail
	}
	return d.info().Detail
}

// Status returns the HTTP status.
func (d *Denial) Status() int { return d.info().Status }

// Wire is what an answer says beside the denial itself.
type Wire struct {
	Issuer           string // base of the `type` URL, without a trailing slash
	Realm            string // of the challenge; empty means "doorward"
	ResourceMetadata string // RFC 9728 §5.1; empty for none
}

// problem is the body: RFC 9457 §3.1 and the members that clients of the
// common error shape read.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     Code   `json:"code"`
	Instance string `json:"instance,omitempty"`
	Error    string `json:"error"`
	Message  string `json:"message"`
	Member   string `json:"member,omitempty"`
	Scope    string `json:"scope,omitempty"`

	// Texts, and not an object, so that clients which keep the text of a problem
	// have them as well.
	Ended   EndReason `json:"ended,omitempty"`
	EndedBy string    `json:"endedBy,omitempty"`
	EndedAt string    `json:"endedAt,omitempty"` // RFC 3339
}

// Challenge returns the challenge that goes with the denial, and false where
// the answer has none.
func (d *Denial) Challenge(wire Wire) (Challenge, bool) {
	info := d.info()
	if !info.Challenged() {
		return Challenge{}, false
	}
	realm := wire.Realm
	if realm == "" {
		realm = "doorward"
	}
	c := Challenge{Scheme: "Bearer", Params: []Param{{"realm", realm}}}
	if info.Error != "" {
		c.Params = append(c.Params, Param{"error", info.Error}, Param{"error_description", asciiText(d.PublicDetail())})
	}
	if d.Scope != "" {
		c.Params = append(c.Params, Param{"scope", asciiText(d.Scope)})
	}
	if wire.ResourceMetadata != "" {
		c.Params = append(c.Params, Param{"resource_metadata", wire.ResourceMetadata})
	}
	return c, true
}

// asciiText keeps to the characters of error_description and scope (RFC 6750
// §3), which need no escaping in any quoted form.
func asciiText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7E || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, s)
}

// Write sends the denial: status, challenge, no-store, id and body. It is the
// only place that says a refusal on the wire.
func (d *Denial) Write(w http.ResponseWriter, wire Wire) {
	info := d.info()
	h := w.Header()
	if c, ok := d.Challenge(wire); ok {
		h.Set("WWW-Authenticate", c.String())
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	if d.ID != "" {
		h.Set(DenialHeader, d.ID)
	}
	if d.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(d.RetryAfter), 10))
	}
	if l := d.Limit; l != nil {
		// A String of structured fields takes printable ASCII only (RFC 9651 §3.3.3).
		name := `"` + asciiText(l.Name) + `"`
		policy := name + ";q=" + strconv.Itoa(l.Quota)
		if l.Window > 0 {
			policy += ";w=" + strconv.FormatInt(seconds(l.Window), 10)
		}
		h.Set("RateLimit-Policy", policy)
		h.Set("RateLimit", name+";r=0;t="+strconv.FormatInt(seconds(l.Reset), 10))
	}
	if h.Get("Access-Control-Allow-Origin") != "" && h.Get("Access-Control-Expose-Headers") == "" {
		h.Set("Access-Control-Expose-Headers", ExposedHeaders)
	}
	p := problem{
		Type: wire.Issuer + "/errors/" + string(d.Code), Title: info.Title(), Status: info.Status,
		Detail: d.PublicDetail(), Code: d.Code, Instance: d.ID,
		Error: info.Title(), Message: d.PublicDetail(), Member: d.Member, Scope: d.Scope,
	}
	if e := d.Ended; e != nil {
		p.Ended, p.EndedBy, p.EndedAt = e.Reason, e.By, e.At.UTC().Format(time.RFC3339)
	}
	body, err := json.Marshal(p)
	if err != nil { // strings and an int always marshal
		panic(err)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(info.Status)
	_, _ = w.Write(body) // a caller that is gone needs no answer
}

// seconds rounds up, so that a caller who waits as told is not told again.
// Time that is over is none.
func seconds(d time.Duration) int64 {
	whole := int64(d / time.Second)
	if d%time.Second > 0 {
		whole++
	}
	return max(0, whole)
}
