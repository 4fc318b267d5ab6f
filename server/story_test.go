package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/why"
)

// The scripts of the command tell the story of every code that they can make
// happen; here are those that take more.

// story tells of a denial, once the server has stopped.
func (h *house) story(t *testing.T, id string) string {
	t.Helper()
	h.close(t)
	store, err := openStore(t.Context(), h.place)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	facts, err := auth.Why(t.Context(), store, id)
	if err != nil {
		t.Fatal(err)
	}
	return why.Story(facts, h.now())
}

func wantLines(t *testing.T, story string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains(story, want) {
			t.Errorf("nothing says %q:\n%s", want, story)
		}
	}
}

func TestStoryOfAStoreOutOfReach(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	token := h.login(t, "ada@example.com").RefreshToken
	h.broken.down.Store(true)
	id := h.refusedAs(t, doorward.Unavailable, http.MethodPost, "/auth/refresh", nil, `{"refreshToken":"`+token+`"}`)
	h.broken.down.Store(false)
	wantLines(t, h.story(t, id), "UNAVAILABLE (503)",
		"Cause     the disk is out of reach", "Next      look at the store: its disk, its connection, its log",
		"The client waits as long as Retry-After says")
}

// TestStoryOfAFullQueue: more passwords come at once than can be hashed.
func TestStoryOfAFullQueue(t *testing.T) {
	h := newHouse(t, behindProxy)
	var mu sync.Mutex
	busy := ""
	for deadline := time.Now().Add(time.Minute); busy == "" && time.Now().Before(deadline); {
		var wg sync.WaitGroup
		for i := range 150 {
			wg.Go(func() {
				body := fmt.Sprintf(`{"email":"nobody%d@example.com","password":"wrong"}`, i)
				resp, _ := h.send(t, http.MethodPost, "/auth/login", []string{fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i)}, body)
				if resp.StatusCode == http.StatusServiceUnavailable {
					mu.Lock()
					defer mu.Unlock()
					busy = resp.Header.Get(doorward.DenialHeader)
				}
			})
		}
		wg.Wait()
	}
	if busy == "" {
		t.Fatal("the queue was never full")
	}
	wantLines(t, h.story(t, busy), "UNAVAILABLE (503)", "Check     hashing pool",
		"Cause     every place in the queue for password hashing is taken", "Next      wait; if it lasts, give the server more processors")
}

// TestStoryOfAFlood: of a denial that was only counted it is said that it was,
// and where to look.
func TestStoryOfAFlood(t *testing.T) {
	h := newHouse(t)
	last := ""
	for range 300 {
		last = h.refusedAs(t, doorward.TokenMissing, http.MethodGet, "/auth/me", nil, "")
	}
	story := h.story(t, last)
	wantLines(t, story, last, "Not kept by itself", " of TOKEN_MISSING in the minute from ", "doorward why --code TOKEN_MISSING --last 20")
	h.view(t, func(tx auth.Tx) error {
		kept, err := tx.Denials(auth.DenialQuery{Code: string(doorward.TokenMissing), Limit: 1000})
		if len(kept) < 200 || len(kept) == 300 {
			t.Errorf("%d were kept", len(kept))
		}
		return err
	})
}
