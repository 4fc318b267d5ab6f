package server

import (
	"context"
	"errors"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/httpapi"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/verify"
)

// What follows hands the server's own keys, endings and store to its guard.

type ownKeys struct{ ring *auth.Keyring }

func (k ownKeys) Keys(ctx context.Context, kid string) (*verify.KeySet, error) {
	set := k.ring.Public()
	if _, ok := set.Key(kid); ok || kid == "" { // no key here is without a name
		return set, nil
	}
	if err := k.ring.Look(ctx); err != nil {
		return nil, err
	}
	return k.ring.Public(), nil
}

type ownEndings struct{ revoked *auth.Revoked }

func (e ownEndings) Revoked(id string) (*guard.Ending, error) {
	end, ended := e.revoked.Ended(id)
	if !ended {
		return nil, nil
	}
	return &guard.Ending{At: end.At, Reason: end.Reason, By: end.By}, nil
}

type ownStanding struct{ auth *auth.Auth }

// Introspect looks into the store. The guard has found an access token genuine
// and active before it asks.
func (s ownStanding) Introspect(ctx context.Context, credential string) (*doorward.Principal, error) {
	if apikey.Claims(credential) {
		k, err := s.auth.APIKey(ctx, credential)
		if refusal, ok := errors.AsType[*auth.Refusal](err); ok {
			return nil, &guard.Inactive{Text: refusal.Private.Text}
		} else if err != nil {
			return nil, err
		}
		return httpapi.KeyPrincipal(k), nil
	}
	claimed, err := verify.Unverified(credential)
	if err != nil {
		return nil, &guard.Inactive{Text: "it is no access token"}
	}
	of, err := ulid.Parse(claimed.Claims.Session)
	if err != nil {
		return nil, &guard.Inactive{Text: "sid is no identifier of this server"}
	}
	st, stands, err := s.auth.StandingNow(ctx, of)
	switch {
	case err != nil:
		return nil, err
	case !stands:
		return nil, &guard.Inactive{Text: "the store says that the session has ended, or that the account is out of use"}
	}
	return &doorward.Principal{Kind: doorward.KindUser, Subject: st.Session.User.String(), Session: of.String()}, nil
}
