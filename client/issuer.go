package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/strictjson"
)

// issuer is the server that gives out the tokens.
type issuer struct {
	url     string
	client  *http.Client
	timeout time.Duration // of one request
	agent   string
}

// tokens are what a sign-in or a refresh is answered with.
type tokens struct {
	access  string
	refresh string // empty where the issuer does not rotate
	life    time.Duration
	user    User
}

func newIssuer(c Config) issuer {
	return issuer{
		url: c.Issuer, timeout: c.Timeout, agent: c.UserAgent,
		client: &http.Client{
			Transport: c.Transport,
			// A redirect would take the refresh token or the password along.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (i *issuer) login(ctx context.Context, email, password string) (tokens, error) {
	return i.tokens(ctx, "/auth/login", "", map[string]string{"email": email, "password": password})
}

func (i *issuer) refresh(ctx context.Context, token, key string) (tokens, error) {
	return i.tokens(ctx, "/auth/refresh", key, map[string]string{"refreshToken": token})
}

func (i *issuer) logout(ctx context.Context, path, token, key string) error {
	_, err := i.post(ctx, path, key, map[string]string{"refreshToken": token})
	return err
}

func (i *issuer) tokens(ctx context.Context, path, key string, in map[string]string) (tokens, error) {
	body, err := i.post(ctx, path, key, in)
	if err != nil {
		return tokens{}, err
	}
	t, ok := parseTokens(body)
	if !ok { // a gateway that wants to be paid, say
		return tokens{}, unavailable("what the issuer's address answered are no tokens", nil)
	}
	return t, nil
}

// maxAnswer bounds an answer of the issuer's, in bytes.
const maxAnswer = 64 << 10

// post asks the issuer and returns the body of an answer that is a success.
// Every other error is an *Error.
func (i *issuer) post(ctx context.Context, path, key string, in map[string]string) ([]byte, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, unavailable("the request could not be written", err)
	}
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url+path, bytes.NewReader(data))
	if err != nil {
		return nil, unavailable("the request could not be made", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, application/problem+json")
	if i.agent != "" {
		req.Header.Set("User-Agent", i.agent)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, unavailable("the issuer gave no answer", err)
	}
	defer resp.Body.Close()
	if e := ErrorFrom(resp); e != nil {
		return nil, e
	}
	if resp.StatusCode >= 300 {
		return nil, &Error{Status: resp.StatusCode, Detail: "the issuer's address redirects; name the one that it redirects to"}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, unavailable("the issuer's answer was cut short", err)
	}
	return body, nil
}

// maxLife is the longest life of an access token that is believed.
const maxLife = 365 * 24 * time.Hour

func parseTokens(body []byte) (tokens, bool) {
	in, err := strictjson.ParseObject(body)
	if err != nil || len(body) > maxAnswer {
		return tokens{}, false
	}
	user := in.Get("user")
	t := tokens{
		access: in.Get("accessToken").Text, refresh: in.Get("refreshToken").Text,
		user: User{ID: user.Get("id").Text, Email: user.Get("email").Text, Name: user.Get("name").Text},
	}
	if life := in.Get("expiresIn"); life.Kind != strictjson.Absent {
		seconds, ok := life.Int()
		if !ok || seconds <= 0 {
			return tokens{}, false
		}
		t.life = time.Duration(min(seconds, int64(maxLife/time.Second))) * time.Second
	}
	kind := in.Get("tokenType").Text
	ok := isToken(t.access) && (t.refresh == "" || isToken(t.refresh)) && (kind == "" || strings.EqualFold(kind, "Bearer"))
	return t, ok
}

// maxToken is the length of the longest token, in bytes.
const maxToken = 8 << 10

// isToken reports whether s can stand behind "Bearer " (RFC 6750 §2.1).
func isToken(s string) bool {
	rest := strings.TrimRight(s, "=")
	return rest != "" && len(s) <= maxToken && strings.IndexFunc(rest, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/", r))
	}) < 0
}

// denied reports whether a refresh was refused for good. Nothing else ends a
// session: not an answer of a proxy's, and not one that names no code.
func denied(e *Error) bool {
	switch e.Code {
	case doorward.RefreshTokenMissing, doorward.InvalidRefreshToken, doorward.RefreshTokenReused,
		doorward.UserInactive, doorward.AccountSuspended:
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	}
	return false
}
