package server_test

import (
	"testing"
	"time"

	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
)

// TestWrongMasterKey: who starts a server with another master key than the
// store's is refused and changes nothing, even when a new key is due.
func TestWrongMasterKey(t *testing.T) {
	for _, due := range []bool{false, true} {
		h := newHouse(t, func(c *server.Config) { c.KeyAge = 2 * time.Hour })
		h.close(t)
		if due {
			h.offset.Add(int64(90 * time.Minute))
		}
		try := func(master string) error {
			store, err := openStore(t.Context(), h.place)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			cfg := h.settings()
			cfg.Store, cfg.MasterKey = store, master
			s, err := server.New(t.Context(), cfg)
			if err == nil {
				s.Close()
			}
			return err
		}
		if err := try(secret.NewMasterKey().Reveal()); err == nil {
			t.Errorf("due %v: another master key is taken", due)
		}
		if err := try(h.master); err != nil {
			t.Errorf("due %v: the store no longer opens with its own master key: %v", due, err)
		}
	}
}
