package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/postgres"
	"github.com/doorward/doorward/sqlite"
)

// place is where a store is.
type place interface {
	fmt.Stringer  // as the setting has it, without a password
	name() string // for people
	// there reports whether a store was made there.
	there(context.Context) (bool, error)
	// create opens the store, making it and bringing its schema up to date where
	// that is due.
	create(context.Context) (auth.Store, error)
	// open opens a store that is there. It leaves the schema alone: an older server
	// may be running on it.
	open(context.Context) (auth.Store, error)
	// migrate brings the schema up to date. It returns the version it had, 0 where
	// there was no store, and the one it has.
	migrate(context.Context) (from, to int, err error)
}

// storePlace returns where the store setting says. What cannot be read is not
// repeated: it may hold a password.
func storePlace(cfg config.Config) (place, error) {
	where := cfg.Given("store")
	if where == "" {
		where = "--store"
	}
	scheme, rest, ok := strings.Cut(cfg.Store, ":")
	switch {
	case !ok:
		return nil, config.Faults{{Where: where, What: "a store is written sqlite:PATH or postgres://USER@HOST/DATABASE"}}
	case scheme == "postgres", scheme == "postgresql":
		return database(cfg.Store), nil
	case scheme != "sqlite":
		return nil, config.Faults{{Where: where, What: fmt.Sprintf("there is no store of the kind %q here; write sqlite:PATH or postgres://USER@HOST/DATABASE", scheme)}}
	case rest == "":
		return nil, config.Faults{{Where: where, What: "the path is missing: write sqlite:PATH"}}
	}
	return file(rest), nil
}

// storeFile is storePlace for what works on a file alone.
func storeFile(cfg config.Config) (file, error) {
	p, err := storePlace(cfg)
	if err != nil {
		return "", err
	}
	f, ok := p.(file)
	if !ok {
		return "", config.Faults{{Where: cfg.Given("store"), What: "this works with a store in a file alone: write sqlite:PATH"}}
	}
	return f, nil
}

// file is an SQLite file.
type file string

func (f file) String() string { return "sqlite:" + string(f) }

func (f file) name() string { return string(f) }

func (f file) there(context.Context) (bool, error) {
	_, err := os.Stat(string(f))
	return !errors.Is(err, fs.ErrNotExist), nil
}

func (f file) create(ctx context.Context) (auth.Store, error) {
	return opened(sqlite.Open(ctx, string(f)))
}

func (f file) open(ctx context.Context) (auth.Store, error) {
	return opened(sqlite.Open(ctx, string(f), sqlite.CheckOnly()))
}

func (f file) migrate(ctx context.Context) (from, to int, err error) {
	from, to = sqlite.Latest(), sqlite.Latest()
	store, err := sqlite.Open(ctx, string(f), sqlite.CheckOnly())
	if older, ok := errors.AsType[*sqlite.SchemaError](err); ok && older.Database < older.Program || errors.Is(err, fs.ErrNotExist) {
		from = 0
		if ok {
			from = older.Database
		}
		store, err = sqlite.Open(ctx, string(f))
	}
	if err != nil {
		return 0, 0, err
	}
	return from, to, store.Close()
}

// key is where the master key of the store is, unless it is given.
func (f file) key() string { return string(f) + ".key" }

// database is the URL of a PostgreSQL database.
type database string

func (d database) String() string {
	u, err := url.Parse(string(d))
	if err != nil {
		return "a PostgreSQL database"
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if name := u.User.Username(); name != "" {
		bare.User = url.User(name)
	}
	return bare.String()
}

func (d database) name() string { return d.String() }

// there takes a database that cannot be asked for one that is there: opening it
// will tell.
func (d database) there(ctx context.Context) (bool, error) {
	version, err := postgres.Version(ctx, string(d))
	return version > 0, err
}

func (d database) create(ctx context.Context) (auth.Store, error) {
	return opened(postgres.Open(ctx, string(d)))
}

func (d database) open(ctx context.Context) (auth.Store, error) {
	return opened(postgres.Open(ctx, string(d), postgres.CheckOnly(), postgres.Patience(0)))
}

func (d database) migrate(ctx context.Context) (from, to int, err error) {
	if from, err = postgres.Version(ctx, string(d)); err != nil {
		return 0, 0, err
	}
	store, err := postgres.Open(ctx, string(d))
	if err != nil {
		return 0, 0, err
	}
	return from, max(from, postgres.Latest()), store.Close()
}

// opened is for the nil in an interface that is none.
func opened[S auth.Store](store S, err error) (auth.Store, error) {
	if err != nil {
		return nil, err
	}
	return store, nil
}
