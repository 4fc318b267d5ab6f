package tokensource_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/client/tokensource"
	"github.com/doorward/doorward/doorwardtest"
	"github.com/doorward/doorward/server"
)

func newSession(t *testing.T, auth *doorwardtest.Server) *client.Session {
	t.Helper()
	auth.Login(t, "alice")
	s, err := client.New(client.Config{Issuer: auth.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Login(t.Context(), "alice@example.com", doorwardtest.Password); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTokenSource(t *testing.T) {
	auth := doorwardtest.New(t)
	begin := time.Now()
	s := newSession(t, auth)
	source := tokensource.New(t.Context(), s)
	token, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	// 15 minutes, less the third in which it is renewed.
	if ahead := token.Expiry.Sub(begin); ahead < 10*time.Minute || ahead > 11*time.Minute || !token.Valid() {
		t.Errorf("to be asked for again after %s", ahead)
	}
	resp, err := oauth2.NewClient(t.Context(), source).Get(auth.URL + "/auth/me")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}

	if err := s.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next, err := source.Token(); err != nil || next.AccessToken == token.AccessToken {
		t.Errorf("the token of before the renewal, %v", err)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Token(); client.CodeOf(err) != doorward.RefreshTokenMissing {
		t.Errorf("%v, want REFRESH_TOKEN_MISSING", err)
	}
}

// Who keeps tokens until their Expiry asks in time for each to be renewed ahead.
func TestReused(t *testing.T) {
	auth := doorwardtest.New(t, func(cfg *server.Config) { cfg.AccessLife = 30 * time.Second })
	source := oauth2.ReuseTokenSourceWithExpiry(nil, tokensource.New(t.Context(), newSession(t, auth)), 0)
	one, err := source.Token()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := source.Token(); err != nil || two != one {
		t.Errorf("asked again within %s: %v", time.Until(one.Expiry), err)
	}
}

// stuck is a store that does not answer before the test is over.
type stuck struct {
	client.Store
	over <-chan struct{}
}

func (s stuck) Load(ctx context.Context) ([]byte, error) {
	<-s.over
	return nil, ctx.Err()
}

func TestContextEnds(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	s, err := client.New(client.Config{Issuer: "http://localhost:1", Store: stuck{client.Memory(), over}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tokensource.New(ctx, s).Token(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}
