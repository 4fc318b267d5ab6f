package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/why"
)

func (a *app) apikeyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "apikey", Short: "Look after the keys of machines"}
	group(cmd)
	cmd.AddCommand(a.apikeyCreateCommand(), a.apikeyListCommand(), a.apikeyRevokeCommand())
	return cmd
}

// machineKey is what is told of an API key.
type machineKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	Standing  string     `json:"standing"` // good, expired, or revoked
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt"`  // null for never
	UsedAt    *time.Time `json:"lastUsedAt"` // to the hour or so; null for never
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
	RevokedBy string     `json:"revokedBy,omitempty"`
	Key       string     `json:"key,omitempty"` // when it is made, and never again
}

func describeAPIKey(k apikey.Key, now time.Time) machineKey {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return machineKey{
		ID: k.ID.String(), Name: k.Name, Scopes: k.Scopes, Standing: k.Judge(k.Hash, now).String(),
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: at(k.ExpiresAt), UsedAt: at(k.UsedAt),
		RevokedAt: at(k.End.At), RevokedBy: k.End.By,
	}
}

func (a *app) apikeyCreateCommand() *cobra.Command {
	var scopes []string
	var expires string
	cmd := &cobra.Command{
		Use:   "create NAME [--scope SCOPE]...",
		Short: "Make a key for a machine and print it, this once",
		Long: `Make an API key. It is printed on standard output, alone, and nobody can find it
out again: only its hash is stored.

Any key may follow the stream of revocations and introspect. A key that is made
with scopes of the server's own may do just what those say:
  doorward:revocations  follow GET /revocations: a guard in another program
  doorward:introspect   ask POST /auth/introspect: its API keys and strict routes
  doorward:denials      hand in the denials of other programs, which no other may
All other scopes are those that the routes of your programs ask for.`,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			life, err := keyLife(expires)
			if err != nil {
				return misused(cmd, "%v", err)
			}
			return a.operateNewOrDev(cmd, func(ctx context.Context, o operator) error {
				k, text, err := o.CreateAPIKey(ctx, args[0], scopes, life)
				if err != nil {
					return err
				}
				told := describeAPIKey(k, a.now())
				told.Key = text.Reveal()
				return a.tell(told, func() {
					a.say("%s", text.Reveal())
					end := "never expires"
					if life > 0 {
						end = "expires in " + config.FormatDuration(life)
					}
					may := "has no scope"
					if len(k.Scopes) > 0 {
						may = "may " + strings.Join(k.Scopes, " ")
					}
					fmt.Fprintf(a.err, "%s %s and %s; its id is %s\n", why.Printable(k.Name), may, end, k.ID)
				})
			})
		},
	}
	cmd.Flags().StringArrayVar(&scopes, "scope", nil, "what the key may do; once for each `SCOPE`")
	cmd.Flags().StringVar(&expires, "expires", config.FormatDuration(apikey.DefaultLife), "how long the key is good: a `DURATION` such as 90d, or never")
	return a.facts(a.settings(cmd, "store"))
}

// keyLife reads --expires; zero is never.
func keyLife(text string) (time.Duration, error) {
	if text == "never" {
		return 0, nil
	}
	d, err := config.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("--expires %q: write it like 90d, 12h or never", text)
	case d == 0 || d > apikey.MaxLife:
		return 0, fmt.Errorf("--expires %s: a key is good for some time, for %s at most, or never expires", text, config.FormatDuration(apikey.MaxLife))
	}
	return d, nil
}

func when(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	return why.Ago(*t, now)
}

func (a *app) apikeyListCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "list",
		Short: "List the API keys, those that are over too",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				all, err := o.APIKeys(ctx)
				if err != nil {
					return err
				}
				keys := make([]machineKey, 0, len(all))
				for _, k := range all {
					keys = append(keys, describeAPIKey(k, a.now()))
				}
				return a.tell(keys, func() { a.listAPIKeys(keys) })
			})
		},
	}, "store"))
}

func (a *app) listAPIKeys(keys []machineKey) {
	if len(keys) == 0 {
		a.say("there are no API keys")
		return
	}
	now := a.now()
	rows := [][]string{{"ID", "NAME", "STANDING", "LAST USED", "EXPIRES", "SCOPES"}}
	for _, k := range keys {
		standing := k.Standing
		if k.RevokedAt != nil {
			standing += " " + why.Ago(*k.RevokedAt, now)
		}
		rows = append(rows, []string{k.ID, why.Printable(k.Name), standing, when(k.UsedAt, now), when(k.ExpiresAt, now), strings.Join(k.Scopes, " ")})
	}
	a.table(rows)
}

func (a *app) apikeyRevokeCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "revoke {ID | NAME | KEY}",
		Short: "End an API key for good",
		Long: `End an API key. This server refuses it at once, and every guard that follows
GET /revocations within a second.`,
		Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				id, err := o.findAPIKey(ctx, args[0])
				if err != nil {
					return err
				}
				k, err := o.RevokeAPIKey(ctx, id)
				if err != nil {
					return err
				}
				return a.tell(describeAPIKey(k, a.now()), func() { a.say("revoked %s (%s)", why.Printable(k.Name), k.ID) })
			})
		},
	}, "store"))
}

// findAPIKey returns the id of a key that was named: by its id, by itself, or by
// its name, if only one that is not revoked has it.
func (o operator) findAPIKey(ctx context.Context, named string) (ulid.ID, error) {
	const hint = "doorward apikey list shows the keys"
	if id, err := ulid.Parse(named); err == nil {
		return id, nil
	}
	if id, _, err := apikey.Parse(named); err == nil {
		return id, nil // somebody found one that leaked
	}
	if apikey.Claims(named) { // not repeated: it may be a key but for a character
		return ulid.ID{}, &failure{text: "that is no whole API key", hint: hint}
	}
	all, err := o.APIKeys(ctx)
	if err != nil {
		return ulid.ID{}, err
	}
	var found []ulid.ID
	for _, k := range all {
		if k.Name == named && !k.Revoked() {
			found = append(found, k.ID)
		}
	}
	switch len(found) {
	case 0:
		return ulid.ID{}, &failure{text: fmt.Sprintf("there is no API key %q that is not revoked", named), hint: hint}
	case 1:
		return found[0], nil
	default:
		return ulid.ID{}, &failure{text: fmt.Sprintf("%d API keys have the name %q; give the id of one", len(found), named), hint: hint}
	}
}
