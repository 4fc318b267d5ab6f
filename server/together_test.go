package server_test

import (
	"sync"
	"testing"

	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/signing"
	"github.com/doorward/doorward/server"
)

// TestNodesStartTogether: of nodes that begin on an empty store at the same
// moment, one makes the keys, and all have them. A token that one signs is good
// at the others at once.
func TestNodesStartTogether(t *testing.T) {
	place, key := emptyPlace(t), secret.NewMasterKey().Reveal()
	first, err := openStore(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Close() })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			store, err := openStore(t.Context(), place)
			if err != nil {
				t.Error(err)
				return
			}
			defer store.Close()
			srv, err := server.New(t.Context(), server.Config{Store: store, MasterKey: key, Issuer: "http://localhost:4010"})
			if err != nil {
				t.Error(err)
				return
			}
			srv.Close()
		})
	}
	wg.Wait()
	var keys []signing.Record
	err = first.View(t.Context(), func(tx auth.Tx) (err error) {
		keys, err = tx.Keys()
		return err
	})
	if err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v; want one for each use", len(keys), err)
	}
}
