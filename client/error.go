package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/strictjson"
)

// ErrBody is found in the [Error] of a call that was refused, and that could be
// sent again if its body could: it was longer than 64 KiB, or was still being
// read, and the request has no GetBody to make it anew.
var ErrBody = errors.New("the request's body cannot be sent again: set GetBody, or keep it under 64 KiB")

// Error is a refusal, or why there is no answer. errors.As finds it in whatever
// this package or an http.Client around it returns, and errors.Is compares
// codes:
//
//	errors.Is(err, &client.Error{Code: doorward.RateLimited})
//
// It never holds a token, a password or a key.
type Error struct {
	Code       doorward.Code // UNAVAILABLE where there was no answer; empty where the answer names none
	Detail     string        // what happened, as a sentence
	Status     int           // HTTP status; 0 where there was no answer
	Denial     string        // the id by which the operator finds the whole story; may be empty
	Help       string        // URL of the page that says how to mend it; may be empty
	Member     string        // the member of the request at fault, for INVALID_REQUEST
	Scope      string        // the missing scopes, for INSUFFICIENT_SCOPE
	RetryAfter time.Duration // how long to wait before another try; 0 where nobody said
	Err        error         // what is behind it, such as a network error; may be nil

	// Ended is how the session ended, where the server says so to who holds its
	// refresh token; nil elsewhere.
	Ended *doorward.SessionEnd
}

// Error returns the code, the sentence and the denial's id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("doorward: ")
	switch {
	case e.Code != "":
		b.WriteString(string(e.Code))
	default:
		fmt.Fprintf(&b, "HTTP status %d", e.Status)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Denial != "" {
		b.WriteString(" (" + e.Denial + ")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns what is behind the error.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error) //nolint:errorlint // errors.Is does the unwrapping
	return ok && t.Code == e.Code
}

// Recovery says what to do about it, by the table of codes.
func (e *Error) Recovery() doorward.Recovery {
	if info, ok := e.Code.Info(); ok {
		return info.Recovery
	}
	return doorward.RecoverNone
}

// Temporary reports whether the same may go well later: nothing is known to be
// wrong with the session.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500 || e.Recovery() == doorward.RecoverWait
}

// CodeOf returns the code of the [Error] in err, or "" where there is none.
func CodeOf(err error) doorward.Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// unavailable is the error of what is not known, and so is never a refusal.
func unavailable(detail string, err error) *Error {
	return &Error{Code: doorward.Unavailable, Detail: detail, Err: err}
}

// maxProblem bounds what is read of a refusal's body, and maxDetail what is
// kept of a sentence in it.
const (
	maxProblem = 64 << 10
	maxDetail  = 512
)

// ErrorFrom reads an answer of 400 and above as an [Error], and returns nil for
// any other. It leaves the body as it was, to be read and closed by the caller;
// to tell the code, it reads up to 64 KiB of it where it is JSON.
//
// The body names the code (RFC 9457). Where it does not, the challenge does
// (RFC 6750 §3.1), and 429 and 503 speak for themselves.
func ErrorFrom(resp *http.Response) *Error {
	if resp.StatusCode < 400 {
		return nil
	}
	e := &Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header)}
	if id := resp.Header.Get(doorward.DenialHeader); doorward.ValidDenialID(id) {
		e.Denial = id
	}
	if problem := peekJSON(resp); problem.Kind == strictjson.Object {
		e.read(problem)
	}
	if e.Code == "" {
		e.guess(resp.Header)
	}
	if info, ok := e.Code.Info(); ok && e.Detail == "" {
		e.Detail = info.Detail
	}
	return e
}

func (e *Error) read(problem strictjson.Value) {
	if code := problem.Get("code").Text; isCode(code) {
		e.Code = doorward.Code(code)
	}
	e.Detail = sentence(problem.Get("detail").Text)
	if e.Detail == "" {
		e.Detail = sentence(problem.Get("message").Text)
	}
	if id := problem.Get("instance").Text; e.Denial == "" && doorward.ValidDenialID(id) {
		e.Denial = id
	}
	if u, err := url.Parse(problem.Get("type").Text); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		e.Help = u.String()
	}
	e.Member, e.Scope = sentence(problem.Get("member").Text), sentence(problem.Get("scope").Text)
	if reason := sentence(problem.Get("ended").Text); reason != "" {
		at, _ := time.Parse(time.RFC3339, problem.Get("endedAt").Text) // else not known
		e.Ended = &doorward.SessionEnd{Reason: doorward.EndReason(reason), By: sentence(problem.Get("endedBy").Text), At: at}
	}
}

// guess finds the code of an answer that names none.
func (e *Error) guess(h http.Header) {
	switch e.Status {
	case http.StatusTooManyRequests:
		e.Code = doorward.RateLimited
		return
	case http.StatusServiceUnavailable:
		e.Code = doorward.Unavailable
		return
	}
	c, ok := bearerChallenge(h)
	if !ok {
		return
	}
	reason, _ := c.Param("error")
	e.Code = codeOfChallenge[reason]
	if text, ok := c.Param("error_description"); ok && e.Detail == "" {
		e.Detail = sentence(text)
	}
	if scope, ok := c.Param("scope"); ok && e.Scope == "" {
		e.Scope = sentence(scope)
	}
}

// peekJSON returns the value of a JSON body, and puts the body back.
func peekJSON(resp *http.Response) strictjson.Value {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") || resp.Body == nil {
		return strictjson.Value{}
	}
	start, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem+1))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), resp.Body), resp.Body}
	if err != nil || len(start) > maxProblem {
		return strictjson.Value{}
	}
	value, err := strictjson.Parse(start)
	if err != nil {
		return strictjson.Value{}
	}
	return value
}

func isCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// sentence takes from a stranger's text what could forge a line of a log.
func sentence(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}

// maxRetryAfter is the longest wait that is believed.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After (RFC 9110 §10.2.3). A date counts from the
// answer's own Date, not from the clock here, which may be wrong.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	then, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(0, then.Sub(now)), maxRetryAfter)
}
