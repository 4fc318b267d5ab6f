package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
)

// addAPIKey inserts a key of its own.
func (h *house) addAPIKey() apikey.Key {
	h.Helper()
	at := h.id().Time().UTC()
	k, _ := apikey.Make("the reports, für Zoë 🦊", []string{"doorward:introspect", "reports:read"}, at, 90*24*time.Hour)
	h.update(func(tx auth.Tx) error { return tx.InsertAPIKey(k) })
	return k
}

func (h *house) apiKey(id ulid.ID) apikey.Key {
	h.Helper()
	return get(h, func(tx auth.Tx) (apikey.Key, error) { return tx.APIKey(id) })
}

func apiKeys(h *house) {
	full := h.addAPIKey()
	full.UsedAt, full.End = now.Add(time.Hour), apikey.End{At: now.Add(time.Hour + time.Millisecond), By: "operator"}
	full.ID = h.id()
	bare := apikey.Key{ID: h.id(), Name: "b", CreatedAt: now} // never expires, and has no scopes
	for _, k := range []apikey.Key{full, bare} {
		h.update(func(tx auth.Tx) error { return tx.InsertAPIKey(k) })
		same(h, "by id", h.apiKey(k.ID), k)
	}
	h.refuses(auth.ErrExists, func(tx auth.Tx) error { return tx.InsertAPIKey(bare) })
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.APIKey(h.id()); return err })

	var want []ulid.ID
	for range 5 {
		want = append(want, h.addAPIKey().ID)
	}
	list := func(after ulid.ID, limit int) []ulid.ID {
		return ids(get(h, func(tx auth.Tx) ([]apikey.Key, error) { return tx.APIKeys(after, limit) }), func(k apikey.Key) ulid.ID { return k.ID })
	}
	same(h, "after one", list(bare.ID, 100), want)
	same(h, "a page", list(want[0], 2), want[1:3])
	same(h, "all", len(list(ulid.ID{}, 100)), 8)
	same(h, "after the last", len(list(want[4], 100)), 0)
	same(h, "at most none", len(list(ulid.ID{}, 0)), 0)
}

func revokeAPIKey(h *house) {
	k, other := h.addAPIKey(), h.addAPIKey()
	end := apikey.End{At: now.Add(time.Millisecond), By: "operator"}
	revoke := func(id ulid.ID, end apikey.End) (revoked bool, err error) {
		err = h.store.Update(h.Context(), func(tx auth.Tx) error {
			revoked, err = tx.RevokeAPIKey(id, end)
			return err
		})
		return revoked, err
	}
	if revoked, err := revoke(k.ID, end); !revoked || err != nil {
		h.Errorf("the first: %v, %v", revoked, err)
	}
	if revoked, err := revoke(k.ID, apikey.End{At: now.Add(time.Hour), By: "server"}); revoked || err != nil {
		h.Errorf("again: %v, %v", revoked, err)
	}
	if revoked, err := revoke(other.ID, apikey.End{}); revoked || err == nil {
		h.Errorf("without a time: %v, %v", revoked, err)
	}
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { _, err := tx.RevokeAPIKey(h.id(), end); return err })
	k.End = end
	same(h, "the key", h.apiKey(k.ID), k)
	same(h, "the other", h.apiKey(other.ID), other)

	log := h.log(0, 10)
	for i := range log {
		log[i].Seq = 0
	}
	same(h, "the log", log, []auth.Revocation{{Kind: auth.RevokedAPIKey, Subject: k.ID.String(), At: end.At, By: "operator"}})
}

// revokeAPIKeyOnce: of many at once one revokes, and the log says it once.
func revokeAPIKeyOnce(h *house) {
	k := h.addAPIKey()
	stores := []auth.Store{h.plain, h.open()}
	var did atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var revoked bool
			err := stores[i%len(stores)].Update(h.Context(), func(tx auth.Tx) (err error) {
				revoked, err = tx.RevokeAPIKey(k.ID, apikey.End{At: now, By: "operator"})
				return err
			})
			if err != nil {
				h.Error(err)
			}
			if revoked {
				did.Add(1)
			}
		})
	}
	wg.Wait()
	same(h, "revoked", did.Load(), 1)
	same(h, "the log", subjects(h.log(0, 10)), []string{k.ID.String()})
}

func touchAPIKey(h *house) {
	k, other := h.addAPIKey(), h.addAPIKey()
	for _, at := range []time.Duration{time.Hour, 3 * time.Hour, 2 * time.Hour} {
		h.update(func(tx auth.Tx) error { return tx.TouchAPIKey(k.ID, now.Add(at)) })
	}
	h.refuses(auth.ErrNotFound, func(tx auth.Tx) error { return tx.TouchAPIKey(h.id(), now) })
	k.UsedAt = now.Add(3 * time.Hour)
	same(h, "the key", h.apiKey(k.ID), k)
	same(h, "the other", h.apiKey(other.ID), other)
	same(h, "the log", len(h.log(0, 10)), 0)
}
