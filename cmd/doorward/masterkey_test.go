package main

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/postgres"
	"github.com/doorward/doorward/server"
)

// TestMixedFirstStart: of two servers that start at the same time on an empty
// database, one that is given a master key and one that is not, the first to make
// something starts, now and later, and the other one is told why it cannot.
func TestMixedFirstStart(t *testing.T) {
	for _, givenFirst := range []bool{false, true} {
		db, err := postgres.Open(t.Context(), pgtest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close() //nolint:errcheck // nothing hangs on it
		with := config.Config{MasterKey: secret.NewMasterKey()}
		log := slog.New(slog.DiscardHandler)
		start := func(key secret.MasterKey) error {
			s, err := server.New(t.Context(), server.Config{Store: db, MasterKey: key.Reveal(), Issuer: "https://auth.example.com", Log: log})
			if err == nil {
				s.Close()
			}
			return err
		}
		given, err := keptKey(t.Context(), with, db)
		if err != nil {
			t.Fatal(err)
		}
		if givenFirst {
			if err := start(given); err != nil {
				t.Fatal(err)
			}
		}
		made, err := keepKey(t.Context(), config.Config{}, nil, db, secret.MasterKey{}, log)
		if givenFirst {
			if err == nil {
				t.Error("a server without a key starts where another one has sealed the keys")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := start(given); !errors.Is(err, auth.ErrOtherMasterKey) {
			t.Errorf("with another key: %v", err)
		}
		for range 2 {
			if err := start(made); err != nil {
				t.Errorf("with the one that was made: %v", err)
			}
		}
	}
}
