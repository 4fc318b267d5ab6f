package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/internal/why"
)

func (a *app) sessionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "session", Short: "Look after sign-ins"}
	group(cmd)
	cmd.AddCommand(a.sessionListCommand(), a.sessionEndCommand())
	return cmd
}

// signIn is what is told of a session.
type signIn struct {
	SID       string    `json:"sid"`
	Device    string    `json:"device"`
	Network   string    `json:"network"`
	StartedAt time.Time `json:"startedAt"`
	RenewedAt time.Time `json:"renewedAt"`
	ExpiresAt time.Time `json:"expiresAt"` // unless it is renewed before
	Methods   []string  `json:"amr"`
}

func (o operator) describeSessions(all []session.Session) []signIn {
	life := session.Life{Idle: o.cfg.IdleLife, Absolute: o.cfg.AbsoluteLife}
	list := make([]signIn, 0, len(all))
	for _, s := range all {
		list = append(list, signIn{
			SID: s.ID.String(), Device: s.Device, Network: s.Network,
			StartedAt: s.CreatedAt.UTC(), RenewedAt: s.RotatedAt.UTC(), ExpiresAt: life.Expires(s).UTC(), Methods: s.Methods,
		})
	}
	return list
}

// signIns finds the account with an address and where it is signed in.
func (o operator) signIns(ctx context.Context, email string) (user.User, []signIn, error) {
	u, err := o.account(ctx, email)
	if err != nil {
		return u, nil, err
	}
	live, err := o.Sessions(ctx, u.ID)
	return u, o.describeSessions(live), err
}

func (a *app) sessionListCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "list EMAIL",
		Short: "List where an account is signed in",
		Args:  exactly("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				u, list, err := o.signIns(ctx, args[0])
				if err != nil {
					return err
				}
				return a.tell(list, func() { a.listSessions(u.Email, list) })
			})
		},
	}, "store", "idle-life", "absolute-life"))
}

func (a *app) listSessions(email string, list []signIn) {
	if len(list) == 0 {
		a.say("%s is signed in nowhere", email)
		return
	}
	now := a.now()
	rows := [][]string{{"SID", "DEVICE", "NETWORK", "SIGNED IN", "RENEWED", "RUNS OUT"}}
	for _, s := range list {
		rows = append(rows, []string{s.SID, s.Device, s.Network, why.Ago(s.StartedAt, now), why.Ago(s.RenewedAt, now), why.Ago(s.ExpiresAt, now)})
	}
	a.table(rows)
}

func (a *app) sessionEndCommand() *cobra.Command {
	var all string
	cmd := &cobra.Command{
		Use:   "end {SID | --all EMAIL}",
		Short: "End one session, or all of an account",
		Args:  atMost("SID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (all == "") == (len(args) == 0) {
				return misused(cmd, "give either a session's SID or --all EMAIL")
			}
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				ended, err := o.endSessions(ctx, args, all)
				if err != nil {
					return err
				}
				return a.tell(struct {
					Ended int `json:"ended"`
				}{ended}, func() {
					if ended == 1 {
						a.say("ended 1 session")
						return
					}
					a.say("ended %d sessions", ended)
				})
			})
		},
	}
	cmd.Flags().StringVar(&all, "all", "", "end all sessions of the account with this `EMAIL`")
	return a.facts(a.settings(cmd, "store"))
}

func (o operator) endSessions(ctx context.Context, sids []string, email string) (int, error) {
	if email != "" {
		u, err := o.account(ctx, email)
		if err != nil {
			return 0, err
		}
		return o.EndAll(ctx, u.EmailKey)
	}
	id, err := ulid.Parse(sids[0])
	if err != nil {
		return 0, &failure{text: "that is no session's SID", hint: "doorward session list EMAIL shows the sessions of an account"}
	}
	return 1, o.EndSession(ctx, ulid.ID{}, id, auth.Caller{})
}
