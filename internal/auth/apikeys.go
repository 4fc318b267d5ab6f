package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/ulid"
)

// CreateAPIKey makes an API key on an operator's word. Its text is returned this
// once; nobody can find it out again. With a life of zero it never expires.
func (a *Auth) CreateAPIKey(ctx context.Context, name string, scopes []string, life time.Duration) (apikey.Key, secret.Text, error) {
	now := a.now()
	scopes, err := apikey.CheckScopes(scopes)
	if err != nil {
		return apikey.Key{}, secret.Text{}, badInput("scope", err.Error())
	}
	if err := apikey.CheckName(name); err != nil {
		return apikey.Key{}, secret.Text{}, badInput("name", err.Error())
	}
	if life < 0 || life > apikey.MaxLife {
		return apikey.Key{}, secret.Text{}, badInput("life", "a key is good for some time, for 10 years at most, or never expires")
	}
	k, text := apikey.Make(name, scopes, now, life)
	err = a.store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertAPIKey(k); err != nil {
			return err
		}
		return tx.InsertEvent(newEvent(event.APIKeyAdded, now, ulid.ID{}, ulid.ID{}, ByOperator, "", k.ID.String()+" "+k.Name))
	})
	return k, text, err
}

// apiKeysPage is how many keys are read at a time.
const apiKeysPage = 500

// APIKeys returns all API keys, oldest first, those that are over too.
func (a *Auth) APIKeys(ctx context.Context) (all []apikey.Key, err error) {
	for {
		var after ulid.ID
		if len(all) > 0 {
			after = all[len(all)-1].ID
		}
		var page []apikey.Key
		err := a.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.APIKeys(after, apiKeysPage)
			return err
		})
		all = append(all, page...)
		if err != nil || len(page) < apiKeysPage {
			return all, err
		}
	}
}

// RevokeAPIKey ends an API key on an operator's word, durably, before it
// returns. It returns the key as it is then, and does nothing if it was revoked
// before.
func (a *Auth) RevokeAPIKey(ctx context.Context, id ulid.ID) (k apikey.Key, err error) {
	end := apikey.End{At: a.now().Truncate(time.Millisecond), By: ByOperator}
	var revoked bool
	err = a.store.Update(ctx, func(tx Tx) (err error) {
		if revoked, err = tx.RevokeAPIKey(id, end); err != nil {
			return err
		}
		if k, err = tx.APIKey(id); err != nil || !revoked {
			return err
		}
		return tx.InsertEvent(newEvent(event.APIKeyRevoked, end.At, ulid.ID{}, ulid.ID{}, end.By, "", k.ID.String()+" "+k.Name))
	})
	if errors.Is(err, ErrNotFound) {
		return k, refuse(NothingThere, doorward.Reason{Check: "apikey", Text: "there is no API key with this id"})
	}
	if err == nil && revoked {
		a.tell(Revocation{Kind: RevokedAPIKey, Subject: id.String(), At: end.At, By: end.By})
	}
	return k, err
}

// APIKey returns the key that a text is, if it is a good one, after one look
// into the store; else a [Refusal] that says to the operator what it is.
func (a *Auth) APIKey(ctx context.Context, text string) (apikey.Key, error) {
	id, hash, err := apikey.Parse(text)
	if err != nil {
		return apikey.Key{}, refuseAPIKey(text, ulid.ID{}, err.Error())
	}
	var k apikey.Key
	err = a.store.View(ctx, func(tx Tx) (err error) {
		k, err = tx.APIKey(id)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return apikey.Key{}, refuseAPIKey(text, id, "there is no API key with this id: it is of another server, or made up")
	} else if err != nil {
		return apikey.Key{}, err
	}
	now := a.now()
	switch verdict := k.Judge(hash, now); verdict {
	case apikey.Good:
		if k.Touch(now) {
			a.touched.add(k.ID, now)
		}
		return k, nil
	case apikey.Revoked:
		return apikey.Key{}, refuseAPIKey(text, id, fmt.Sprintf("the API key %q was revoked at %s by the %s", k.Name, k.End.At.UTC().Format(time.RFC3339), k.End.By))
	case apikey.Expired:
		r := refuseAPIKey(text, id, fmt.Sprintf("the API key %q expired at %s", k.Name, k.ExpiresAt.UTC().Format(time.RFC3339)))
		r.Private.By = now.Sub(k.ExpiresAt)
		return apikey.Key{}, r
	default:
		return apikey.Key{}, refuseAPIKey(text, id, "the id is that of an API key, and the secret behind it is another: somebody tries")
	}
}

func refuseAPIKey(text string, id ulid.ID, why string) *Refusal {
	ref := doorward.TokenRef{Fingerprint: secret.Fingerprint(text)}
	if !id.IsZero() {
		ref.ID = id.String()
	}
	return refuse(APIKeyBad, doorward.Reason{
		Check: "apikey", Text: why, Token: ref,
		Next: "see: doorward apikey list; a new key is made with: doorward apikey create",
	})
}

// StandingNow returns a session with its account as they are in the store at
// this moment, and false if the session has ended or the account is not active.
func (a *Auth) StandingNow(ctx context.Context, id ulid.ID) (Standing, bool, error) {
	st, err := a.store.ReadSession(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return st, false, nil
	} else if err != nil {
		return st, false, err
	}
	return st, a.cfg.Life.Stands(st.Session, st.State, a.now()), nil
}

// touchFlush is how often it is looked whether uses of API keys are to be written.
const touchFlush = time.Second

// touches are the uses of API keys that wait to be written, so that no request
// waits for that.
type touches struct {
	store Store
	mu    sync.Mutex
	used  map[ulid.ID]time.Time
}

func newTouches(s Store) *touches { return &touches{store: s, used: make(map[ulid.ID]time.Time)} }

func (t *touches) add(id ulid.ID, at time.Time) {
	t.mu.Lock()
	t.used[id] = at // there are no more of these than there are keys
	t.mu.Unlock()
}

func (t *touches) flush(ctx context.Context) error {
	t.mu.Lock()
	used := t.used
	t.used = make(map[ulid.ID]time.Time)
	t.mu.Unlock()
	if len(used) == 0 {
		return nil
	}
	err := t.store.Update(ctx, func(tx Tx) error {
		for id, at := range used {
			if err := tx.TouchAPIKey(id, at); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		maps.Copy(used, t.used) // the later ones stay
		t.used = used
	}
	return err
}
