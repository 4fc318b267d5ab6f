package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
)

// Every answer of the shared vectors is read for what it says, and its body is
// still there afterwards.
func TestErrorFromVectors(t *testing.T) {
	var vectors struct {
		Codes []struct {
			Code     doorward.Code
			Detail   string
			Recovery doorward.Recovery
		}
		Answers []struct {
			Name   string
			Denial struct {
				Code                      doorward.Code
				ID, Detail, Member, Scope string
				RetryAfter                int64
			}
			Wire    struct{ Issuer string }
			Status  int
			Headers map[string]string
			Body    string
		}
	}
	readVectors(t, &vectors)
	if len(vectors.Answers) < len(vectors.Codes) || len(vectors.Codes) < 20 {
		t.Fatalf("%d answers", len(vectors.Answers))
	}
	recovery, detail := map[doorward.Code]doorward.Recovery{}, map[doorward.Code]string{}
	for _, c := range vectors.Codes {
		recovery[c.Code], detail[c.Code] = c.Recovery, c.Detail
	}
	for _, v := range vectors.Answers {
		resp := &http.Response{StatusCode: v.Status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(v.Body))}
		for name, value := range v.Headers {
			resp.Header.Set(name, value)
		}
		want := client.Error{
			Code: v.Denial.Code, Status: v.Status, Denial: v.Denial.ID, Detail: v.Denial.Detail,
			Member: v.Denial.Member, Scope: v.Denial.Scope, Help: v.Wire.Issuer + "/errors/" + string(v.Denial.Code),
			RetryAfter: (time.Duration(v.Denial.RetryAfter)*time.Millisecond + time.Second - 1).Truncate(time.Second),
		}
		if want.Detail == "" {
			want.Detail = detail[v.Denial.Code]
		}
		got := client.ErrorFrom(resp)
		if *got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", v.Name, *got, want)
		}
		if got.Recovery() != recovery[v.Denial.Code] || got.Temporary() != (got.Recovery() == doorward.RecoverWait) {
			t.Errorf("%s: recovery %s, temporary: %v", v.Name, got.Recovery(), got.Temporary())
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != v.Body {
			t.Errorf("%s: the body became %q", v.Name, body)
		}
		wrapped := fmt.Errorf("calling: %w", got)
		if !errors.Is(wrapped, &client.Error{Code: want.Code}) || errors.Is(wrapped, &client.Error{Code: "OTHER"}) || client.CodeOf(wrapped) != want.Code {
			t.Errorf("%s: not found by its code", v.Name)
		}
	}
}

func TestErrorFromOtherAnswers(t *testing.T) {
	const date = "Mon, 01 Jun 2026 12:00:00 GMT"
	for name, c := range map[string]struct {
		status int
		fields map[string]string
		body   string
		want   client.Error
	}{
		"success":      {200, nil, "", client.Error{}},
		"nothing":      {404, nil, "", client.Error{Status: 404}},
		"the guide's":  {401, map[string]string{"Content-Type": "application/json"}, `{"error":"Unauthorized","message":"Token has expired","code":"TOKEN_EXPIRED"}`, client.Error{Status: 401, Code: "TOKEN_EXPIRED", Detail: "Token has expired"}},
		"challenge":    {401, map[string]string{"Www-Authenticate": `Bearer error="invalid_token", error_description="too old"`}, "", client.Error{Status: 401, Code: "TOKEN_INVALID", Detail: "too old"}},
		"scope":        {403, map[string]string{"Www-Authenticate": `Bearer error="insufficient_scope", scope="a b"`}, "", client.Error{Status: 403, Code: "INSUFFICIENT_SCOPE", Scope: "a b", Detail: "The request needs a scope that was not granted"}},
		"a date":       {503, map[string]string{"Retry-After": "Mon, 01 Jun 2026 12:00:30 GMT", "Date": date}, "", client.Error{Status: 503, Code: "UNAVAILABLE", Detail: "The service cannot answer this right now", RetryAfter: 30 * time.Second}},
		"a date alone": {500, map[string]string{"Retry-After": "Mon, 01 Jun 2026 12:00:30 GMT"}, "", client.Error{Status: 500}},
		"a past date":  {500, map[string]string{"Retry-After": "Mon, 01 Jun 2026 11:00:30 GMT", "Date": date}, "", client.Error{Status: 500}},
		"for ever":     {500, map[string]string{"Retry-After": "4000000000"}, "", client.Error{Status: 500, RetryAfter: 24 * time.Hour}},
		"less":         {500, map[string]string{"Retry-After": "-5"}, "", client.Error{Status: 500}},
		"not JSON":     {400, map[string]string{"Content-Type": "text/html"}, `{"code":"TOKEN_EXPIRED"}`, client.Error{Status: 400}},
		"no object":    {400, map[string]string{"Content-Type": "application/json"}, `["TOKEN_EXPIRED"]`, client.Error{Status: 400}},
		"no code":      {400, map[string]string{"Content-Type": "application/json"}, `{"code":"evil\ncode","detail":"two\nlines","instance":"x","type":"javascript:alert(1)"}`, client.Error{Status: 400, Detail: "two lines"}},
		"too long":     {400, map[string]string{"Content-Type": "application/json"}, `{"code":"X","detail":"` + strings.Repeat("x", 1<<16) + `"}`, client.Error{Status: 400}},
		"a long text":  {400, map[string]string{"Content-Type": "application/json"}, `{"code":"X","detail":"` + strings.Repeat("ä", 512) + `"}`, client.Error{Status: 400, Code: "X", Detail: strings.Repeat("ä", 256) + "…"}},
	} {
		resp := &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body))}
		for name, value := range c.fields {
			resp.Header.Set(name, value)
		}
		switch got := client.ErrorFrom(resp); {
		case got == nil && c.status < 400:
		case got == nil || *got != c.want:
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != c.body {
			t.Errorf("%s: the body became %.40q", name, body)
		}
	}
}

// The errors of a sign-in are of the same type.
func TestLoginErrors(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.session(t)
		_, err := s.Login(t.Context(), email, "wrong "+password)
		var e *client.Error
		if !errors.As(err, &e) || e.Code != doorward.InvalidCredentials || e.Status != 401 || !doorward.ValidDenialID(e.Denial) ||
			e.Help != issuerURL+"/errors/INVALID_CREDENTIALS" || e.Recovery() != doorward.RecoverAskAgain {
			t.Errorf("%+v", e)
		}
		for range 6 {
			_, err = s.Login(t.Context(), email, "wrong "+password)
		}
		if !errors.As(err, &e) || e.Code != doorward.RateLimited || e.RetryAfter <= 0 || !e.Temporary() {
			t.Errorf("%+v", e)
		}
		if _, err = s.Login(t.Context(), "", ""); !errors.As(err, &e) || e.Code != doorward.InvalidRequest || e.Member == "" {
			t.Errorf("%+v", e)
		}
		w.during(down)
		if _, err = s.Login(t.Context(), email, password); !errors.As(err, &e) || e.Code != doorward.Unavailable || !errors.Is(err, errNetwork) {
			t.Errorf("%+v", e)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), password) {
			t.Error("the error shows the password")
		}
		before := len(w.at("/auth/login"))
		w.during(answerLogin(`{"accessToken":"a","expiresIn":5}`))
		if _, err = s.Login(t.Context(), email, password); client.CodeOf(err) != doorward.Unavailable {
			t.Errorf("%v, want UNAVAILABLE where there is no refresh token", err)
		}
		if n := len(w.at("/auth/login")) - before; n != 1 {
			t.Errorf("a sign-in was tried %d times", n)
		}
	})
}

func answerLogin(body string) tamper {
	return func(*http.Request, func() *http.Response) (*http.Response, error) {
		out := httptest.NewRecorder()
		_, _ = out.WriteString(body)
		return out.Result(), nil
	}
}

func TestErrorFromTellsHowTheSessionEnded(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for body, want := range map[string]*doorward.SessionEnd{
		`{"code":"INVALID_REFRESH_TOKEN"}`: nil,
		`{"code":"INVALID_REFRESH_TOKEN","ended":"password","endedBy":"user","endedAt":"2026-11-23T12:00:00Z"}`: {
			Reason: doorward.EndedPassword, By: "user", At: at,
		},
		`{"code":"INVALID_REFRESH_TOKEN","ended":"idle","endedAt":"just now"}`: {Reason: doorward.EndedIdle},
		`{"code":"INVALID_REFRESH_TOKEN","ended":{"reason":"password"}}`:       nil,
	} {
		got := client.ErrorFrom(&http.Response{
			StatusCode: 403, Header: http.Header{"Content-Type": {"application/problem+json"}}, Body: io.NopCloser(strings.NewReader(body)),
		}).Ended
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
}
