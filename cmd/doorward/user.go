package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/internal/why"
)

func (a *app) userCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Look after people's accounts"}
	group(cmd)
	cmd.AddCommand(
		a.userAddCommand(), a.userListCommand(), a.userShowCommand(),
		a.userStateCommand("suspend", "Take an account out of use and end its sessions", "suspended; its sessions are ended",
			func(ctx context.Context, o operator, key string) (user.User, error) { return o.Suspend(ctx, key) }),
		a.userStateCommand("activate", "Let an account be used again", "active; its user can sign in",
			func(ctx context.Context, o operator, key string) (user.User, error) { return o.Activate(ctx, key) }),
		a.userStateCommand("deactivate", "Make an account inactive and end its sessions", "inactive; its sessions are ended",
			func(ctx context.Context, o operator, key string) (user.User, error) {
				return o.Deactivate(ctx, key, auth.ByOperator)
			}),
		a.userPasswordCommand(), a.userImportCommand(),
	)
	return cmd
}

// account is what is told of an account.
type account struct {
	ID          string    `json:"id"`
	Email       string    `json:"email"`
	Name        string    `json:"name"`
	State       string    `json:"state"`
	StateAt     time.Time `json:"stateAt"`
	StateBy     string    `json:"stateBy,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	HasPassword bool      `json:"hasPassword"`
	PasswordAt  time.Time `json:"passwordAt"`
}

func describeUser(u user.User) account {
	return account{
		ID: u.ID.String(), Email: u.Email, Name: u.Name, State: string(u.State), StateAt: u.StateAt.UTC(), StateBy: u.StateBy,
		CreatedAt: u.CreatedAt.UTC(), HasPassword: u.Password != "", PasswordAt: u.PasswordAt.UTC(),
	}
}

func (a *app) userAddCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Add an account; its password is read from standard input",
		Args:  exactly("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.newPassword()
			if err != nil {
				return err
			}
			return a.operateNew(cmd, func(ctx context.Context, o operator) error {
				u, err := o.AddUser(ctx, auth.SignupRequest{Email: args[0], Name: name, Password: password})
				if err != nil {
					return err
				}
				return a.tell(describeUser(u), func() { a.say("added %s (%s)", u.Email, u.ID) })
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the person is called: `NAME`")
	return a.facts(a.settings(cmd, "store", "password-length"))
}

func (a *app) userPasswordCommand() *cobra.Command {
	return a.settings(&cobra.Command{
		Use:   "password EMAIL",
		Short: "Set a password, read from standard input, and end all sessions",
		Args:  exactly("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := a.newPassword()
			if err != nil {
				return err
			}
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				u, err := o.account(ctx, args[0])
				if err != nil {
					return err
				}
				if err := o.ResetPassword(ctx, u.EmailKey, password); err != nil {
					return err
				}
				a.say("set the password of %s; all sessions are ended", u.Email)
				return nil
			})
		},
	}, "store", "password-length")
}

func (a *app) userStateCommand(verb, short, done string, act func(context.Context, operator, string) (user.User, error)) *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   verb + " EMAIL",
		Short: short,
		Args:  exactly("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				before, err := o.account(ctx, args[0])
				if err != nil {
					return err
				}
				u, err := act(ctx, o, before.EmailKey)
				if err != nil {
					return err
				}
				return a.tell(describeUser(u), func() {
					if before.State == u.State {
						a.say("%s is %s already, since %s", u.Email, u.State, why.Stamp(u.StateAt))
						return
					}
					a.say("%s is %s", u.Email, done)
				})
			})
		},
	}, "store"))
}

// usersPage is how many accounts are read at a time.
const usersPage = 500

func (a *app) userListCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "list",
		Short: "List all accounts",
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				all := []account{}
				rows := [][]string{{"EMAIL", "NAME", "STATE", "ADDED", "ID"}}
				for after, page := (ulid.ID{}), usersPage; page == usersPage; {
					var users []user.User
					err := o.store.View(ctx, func(tx auth.Tx) (err error) {
						users, err = tx.Users(after, usersPage)
						return err
					})
					if err != nil {
						return err
					}
					for _, u := range users {
						all = append(all, describeUser(u))
						rows = append(rows, []string{u.Email, u.Name, string(u.State), why.Stamp(u.CreatedAt), u.ID.String()})
						after = u.ID
					}
					page = len(users)
				}
				return a.tell(all, func() { a.table(rows) })
			})
		},
	}, "store"))
}

// recentEvents is how many events of an account are shown.
const recentEvents = 10

func (a *app) userShowCommand() *cobra.Command {
	return a.facts(a.settings(&cobra.Command{
		Use:   "show EMAIL",
		Short: "Show an account, its sessions and what happened lately",
		Args:  exactly("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				u, list, err := o.signIns(ctx, args[0])
				if err != nil {
					return err
				}
				happened := []why.Event{}
				err = o.store.View(ctx, func(tx auth.Tx) error {
					events, err := tx.Events(u.ID, ulid.ID{}, recentEvents)
					happened = happened[:0]
					for _, e := range events {
						happened = append(happened, why.Event{At: e.At().UTC(), Kind: string(e.Kind), By: e.By, Network: e.Network, Detail: e.Detail})
					}
					return err
				})
				if err != nil {
					return err
				}
				facts := struct {
					account
					Sessions []signIn    `json:"sessions"`
					Events   []why.Event `json:"events"`
				}{describeUser(u), list, happened}
				return a.tell(facts, func() { a.showUser(u, list, happened) })
			})
		},
	}, "store"))
}

func (a *app) showUser(u user.User, sessions []signIn, events []why.Event) {
	now := a.now()
	state := string(u.State) + " since " + why.Stamp(u.StateAt) + " (" + why.Ago(u.StateAt, now) + ")"
	if u.StateBy != "" {
		state += ", by the " + u.StateBy
	}
	password := "none: its user cannot sign in"
	if u.Password != "" {
		password = "set " + why.Ago(u.PasswordAt, now)
	}
	a.table([][]string{
		{"Email", u.Email},
		{"Name", u.Name},
		{"ID", u.ID.String()},
		{"State", state},
		{"Added", why.Stamp(u.CreatedAt) + " (" + why.Ago(u.CreatedAt, now) + ")"},
		{"Password", password},
		{"Sessions", strconv.Itoa(len(sessions))},
	})
	for _, s := range sessions {
		a.say("  %s  %s from %s, signed in %s, renewed %s", s.SID, s.Device, s.Network, why.Ago(s.StartedAt, now), why.Ago(s.RenewedAt, now))
	}
	if len(events) > 0 {
		a.say("Lately")
	}
	for _, e := range events {
		text := e.Kind
		if e.By != "" {
			text += " by the " + e.By
		}
		if e.Detail != "" {
			text += fmt.Sprintf(" (%s)", why.Printable(e.Detail))
		}
		a.say("  %s  %s", why.Stamp(e.At), text)
	}
}
