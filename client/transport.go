package client

import (
	"context"
	"io"
	"maps"
	"net/http"
	"time"
)

// Client returns an http.Client that calls through Transport.
func (s *Session) Client() *http.Client { return &http.Client{Transport: s.Transport()} }

// Transport returns what sends calls in the name of the session: it adds the
// token to those for the issuer and for Config.Origins, and mends what a
// renewal can mend. Calls for other origins, calls with an Authorization of
// their own, and those of the issuer's routes that take other credentials
// (login, refresh, logout, sign-up, resets) pass as they are.
//
// A call that cannot be made for want of a token fails with an [Error].
func (s *Session) Transport() http.RoundTripper { return transport{s} }

type transport struct{ session *Session }

// RoundTrip sends a call, twice at the most.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	s := t.session
	if r.URL == nil {
		return s.base.RoundTrip(r) // which says what is wrong
	}
	header := r.Header
	if header["Authorization"] != nil {
		if !strayed(r) {
			return s.base.RoundTrip(r)
		}
		header = maps.Clone(header)
		delete(header, "Authorization")
	}
	if !s.origins.takes(r.URL) {
		return s.send(r, header, r.Body)
	}
	g, err := s.usable(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	body, tape := r.Body, newTape(r)
	if tape != nil {
		body = tape
	}
	resp, err := s.send(r, authorized(header, g), body)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	return s.mend(r, header, g, tape, resp)
}

// String names the session and shows no token.
func (t transport) String() string { return t.session.String() }

// GoString is String.
func (t transport) GoString() string { return t.String() }

// CloseIdleConnections is for http.Client.CloseIdleConnections.
func (t transport) CloseIdleConnections() {
	if c, ok := t.session.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// send sends a copy of the request: a RoundTripper changes nothing of the
// caller's. The answer names the caller's request, which has no token in it.
func (s *Session) send(r *http.Request, header http.Header, body io.ReadCloser) (*http.Response, error) {
	out := r.WithContext(r.Context())
	out.Header, out.Body = header, body
	resp, err := s.base.RoundTrip(out)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

func authorized(header http.Header, g *grant) http.Header {
	out := make(http.Header, len(header)+1)
	maps.Copy(out, header)
	out["Authorization"] = g.header
	return out
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// maxDrain is how much of an answer that nobody wants is read, to keep its
// connection, in bytes.
const maxDrain = 64 << 10

// refusalWait is how long the body of a 401 may take. It may never end, and the
// status and the fields of the answer are there.
const refusalWait = 2 * time.Second

// hasten closes a body that takes too long, unless stopped before.
func hasten(body io.Closer) (stop func() bool) {
	return time.AfterFunc(refusalWait, func() { _ = body.Close() }).Stop
}

func discard(resp *http.Response) {
	defer hasten(resp.Body)()
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	_ = resp.Body.Close()
}

// mend sends a call again that was refused with a 401, if that can help. If
// not, the refusal is the caller's.
func (s *Session) mend(r *http.Request, header http.Header, g *grant, t *tape, resp *http.Response) (*http.Response, error) {
	ctx := r.Context()
	stop := hasten(resp.Body)
	why := ErrorFrom(resp)
	stop()
	next, err := s.remedy(ctx, why, resp.Header, g)
	if err == nil && next == nil {
		return resp, nil
	}
	discard(resp)
	if err != nil {
		return nil, err
	}
	body, err := again(ctx, r, t)
	if err != nil {
		why.Err = err
		return nil, why
	}
	return s.send(r, authorized(header, next), body)
}

// remedy returns the token to send a refused call with again, or neither a
// token nor an error if the refusal stands.
func (s *Session) remedy(ctx context.Context, why *Error, h http.Header, g *grant) (*grant, error) {
	switch judge(why, h) {
	case stand:
		return nil, nil
	case wait:
		if err := sleep(ctx, pauseFor(why), nil); err != nil {
			return nil, err
		}
		return s.sameUser(s.current.Load(), g), nil
	}
	now := s.current.Load()
	switch {
	case now == nil:
		return nil, nil // signed out meanwhile
	case now.token != g.token:
		return s.sameUser(now, g), nil // renewed meanwhile
	case s.justMended(g):
		return nil, nil
	}
	next, err := s.begin(g, false).wait(ctx)
	if err == nil && next.token == g.token { // that was the one by which g came
		next, err = s.begin(g, false).wait(ctx)
	}
	switch {
	case err == nil:
		s.noteMended(next)
		return s.sameUser(next, g), nil
	case s.current.Load() == nil:
		return nil, nil // the session is over: the refusal says so
	default:
		return nil, err
	}
}

// sameUser returns next, unless it is nobody's or somebody else's: what one user
// asked for is not done in the name of another.
func (s *Session) sameUser(next, g *grant) *grant {
	if next == nil || next.user.ID != g.user.ID {
		return nil
	}
	return next
}
