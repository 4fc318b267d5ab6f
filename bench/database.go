package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/event"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/session"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/user"
	"github.com/doorward/doorward/postgres"
	"github.com/doorward/doorward/server"
	"github.com/doorward/doorward/sqlite"
	"github.com/doorward/doorward/verify"
)

const (
	issuer          = "http://127.0.0.1:4010"
	accountPassword = "correct horse battery staple"

	// boxPurpose is what package auth seals its keys for. Were it another one
	// there, no key would open here.
	boxPurpose = "keys"
)

// database is a store that is filled before a server starts on it.
type database struct {
	kind   string // a side
	path   string // on SQLite
	url    string // on PostgreSQL
	master secret.MasterKey
	keys   keys
	users  []user.User

	processes []int // that the store has beside the server's own
}

func accountEmail(i int) string { return fmt.Sprintf("person.%d@example.com", i) }

func (db *database) emails() []string {
	all := make([]string, len(db.users))
	for i, u := range db.users {
		all[i] = u.Email
	}
	return all
}

// keys are the server's own. With them the bench issues what a hundred thousand
// logins would, each of which takes a hash.
type keys struct {
	access  *signing.Signer
	public  verify.KeySet // to check what access signs
	refresh session.Keys
}

// newDatabase makes a store on SQLite with so many accounts.
func (b *bench) newDatabase(ctx context.Context, name string, accounts int) (*database, error) {
	db := newAccounts(accounts)
	db.kind, db.path = sideSQLite, filepath.Join(b.dir, name+".db")
	return db, db.begin(ctx)
}

// newAccounts returns accounts for a database, which all have one password.
func newAccounts(n int) *database {
	db := &database{master: secret.NewMasterKey()}
	// One hash for all: they are compared with one password only.
	hash := password.Hash(accountPassword, password.DefaultParams, secret.Random(password.SaltSize))
	now := time.Now().Truncate(time.Millisecond)
	for i := range n {
		email := accountEmail(i)
		db.users = append(db.users, user.User{
			ID: ulid.New(now), Email: email, EmailKey: email, Name: fmt.Sprintf("Person %d", i), State: user.Active, Password: hash,
			CreatedAt: now, PasswordAt: now, StateAt: now, StateBy: auth.ByOperator,
		})
	}
	return db
}

// begin fills a database that is new.
func (db *database) begin(ctx context.Context) error {
	return db.open(ctx, func(store auth.Store) error {
		if err := db.makeKeys(ctx, store); err != nil {
			return err
		}
		return insert(ctx, store, db.users, auth.Tx.InsertUser)
	})
}

// source names the store as openStore wants it.
func (db *database) source() string { return cmp.Or(db.url, db.path) }

// openStore opens the store at a URL, or the one in a file.
func openStore(ctx context.Context, source string) (auth.Store, error) {
	if strings.HasPrefix(source, "postgres://") {
		return postgres.Open(ctx, source)
	}
	return sqlite.Open(ctx, source)
}

func (db *database) open(ctx context.Context, fn func(auth.Store) error) error {
	store, err := openStore(ctx, db.source())
	if err != nil {
		return err
	}
	return errors.Join(fn(store), store.Close())
}

// makeKeys lets the server make its keys and opens them.
func (db *database) makeKeys(ctx context.Context, store auth.Store) error {
	stories, done, err := server.Operate(ctx, server.Config{Store: store, MasterKey: db.master.Reveal(), Issuer: issuer})
	if err != nil {
		return err
	}
	defer done()
	if err := stories.Keys().Load(ctx); err != nil {
		return err
	}
	records, err := stories.Keys().Stored(ctx)
	if err != nil {
		return err
	}
	box := secret.NewBox(db.master, boxPurpose)
	for _, record := range records {
		key, err := signing.Open(record, box)
		if err == nil {
			err = db.keys.add(key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apiKey makes an API key with a scope.
func (db *database) apiKey(ctx context.Context, scope string) (text string, err error) {
	err = db.open(ctx, func(store auth.Store) error {
		stories, done, err := server.Operate(ctx, server.Config{Store: store, MasterKey: db.master.Reveal(), Issuer: issuer})
		if err != nil {
			return err
		}
		defer done()
		_, key, err := stories.CreateAPIKey(ctx, "bench", []string{scope}, time.Hour)
		text = key.Reveal()
		return err
	})
	return text, err
}

func (k *keys) add(key signing.Key) (err error) {
	if key.Use == signing.UseRefresh {
		var s [32]byte
		s, err = key.Secret()
		k.refresh = append(k.refresh, session.NewKey(s))
		return err
	}
	if k.access, err = signing.NewSigner(key); err != nil {
		return err
	}
	public, err := key.Public()
	if err != nil {
		return err
	}
	k.public, err = verify.NewKeySet(public)
	return err
}

// insert adds rows, a thousand in a transaction.
func insert[T any](ctx context.Context, store auth.Store, all []T, one func(auth.Tx, T) error) error {
	for some := range slices.Chunk(all, 1000) {
		err := store.Update(ctx, func(tx auth.Tx) error {
			for _, v := range some {
				if err := one(tx, v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// devices are as a login notes them, of usual lengths.
var devices = []string{"Firefox on Linux", "Chrome on Windows", "Safari on iPhone", "Chrome on Android", "Safari on macOS", "Edge on Windows"}

// newSessions returns sessions that began one after the other, each of an
// account by chance, as a login starts them.
func (db *database) newSessions(n int) []session.Session {
	begun := time.Now().Add(-time.Duration(n) * time.Millisecond)
	sessions := make([]session.Session, n)
	for i := range sessions {
		at := begun.Add(time.Duration(i) * time.Millisecond)
		owner := db.users[rand.IntN(len(db.users))].ID
		network := fmt.Sprintf("198.51.%d.%d/32", rand.IntN(256), rand.IntN(256))
		sessions[i] = session.Start(ulid.New(at), owner, []string{"pwd"}, devices[i%len(devices)], network, at)
	}
	return sessions
}

// started is the event that a login leaves behind beside its session.
func started(tx auth.Tx, s session.Session) error {
	return tx.InsertEvent(event.Event{
		ID: ulid.New(s.CreatedAt), Kind: event.SessionStarted, User: s.User, Session: s.ID,
		By: auth.ByUser, Network: s.Network, Detail: s.Device,
	})
}

// addSessions inserts sessions and returns the first refresh token of each.
func (db *database) addSessions(ctx context.Context, sessions []session.Session) ([]string, error) {
	tokens := make([]string, len(sessions))
	for i, s := range sessions {
		tokens[i] = db.keys.refresh.Issue(session.First(s.ID))
	}
	if db.url != "" {
		return tokens, db.copySessions(ctx, sessions)
	}
	return tokens, db.open(ctx, func(store auth.Store) error {
		return insert(ctx, store, sessions, auth.Tx.InsertSession)
	})
}

// accessTokens returns access tokens as logins issue them, no two alike.
func (db *database) accessTokens(n int) ([]string, error) {
	now := time.Now()
	tokens := make([]string, n)
	for i := range tokens {
		owner := db.users[i%len(db.users)]
		var err error
		tokens[i], err = db.keys.access.Sign(signing.Claims{
			Issuer: issuer, Subject: owner.ID.String(), Audience: []string{issuer},
			IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute),
			ID: ulid.New(now).String(), Session: ulid.New(now).String(), Client: "doorward",
			AuthTime: now, Methods: []string{"pwd"}, Email: owner.Email, Name: owner.Name,
		})
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// size returns the bytes that the closed store takes on the disk. Closing wrote
// everything from the log into the file; what is left of a log counts too.
func (db *database) size() (int64, error) {
	var sum int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(db.path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += info.Size()
	}
	return sum, nil
}
