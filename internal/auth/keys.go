package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/verify"
)

// boxPurpose is what the master key is used for here.
const boxPurpose = "keys"

// Keyring is the server's own keys, opened. It is read without a lock.
type Keyring struct {
	store    Store
	master   secret.MasterKey
	box      *secret.Box // nil without a master key
	policies []signing.Policy
	now      func() time.Time
	ring     atomic.Pointer[ring]

	// Whoever reads the keys puts them in force before the next one reads, or
	// an older set could come last.
	loading chan struct{} // with room for one
	stale   bool          // the stored keys may be others than those in force
	again   time.Time     // when they may be looked up for a token again
	failure error         // of the last such look
}

// ring is what the keys come to at one moment. It is never changed; when a key
// becomes active, another takes its place.
type ring struct {
	records []signing.Record
	opened  map[string]signing.Key

	signer  *signing.Signer
	refresh session.Keys
	public  *verify.KeySet
	until   time.Time // when another key becomes active; zero for never
}

func newKeyring(cfg Config) *Keyring {
	k := &Keyring{loading: make(chan struct{}, 1), store: cfg.Store, master: cfg.Master, now: cfg.Now, policies: []signing.Policy{cfg.Access, cfg.Refresh}}
	if !cfg.Master.IsZero() {
		k.box = secret.NewBox(cfg.Master, boxPurpose)
	}
	return k
}

var errNoMasterKey = errors.New("auth: the keys cannot be opened or made without the master key")

// ErrOtherMasterKey means that the store keeps a master key, and the one that
// was given is another.
var ErrOtherMasterKey = errors.New("auth: the store keeps another master key than the one given")

const (
	// lookPause is how long after the stored keys were looked up, because of a
	// token by a key that is not in force, they are not looked up for another:
	// strangers can make up any number.
	lookPause    = 100 * time.Millisecond
	failurePause = time.Second     // where they could not be read
	readLimit    = 2 * time.Second // for a look at the keys
)

// Public returns the keys to publish and to verify with: the same set until
// they change.
func (k *Keyring) Public() *verify.KeySet { return k.ring.Load().public }

// Stored returns all keys as they are stored, oldest first. It opens none.
func (k *Keyring) Stored(ctx context.Context) (records []signing.Record, err error) {
	err = k.store.View(ctx, func(tx Tx) (err error) {
		records, err = tx.Keys()
		return err
	})
	return records, err
}

// Sign returns an access token that says c, signed with the key that signs at
// now. It is a secret.
func (k *Keyring) Sign(c signing.Claims, now time.Time) (string, error) {
	return k.at(now).signer.Sign(c)
}

func (k *Keyring) refresh(now time.Time) session.Keys { return k.at(now).refresh }

// Look makes sure, for a token by a key that is not in force here, that there was
// no such key a moment ago: another node may just have made it. An error means
// that this cannot be known.
func (k *Keyring) Look(ctx context.Context) error {
	select {
	case k.loading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-k.loading }()
	if time.Now().Before(k.again) {
		return k.failure
	}
	// Others go by what this one finds, so it does not end with its request.
	pause := lookPause
	if k.failure = k.read(context.WithoutCancel(ctx)); k.failure != nil {
		pause = failurePause
	}
	k.again = time.Now().Add(pause)
	return k.failure
}

// at returns what the keys come to at now.
func (k *Keyring) at(now time.Time) *ring {
	r := k.ring.Load()
	if r.until.IsZero() || now.Before(r.until) {
		return r
	}
	next, err := newRing(r.records, r.opened, now)
	if err != nil {
		return r // all of its keys were fine before; the older signer still is
	}
	k.ring.CompareAndSwap(r, next)
	return next
}

// Load opens the keys and makes those that are missing.
func (k *Keyring) Load(ctx context.Context) error {
	if k.box == nil {
		return errNoMasterKey
	}
	if err := k.tend(ctx); err != nil {
		return err
	}
	if k.ring.Load() != nil {
		return nil
	}
	return k.reload(ctx)
}

// reload reads the keys anew. Until that succeeds they count as stale.
func (k *Keyring) reload(ctx context.Context) error {
	k.loading <- struct{}{}
	defer func() { <-k.loading }()
	k.stale = true
	return k.read(ctx)
}

// retry reads the keys anew if that failed before.
func (k *Keyring) retry(ctx context.Context) error {
	k.loading <- struct{}{}
	defer func() { <-k.loading }()
	if !k.stale {
		return nil
	}
	return k.read(ctx)
}

func (k *Keyring) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	records, err := k.Stored(ctx)
	if err != nil {
		return err
	}
	if k.knows(records) {
		k.stale = false
		return nil
	}
	opened := make(map[string]signing.Key, len(records))
	for _, record := range records {
		if opened[record.ID], err = signing.Open(record, k.box); err != nil {
			return err
		}
	}
	r, err := newRing(records, opened, k.now())
	if err == nil {
		k.ring.Store(r)
		k.stale = false
	}
	return err
}

// tend makes and removes keys as their policies have it.
func (k *Keyring) tend(ctx context.Context) error {
	records, err := k.Stored(ctx)
	if err != nil {
		return err
	}
	now := k.now()
	changed := false
	for _, policy := range k.policies {
		plan := policy.Plan(records, now)
		if !plan.Make && len(plan.Remove) == 0 {
			continue
		}
		changed = true
		still := func(records []signing.Record) bool { return policy.Plan(records, now).Make }
		if err := k.carryOut(ctx, policy, plan, still, byServer, now); err != nil {
			return err
		}
	}
	// A node that was cut off for longer than the log is kept has missed that
	// the keys are others now.
	if !changed && k.knows(records) {
		return nil
	}
	return k.reload(ctx)
}

// knows reports whether the keys in force are those that are stored.
func (k *Keyring) knows(records []signing.Record) bool {
	r := k.ring.Load()
	return r != nil && slices.EqualFunc(r.records, records, func(a, b signing.Record) bool { return a.ID == b.ID })
}

// whatever is for a plan that does not depend on what is stored.
func whatever([]signing.Record) bool { return true }

// carryOut writes what a plan says. It adds a key only if, by what is stored
// then, one still has to be made: of nodes that start together, one makes it. And
// only where its master key is that of the store: one more key, sealed under
// another, would leave nobody who can open them all.
func (k *Keyring) carryOut(ctx context.Context, policy signing.Policy, plan signing.Plan, still func([]signing.Record) bool, by string, now time.Time) error {
	var made signing.Record
	if plan.Make {
		var err error
		if made, _, err = signing.Make(policy.Use, policy.Algorithm, k.box, now, plan.ActiveAt); err != nil {
			return err
		}
	}
	return k.store.Update(ctx, func(tx Tx) error {
		records, err := tx.Keys()
		if err != nil {
			return err
		}
		if plan.Make && still(records) {
			kept, err := tx.MasterKey()
			if err != nil {
				return err
			}
			if !kept.IsZero() && kept.Reveal() != k.master.Reveal() {
				return ErrOtherMasterKey
			}
			for _, record := range records {
				if _, err := signing.Open(record, k.box); err != nil {
					return err
				}
			}
			if err := tx.InsertKey(made); err != nil {
				return err
			}
			text := fmt.Sprintf("%s %s, signs from %s", policy.Use, made.ID, made.ActiveAt.UTC().Format(time.RFC3339))
			if err := tx.InsertEvent(newEvent(event.KeyAdded, now, ulid.ID{}, ulid.ID{}, by, "", text)); err != nil {
				return err
			}
		}
		for _, id := range plan.Remove {
			// Another node may have removed it first.
			if err := tx.DeleteKey(id); errors.Is(err, ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			if err := tx.InsertEvent(newEvent(event.KeyRemoved, now, ulid.ID{}, ulid.ID{}, by, "", string(policy.Use)+" "+id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rotate makes a new key of a use on an operator's word. It signs after the
// policy's lead, in which verifiers learn it; with atOnce it signs now and all
// others are removed, as is right when one has leaked: what they signed is
// refused from then on.
func (k *Keyring) Rotate(ctx context.Context, use signing.Use, atOnce bool) error {
	if k.box == nil {
		return errNoMasterKey
	}
	for _, policy := range k.policies {
		if policy.Use != use {
			continue
		}
		now := k.now()
		plan := signing.Plan{Make: true, ActiveAt: now.Add(policy.Lead)}
		if atOnce {
			plan.ActiveAt = now
			var err error
			if plan.Remove, err = k.ids(ctx, use); err != nil {
				return err
			}
		}
		if err := k.carryOut(ctx, policy, plan, whatever, ByOperator, now); err != nil {
			return err
		}
		return k.reload(ctx)
	}
	return fmt.Errorf("auth: there are no keys for %q", use)
}

// Forget removes all keys on an operator's word, because the master key is
// lost: without it they are of no use. It returns how many there were. No token
// that was ever issued is good then.
func (k *Keyring) Forget(ctx context.Context) (int, error) {
	gone := 0
	for _, policy := range k.policies {
		ids, err := k.ids(ctx, policy.Use)
		if err == nil && len(ids) > 0 {
			err = k.carryOut(ctx, policy, signing.Plan{Remove: ids}, whatever, ByOperator, k.now())
		}
		if err != nil {
			return gone, err
		}
		gone += len(ids)
	}
	return gone, nil
}

// Reseal seals all keys anew, under another master key than the one that sealed
// them, and has then do in the same transaction what belongs to that. It returns
// how many there were.
func (k *Keyring) Reseal(ctx context.Context, from secret.MasterKey, then func(Tx) error) (n int, err error) {
	if k.box == nil {
		return 0, errNoMasterKey
	}
	old := secret.NewBox(from, boxPurpose)
	err = k.store.Update(ctx, func(tx Tx) error {
		records, err := tx.Keys()
		if err != nil {
			return err
		}
		n = len(records)
		for _, record := range records {
			sealed, err := signing.Reseal(record, old, k.box)
			if err != nil {
				return err
			}
			if err := errors.Join(tx.DeleteKey(record.ID), tx.InsertKey(sealed)); err != nil {
				return err
			}
		}
		return then(tx)
	})
	return n, err
}

// ids returns the ids of the stored keys of a use.
func (k *Keyring) ids(ctx context.Context, use signing.Use) (ids []string, err error) {
	records, err := k.Stored(ctx)
	for _, record := range records {
		if record.Use == use {
			ids = append(ids, record.ID)
		}
	}
	return ids, err
}

func newRing(records []signing.Record, opened map[string]signing.Key, now time.Time) (*ring, error) {
	r := &ring{records: records, opened: opened}
	var public []verify.Key
	for i, record := range signing.InForce(records, signing.UseAccess, now) {
		key := opened[record.ID]
		pub, err := key.Public()
		if err != nil {
			return nil, err
		}
		public = append(public, pub)
		if i > 0 {
			continue
		}
		if r.signer, err = signing.NewSigner(key); err != nil {
			return nil, err
		}
	}
	for _, record := range signing.InForce(records, signing.UseRefresh, now) {
		key, err := opened[record.ID].Secret()
		if err != nil {
			return nil, err
		}
		r.refresh = append(r.refresh, session.NewKey(key))
	}
	if r.signer == nil || len(r.refresh) == 0 {
		return nil, errors.New("auth: the store holds no keys")
	}
	set, err := verify.NewKeySet(public...)
	if err != nil {
		return nil, err
	}
	r.public = &set
	for _, record := range records {
		if record.ActiveAt.After(now) && (r.until.IsZero() || record.ActiveAt.Before(r.until)) {
			r.until = record.ActiveAt
		}
	}
	return r, nil
}
