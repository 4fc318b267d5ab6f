package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/why"
	"github.com/doorward/doorward/postgres"
)

func (a *app) keyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Look after the server's keys"}
	group(cmd)
	cmd.AddCommand(a.keyListCommand(), a.keyRotateCommand(), a.keySealCommand(), a.keyForgetCommand())
	return cmd
}

// serverKey is what is told of a key.
type serverKey struct {
	ID        string    `json:"kid"`
	Use       string    `json:"use"`
	Algorithm string    `json:"alg"`
	Standing  string    `json:"standing"` // current, next, or previous
	CreatedAt time.Time `json:"createdAt"`
	ActiveAt  time.Time `json:"activeAt"`
}

func (a *app) keyListCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "list",
		Short: "List the keys that sign access tokens and authenticate refresh tokens",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				records, err := o.Keys().Stored(ctx)
				if err != nil {
					return err
				}
				keys := describeKeys(records, a.now())
				return a.tell(keys, func() { a.listKeys(keys) })
			})
		},
	}, "store"))
}

func describeKeys(records []signing.Record, now time.Time) []serverKey {
	keys := make([]serverKey, 0, len(records))
	for _, record := range records {
		standing := "previous"
		switch current, _ := signing.Current(records, record.Use, now); {
		case current.ID == record.ID:
			standing = "current"
		case record.ActiveAt.After(now):
			standing = "next"
		}
		keys = append(keys, serverKey{
			ID: record.ID, Use: string(record.Use), Algorithm: record.Algorithm, Standing: standing,
			CreatedAt: record.CreatedAt.UTC(), ActiveAt: record.ActiveAt.UTC(),
		})
	}
	return keys
}

func (a *app) listKeys(keys []serverKey) {
	if len(keys) == 0 {
		a.say("there are no keys yet: the server makes them when it starts")
		return
	}
	rows := [][]string{{"USE", "ALG", "STANDING", "SIGNS FROM", "", "KID"}}
	for _, k := range keys {
		rows = append(rows, []string{k.Use, k.Algorithm, k.Standing, why.Stamp(k.ActiveAt), why.Ago(k.ActiveAt, a.now()), k.ID})
	}
	a.table(rows)
}

func (a *app) keyRotateCommand() *cobra.Command {
	var use string
	var now bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key take the place of the current one",
		Long: `Make a new key. It is published at once and signs in an hour, when every verifier
knows it; what the current key signed stays good.

With --now it signs at once and all other keys of its use are removed, as is right
when one has leaked. What they signed is refused from then on: with --use access,
clients renew their tokens; with --use refresh, everybody signs in anew.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if use != string(signing.UseAccess) && use != string(signing.UseRefresh) {
				return misused(cmd, "--use is access or refresh, not %q", use)
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if cfg, err = a.locate(cmd.Context(), cfg); err != nil {
				return err
			}
			return a.operateOn(cmd.Context(), cfg, a.needKey, func(ctx context.Context, o operator) error {
				if err := o.Keys().Load(ctx); err != nil {
					return explainKey(cfg, err)
				}
				if err := o.Keys().Rotate(ctx, signing.Use(use), now); err != nil {
					return err
				}
				records, err := o.Keys().Stored(ctx)
				if err != nil {
					return err
				}
				keys := describeKeys(records, a.now())
				return a.tell(keys, func() { a.listKeys(keys) })
			})
		},
	}
	cmd.Flags().StringVar(&use, "use", string(signing.UseAccess), "the `USE` of the key: access or refresh")
	cmd.Flags().BoolVar(&now, "now", false, "sign with it at once and remove all others: one has leaked")
	return a.facts(a.settings(cmd, "store", "master-key", "master-key-file", "algorithm"))
}

// needKey returns the master key, which must be there.
func (a *app) needKey(ctx context.Context, cfg config.Config, store auth.Store) (secret.MasterKey, error) {
	p, err := storePlace(cfg)
	if err != nil {
		return secret.MasterKey{}, err
	}
	key, err := masterKey(ctx, cfg, p, store, a.logger(cfg))
	if err != nil || !key.IsZero() {
		return key, err
	}
	return key, &failure{
		text: "the master key is missing: " + whereKey(p),
		hint: "name where it is with --master-key-file; a store that no server has used yet has none",
	}
}

// keySealCommand takes the master key out of the database.
func (a *app) keySealCommand() *cobra.Command {
	return a.settings(&cobra.Command{
		Use:   "seal",
		Short: "Take the master key out of the database",
		Long: `Seal the keys anew under the master key that is given, and remove the one that the
servers on a PostgreSQL store have kept in it because they were given none. Then
start all of them again with the one that is given. Nobody is signed out.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if cfg, err = a.locate(cmd.Context(), cfg); err != nil {
				return err
			}
			if cfg.MasterKey.IsZero() {
				return misused(cmd, "give the master key to seal with: --master-key-file FILE")
			}
			given := func(context.Context, config.Config, auth.Store) (secret.MasterKey, error) { return cfg.MasterKey, nil }
			return a.operateOn(cmd.Context(), cfg, given, a.seal)
		},
	}, "store", "master-key", "master-key-file")
}

func (a *app) seal(ctx context.Context, o operator) error {
	var kept secret.MasterKey
	var err error
	if db, ok := o.store.(*postgres.Store); ok {
		if kept, err = db.MasterKey(ctx); err != nil {
			return err
		}
	}
	if kept.IsZero() {
		return &failure{text: "this store holds no master key: there is nothing to take out"}
	}
	n, err := o.Keys().Reseal(ctx, kept, postgres.ForgetMasterKey)
	if err != nil {
		return explainKey(o.cfg, err)
	}
	a.say("sealed %d keys anew and removed the master key from the database; start the servers again with the one that was given", n)
	return nil
}

// keyForgetCommand is the way out for whoever has lost the master key.
func (a *app) keyForgetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget --yes",
		Short: "Remove all keys, because the master key is lost",
		Long: `Remove all keys from the store. They are of no use without the master key that
sealed them; a server makes new ones when it starts. No token that was ever issued
is good then: everybody signs in anew. Accounts and passwords stay.`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return misused(cmd, "this signs everybody out; say --yes to do it")
			}
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				gone, err := o.Keys().Forget(ctx)
				if err != nil {
					return err
				}
				a.say("removed %d keys; start the server again, and it makes new ones", gone)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return a.settings(cmd, "store")
}
