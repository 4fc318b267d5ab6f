// Package tokensource hands the tokens of a client.Session to libraries that
// take an oauth2.TokenSource, such as API clients that were generated and gRPC.
//
//	conn, err := grpc.NewClient(address, grpc.WithPerRPCCredentials(oauth.TokenSource{
//		TokenSource: tokensource.New(ctx, session),
//	}))
//
// A token source only hands out tokens ahead of a call: a call that is refused
// all the same is not mended. Where a library takes an http.Client or an
// http.RoundTripper, give it the session's own.
package tokensource

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/doorward/doorward/client"
)

// New returns the session's tokens. Waiting for a renewal ends with ctx, since
// Token takes none. An error is that of the session: a *client.Error, or the
// context's.
//
// A token's Expiry is when to ask for it again, which is when it is to be
// renewed; so it does no harm to keep it until then, as oauth2.NewClient and
// oauth2.ReuseTokenSource do.
func New(ctx context.Context, s *client.Session) oauth2.TokenSource { return source{ctx, s} }

type source struct {
	ctx     context.Context
	session *client.Session
}

func (s source) Token() (*oauth2.Token, error) {
	token, until, err := s.session.AccessToken(s.ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token, TokenType: "Bearer", Expiry: until}, nil
}
