package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/doorward/doorward"
)

// maxIntrospection bounds the answer about one credential, in bytes.
const maxIntrospection = 64 << 10

// Introspect implements [Introspector]: it asks the server about an access token
// or an API key, by RFC 7662. It is one request, and one read of the server's
// store.
func (s *Stream) Introspect(ctx context.Context, credential string) (*doorward.Principal, error) {
	form := url.Values{"token": {credential}}.Encode()
	r, err := s.request(ctx, http.MethodPost, s.ask, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err // it names the URL, which has no secret
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		err := fmt.Errorf("introspection: %w %s", statusError(resp.StatusCode), publicDetail(resp.Body))
		if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
			// It is this guard's own key that was refused, not what it asked about.
			err = fmt.Errorf("%w; the guard's own API key needs the scope doorward:introspect, and must be neither revoked nor expired", err)
			if s.cfg.OnError != nil {
				s.cfg.OnError(err)
			}
		}
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxIntrospection+1))
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if len(data) > maxIntrospection {
		return nil, fmt.Errorf("introspection: the answer is longer than %d bytes", maxIntrospection)
	}
	return readIntrospection(data)
}

// readIntrospection reads the answer of RFC 7662 §2.2 as a Doorward server
// writes it.
func readIntrospection(data []byte) (*doorward.Principal, error) {
	var a struct {
		Active   *bool    `json:"active"`
		Kind     string   `json:"kind"`
		Subject  string   `json:"sub"`
		Audience []string `json:"aud"`
		Client   string   `json:"client_id"`
		Scope    string   `json:"scope"`
		Expires  int64    `json:"exp"`
		Issued   int64    `json:"iat"`
		ID       string   `json:"jti"`
		Session  string   `json:"sid"`
		AuthTime int64    `json:"auth_time"`
		Methods  []string `json:"amr"`
		Email    string   `json:"email"`
		Name     string   `json:"name"`
	}
	if err := json.Unmarshal(data, &a); err != nil || a.Active == nil {
		return nil, fmt.Errorf("introspection: the answer is not that of RFC 7662")
	}
	if !*a.Active {
		return nil, &Inactive{}
	}
	kind := doorward.Kind(a.Kind)
	if kind != doorward.KindUser && kind != doorward.KindKey || a.Subject == "" {
		return nil, fmt.Errorf("introspection: the answer does not say who it is")
	}
	return &doorward.Principal{
		Kind: kind, Subject: a.Subject, Session: a.Session, Client: a.Client, Scopes: strings.Fields(a.Scope),
		Email: a.Email, Name: a.Name, TokenID: a.ID, Methods: a.Methods, Audience: a.Audience,
		AuthTime: unix(a.AuthTime), IssuedAt: unix(a.Issued), ExpiresAt: unix(a.Expires),
	}, nil
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
