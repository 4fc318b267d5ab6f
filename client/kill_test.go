package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/doorwardtest"
	"github.com/doorward/doorward/server"
)

// TestKilledPrograms kills programs that renew and sign in all the time, at
// random moments, two at once on one file, and lets the issuer's grace pass. No
// session ends: whatever was sent, its key was saved before, so that the next
// program gets the same answer.
func TestKilledPrograms(t *testing.T) {
	kills := 40
	if soak {
		kills = 1000
	}
	auth := doorwardtest.New(t, func(cfg *server.Config) { cfg.AccessLife = 5 * time.Second })
	path := filepath.Join(t.TempDir(), "session.json")
	s := signedIn(t, auth, func(cfg *client.Config) {
		cfg.Store = client.File(path)
		cfg.OnEnd = func(e *client.Error) { t.Errorf("ended: %v", e) }
	})
	renewals, logins, unsettled := 0, 0, 0
	for round := range kills / 2 {
		var both [2]*child
		for i := range both {
			both[i] = start(t, "renew", fmt.Sprintf(`{"path":%q,"issuer":%q,"logins":%v}`, path, auth.URL, round%4 == 3))
			both[i].line(t) // it has begun
		}
		// They say what they did, so a moment is a number of deeds and a part of one.
		deeds := rand.IntN(6)
		for range deeds {
			switch said := both[rand.IntN(2)].line(t); said {
			case "renewed":
				renewals++
			case "signed in":
				logins++
			default:
				t.Fatalf("a program said %q", said)
			}
		}
		moment := time.NewTimer(rand.N(8 * time.Millisecond))
		<-moment.C
		for _, c := range both {
			c.kill(t)
		}
		auth.Advance(time.Minute)
		if attemptIn(t, client.File(path)) != "" {
			unsettled++
		}
		if round%5 == 4 {
			if err := s.Renew(t.Context()); err != nil {
				t.Fatalf("after round %d: %v", round, err)
			}
			if resp := get(t, s.Client(), auth.URL+"/auth/me"); resp.StatusCode != http.StatusOK {
				t.Fatalf("after round %d: %d", round, resp.StatusCode)
			}
		}
	}
	t.Logf("%d programs killed, %d times with a refresh that was not settled; %d renewals and %d sign-ins said", kills, unsettled, renewals, logins)
	if unsettled == 0 {
		t.Error("no program was killed during a refresh")
	}
}

// renewChild renews until it is killed.
func renewChild(args []byte) error {
	var in struct {
		Path, Issuer string
		Logins       bool
	}
	if err := json.Unmarshal(args, &in); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := client.New(client.Config{
		Issuer: in.Issuer, Store: client.File(in.Path),
		OnEnd: func(e *client.Error) { fmt.Println("ended:", e) },
	})
	if err != nil {
		return err
	}
	fmt.Println("begun")
	for {
		if err := s.Renew(ctx); err != nil {
			fmt.Println(err)
			return err
		}
		fmt.Println("renewed")
		if in.Logins && rand.IntN(3) == 0 {
			if _, err := s.Login(ctx, "alice@example.com", doorwardtest.Password); err != nil {
				fmt.Println(err)
				return err
			}
			fmt.Println("signed in")
		}
	}
}
