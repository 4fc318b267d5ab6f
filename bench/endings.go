package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/apikey"
)

// onEachStore measures on a database of each kind, and says whose figures they
// are.
func (b *bench) onEachStore(ctx context.Context, name string, measure func(*database) ([]figure, error)) (figures []figure, err error) {
	for _, begin := range []func() (*database, error){
		func() (*database, error) { return b.newPostgresDatabase(ctx, b.accounts) },
		func() (*database, error) { return b.newDatabase(ctx, name, b.accounts) },
	} {
		db, err := begin()
		if m := missing(""); errors.As(err, &m) {
			b.skip(m)
			continue
		} else if err != nil {
			return nil, err
		}
		of, err := measure(db)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", db.kind, err)
		}
		for _, f := range of {
			f.Side = db.kind
			figures = append(figures, f)
		}
	}
	return figures, nil
}

// endingsRow measures how long after a sign-out was answered another node still
// takes the session's access token, when a guard that follows that node knows,
// and how many sign-outs there can be.
func endingsRow(ctx context.Context, b *bench) ([]figure, error) {
	return b.onEachStore(ctx, "endings", func(db *database) ([]figure, error) { return b.endings(ctx, db) })
}

// endings measures on two nodes that share a database.
func (b *bench) endings(ctx context.Context, db *database) (figures []figure, err error) {
	near, err := b.startServer(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, near.stop()) }()
	far, err := b.startServer(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, far.stop()) }()
	key, err := db.apiKey(ctx, apikey.ScopeRevocations)
	if err != nil {
		return nil, err
	}
	stream, err := guard.NewStream(ctx, guard.StreamConfig{Issuer: "http://" + far.address, APIKey: key})
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := stream.Ready(ctx); err != nil {
		return nil, err
	}
	var node, connected histogram
	err = b.signOuts(ctx, db, near, far, func(sid string, refuses func() (bool, error)) error {
		told := make(chan error, 1)
		begun := time.Now()
		go func() {
			took, err := until(ctx, begun, func() (bool, error) {
				time.Sleep(50 * time.Microsecond) // leave the processor to those that tell
				end, err := stream.Revoked(sid)
				return end != nil, err
			})
			connected.add(took)
			told <- err
		}()
		took, err := until(ctx, begun, refuses)
		node.add(took)
		return errors.Join(err, <-told)
	})
	if err != nil {
		return nil, err
	}
	rate, err := b.signOutRate(ctx, db, near)
	if err != nil {
		return nil, err
	}
	millis := func(h histogram, q float64) float64 { return micros(h.quantile(q)) / 1000 }
	return []figure{
		single("an ending, until another node refuses: p50", "ms", millis(node, 0.5)),
		single("an ending, until another node refuses: p99", "ms", millis(node, 0.99)).atMost(50),
		single("an ending, until a guard that follows it knows: p50", "ms", millis(connected, 0.5)),
		single("an ending, until a guard that follows it knows: p99", "ms", millis(connected, 0.99)).atMost(50),
		single(fmt.Sprintf("sign-outs a second, %d clients", b.crowded), "", rate),
	}, nil
}

// signOuts signs in by the database and out at one node, one after the other,
// and calls see as soon as that was answered, with the session and with what
// asks the other node.
func (b *bench) signOuts(ctx context.Context, db *database, near, far *child, see func(sid string, refuses func() (bool, error)) error) error {
	sessions := db.newSessions(b.observed)
	refresh, err := db.addSessions(ctx, sessions)
	if err != nil {
		return err
	}
	here, hangUp, err := dialAll(ctx, near.address, 1)
	if err != nil {
		return err
	}
	defer hangUp()
	there, hangUp, err := dialAll(ctx, far.address, 1)
	if err != nil {
		return err
	}
	defer hangUp()
	for i, s := range sessions {
		body, err := here[0].exchange(refreshRequest(nil, "/auth/refresh", refresh[i]))
		if err != nil {
			return err
		}
		latest, guarded := member(body, "refreshToken"), get("/guarded", member(body, "accessToken"))
		refuses := func() (bool, error) {
			body, err := there[0].exchange(guarded)
			if err != nil && strings.Contains(err.Error(), "TOKEN_REVOKED") {
				return true, nil
			} else if err != nil {
				return false, err
			}
			return false, expect(body, answer)
		}
		if already, err := refuses(); already || err != nil {
			return fmt.Errorf("a session that goes on is refused: %w", err)
		}
		time.Sleep(rand.N(20 * time.Millisecond)) // in no step with what nodes do by the clock
		if _, err := here[0].exchange(logoutRequest(latest)); err != nil {
			return err
		}
		if err := see(s.ID.String(), refuses); err != nil {
			return err
		}
	}
	return nil
}

func logoutRequest(refreshToken string) []byte {
	return post(nil, "/auth/logout", "", `{"refreshToken":"`+refreshToken+`"}`)
}

// noLonger is how long an ending may take before it counts as lost.
const noLonger = 10 * time.Second

// until asks again and again until the answer is yes, and returns when that was.
func until(ctx context.Context, begun time.Time, ask func() (bool, error)) (time.Duration, error) {
	for time.Since(begun) < noLonger && ctx.Err() == nil {
		if yes, err := ask(); yes || err != nil {
			return time.Since(begun), err
		}
	}
	return 0, errors.Join(fmt.Errorf("an ending was not known %s after it was answered", noLonger), ctx.Err())
}

// signOutRate ends as many sessions as go at a time.
func (b *bench) signOutRate(ctx context.Context, db *database, at *child) (float64, error) {
	refresh, err := db.addSessions(ctx, db.newSessions(b.observed*10))
	if err != nil {
		return 0, err
	}
	conns, hangUp, err := dialAll(ctx, at.address, b.crowded)
	if err != nil {
		return 0, err
	}
	defer hangUp()
	callers := make([]caller, b.crowded)
	for i := range callers {
		s := &series{}
		for j := i; j < len(refresh); j += len(callers) {
			s.requests = append(s.requests, logoutRequest(refresh[j]))
		}
		callers[i] = s
	}
	s, err := closedLoop(ctx, conns, callers, 0)
	return s.perSecond(), err
}
