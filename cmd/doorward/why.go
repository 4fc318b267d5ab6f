package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/internal/why"
)

// listedDenials is how many are listed unless a number is given.
const listedDenials = 10

// denialsKept is how long a server remembers denials.
const denialsKept = 7 * 24 * time.Hour

func (a *app) whyCommand() *cobra.Command {
	var q struct {
		last, follow bool
		code, email  string
	}
	cmd := &cobra.Command{
		Use:   "why {DENIAL | --last [N] | --follow} [--code CODE] [--user EMAIL]",
		Short: "Tell the whole story of a refusal, or list the latest",
		Long: `Tell why a request was refused, by the id that its answer carries in the field
Doorward-Denial and in the member instance: dn_ and 26 characters.

With --last, --code or --user, list the latest refusals, the last one first.
With --follow, tell each one as it comes, until an interrupt; with --last too,
the latest before that.`,
		Args: atMost("DENIAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !q.last && !q.follow && q.code == "" && q.email == "" {
				if len(args) == 0 {
					return misused(cmd, "DENIAL is missing; --last lists the latest")
				}
				return a.whyOne(cmd, args[0])
			}
			if len(args) == 1 && doorward.ValidDenialID(args[0]) {
				return misused(cmd, "a denial is told by its id alone, without --last, --follow, --code and --user")
			}
			limit, err := listLimit(cmd, args)
			if err != nil {
				return err
			}
			if _, ok := doorward.Code(q.code).Info(); q.code != "" && !ok {
				return unknownCode(cmd, q.code)
			}
			return a.operate(cmd, func(ctx context.Context, o operator) error {
				query := auth.DenialQuery{Code: q.code, Limit: limit}
				if !q.follow {
					return a.whyList(ctx, o, query, q.email)
				}
				if !q.last && len(args) == 0 {
					limit = 0
				}
				return a.whyFollow(cmd, o, query, q.email, limit)
			})
		},
	}
	cmd.Flags().BoolVar(&q.last, "last", false, fmt.Sprintf("list the latest N refusals; without N: %d", listedDenials))
	cmd.Flags().BoolVar(&q.follow, "follow", false, "tell each refusal as it comes; with --json one object a line")
	cmd.Flags().StringVar(&q.code, "code", "", "list those with this `CODE`, such as TOKEN_EXPIRED")
	cmd.Flags().StringVar(&q.email, "user", "", "list those of the account with this `EMAIL`")
	return a.facts(a.settings(cmd, "store"))
}

func listLimit(cmd *cobra.Command, args []string) (int, error) {
	if len(args) == 0 {
		return listedDenials, nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return 0, misused(cmd, "how many to list is a number, not %q", args[0])
	}
	return n, nil
}

func unknownCode(cmd *cobra.Command, code string) error {
	var codes []string
	for _, info := range doorward.Codes() {
		codes = append(codes, string(info.Code))
	}
	if near := config.Nearest(strings.ToUpper(code), codes); near != "" {
		return misused(cmd, "there is no code %q; did you mean %s?", code, near)
	}
	return misused(cmd, "there is no code %q", code)
}

func (a *app) whyOne(cmd *cobra.Command, id string) error {
	if !doorward.ValidDenialID(id) {
		return misused(cmd, "%q is no id of a denial: those are dn_ and 26 characters, as in the field Doorward-Denial", id)
	}
	return a.operate(cmd, func(ctx context.Context, o operator) error {
		facts, err := auth.Why(ctx, o.store, id)
		if errors.Is(err, auth.ErrNotFound) {
			return a.noRecord(id, o.place)
		}
		if err != nil {
			return err
		}
		return a.tell(facts, func() { a.say("%s", strings.TrimSuffix(why.Story(facts, a.now()), "\n")) })
	})
}

// noRecord says what it can mean that nothing is known of a denial: its id
// tells when it was made.
func (a *app) noRecord(id string, store place) error {
	made, err := ulid.Parse(strings.TrimPrefix(id, "dn_"))
	if err != nil { // its form was checked
		return err
	}
	f := &failure{text: fmt.Sprintf("nothing is known of %s, which was answered %s, %s", id, why.Stamp(made.Time()), why.Ago(made.Time(), a.now()))}
	switch age := a.now().Sub(made.Time()); {
	case age > denialsKept:
		f.hint = "refusals are remembered for 7 days"
	case age < -time.Minute:
		f.hint = "that is still to come: it was made by a clock that is ahead, or made up"
	default:
		f.hint = "it may come from a server on another store than " + store.String() + " (name it with --store), from a guard\n" +
			"  in another program, which tells its own log, or from a server that was killed before it could write it down"
	}
	return f
}

// listed is what is told of a denial in a list.
type listed struct {
	why.Record
	Email string `json:"email,omitempty"` // of the account it concerns, if the store knows it
}

// request says what was asked for, and of whom where that was not the server.
func (d listed) request() string {
	text := d.Method + " " + d.Path
	if d.Key != "" {
		text += " at " + d.Node
	}
	return why.Printable(text)
}

func (a *app) whyList(ctx context.Context, o operator, q auth.DenialQuery, email string) error {
	if err := o.only(ctx, &q, email); err != nil {
		return err
	}
	list, err := o.denials(ctx, q)
	if err != nil {
		return err
	}
	return a.tell(list, func() { a.listDenials(list) })
}

// only narrows a query to the account with an address, if one is given.
func (o operator) only(ctx context.Context, q *auth.DenialQuery, email string) error {
	if email == "" {
		return nil
	}
	u, err := o.account(ctx, email)
	q.User = u.ID.String()
	return err
}

// denials returns what a query finds, each with the account it concerns.
func (o operator) denials(ctx context.Context, q auth.DenialQuery) ([]listed, error) {
	var list []listed
	err := o.store.View(ctx, func(tx auth.Tx) error {
		records, err := tx.Denials(q)
		if err != nil {
			return err
		}
		list = make([]listed, 0, len(records))
		for _, r := range records {
			u, err := subject(tx, r)
			if err != nil {
				return err
			}
			list = append(list, listed{r, u.Email})
		}
		return nil
	})
	return list, err
}

// subject returns the account that a denial concerns; the zero User where it
// concerns none, or one that is a mere word in a forged token.
func subject(tx auth.Tx, r why.Record) (user.User, error) {
	id, err := ulid.Parse(r.Private.User)
	if err != nil {
		return user.User{}, nil
	}
	u, err := tx.User(id)
	if errors.Is(err, auth.ErrNotFound) {
		return user.User{}, nil
	}
	return u, err
}

func (a *app) listDenials(list []listed) {
	if len(list) == 0 {
		a.say("nothing like that was refused in the last 7 days")
		return
	}
	rows := [][]string{{"DENIAL", "WHEN", "CODE", "REQUEST", "ACCOUNT", "CHECK"}}
	for _, d := range list {
		rows = append(rows, []string{
			d.ID, why.Ago(d.At, a.now()), string(d.Code),
			d.request(), d.Email, why.Printable(d.Private.Check),
		})
	}
	a.table(rows)
}
