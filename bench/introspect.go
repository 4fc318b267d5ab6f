package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/doorward/doorward/internal/apikey"
)

// introspectRow measures what a route pays that cannot wait even a second: an
// introspection for each request, which reads the store, against a guard's own
// look at the token.
func introspectRow(ctx context.Context, b *bench) ([]figure, error) {
	return b.onEachStore(ctx, "introspect", func(db *database) (figures []figure, err error) {
		key, err := db.apiKey(ctx, apikey.ScopeIntrospect)
		if err != nil {
			return nil, err
		}
		s, err := b.doorwardStack(ctx, db)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		conns, hangUp, err := dialAll(ctx, s.address, b.crowded)
		if err != nil {
			return nil, err
		}
		defer hangUp()
		access, _, err := s.signIn(ctx, conns)
		if err != nil {
			return nil, err
		}
		askers := make([]caller, len(access))
		for i, token := range access {
			askers[i] = &asker{request: introspectRequest(key, token)}
		}
		closed := func(callers []caller) func() (sample, error) {
			return s.metered(func() (sample, error) { return closedLoop(ctx, conns, callers, b.round/2) })
		}
		turns, err := inTurns(b.rounds, closed(askers), closed(visitors("/guarded", access)), closed(askers[:1]))
		if err != nil {
			return nil, err
		}
		asked, guarded, alone := turns[0], turns[1], turns[2]
		return []figure{
			single("CPU of an introspection, database included", "µs", median(asked, sample.cpuEach)),
			single("the same without one: the guard's own look", "µs", median(guarded, sample.cpuEach)),
			single(fmt.Sprintf("introspections a second, %d clients", b.crowded), "", median(asked, sample.perSecond)),
			single("an introspection, 1 client: p50", "ms", median(alone, quantile(0.5))/1000),
			single("an introspection, 1 client: p99", "ms", median(alone, quantile(0.99))/1000),
		}, nil
	})
}

// asker introspects a token that is good.
type asker struct{ request []byte }

func (a *asker) next() []byte { return a.request }

func (a *asker) answered(body []byte) error {
	if !bytes.Contains(body, []byte(`"active":true`)) {
		return fmt.Errorf("a token that is good was introspected as %.60q", body)
	}
	return nil
}

// introspectRequest is that of RFC 7662 §2.1.
func introspectRequest(key, token string) []byte {
	body := "token=" + token
	return fmt.Appendf(nil, "POST /auth/introspect HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
}
