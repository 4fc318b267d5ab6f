package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// endingsRow measures how long after a sign-out was answered another node still
// takes the session's access token, and how many sign-outs there can be.
func endingsRow(ctx context.Context, b *bench) (figures []figure, err error) {
	for _, make := range []func() (*database, error){
		func() (*database, error) { return b.newPostgresDatabase(ctx, b.accounts) },
		func() (*database, error) { return b.newDatabase(ctx, "endings", b.accounts) },
	} {
		db, err := make()
		if m := missing(""); errors.As(err, &m) {
			b.skip(m)
			continue
		} else if err != nil {
			return nil, err
		}
		of, err := b.endings(ctx, db)
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
	var known histogram
	err = b.signOuts(ctx, db, near, b.observed, func(token string, conns []*conn) error {
		took, err := refused(ctx, conns, token)
		known.add(took)
		return err
	}, far.address)
	if err != nil {
		return nil, err
	}
	rate, err := b.signOutRate(ctx, db, near)
	if err != nil {
		return nil, err
	}
	return []figure{
		single("an ending, until another node refuses: p50", "ms", micros(known.quantile(0.5))/1000),
		single("the same: p99", "ms", micros(known.quantile(0.99))/1000).atMost(50),
		single(fmt.Sprintf("sign-outs a second, %d clients", b.crowded), "", rate),
	}, nil
}

// signOuts signs in by the database and out at a node, one after the other, and
// lets see look at connections to other nodes as soon as that was answered.
func (b *bench) signOuts(ctx context.Context, db *database, at *child, times int, see func(string, []*conn) error, others ...string) error {
	sessions := db.newSessions(times)
	refresh, err := db.addSessions(ctx, sessions)
	if err != nil {
		return err
	}
	here, hangUp, err := dialAll(ctx, at.address, 1)
	if err != nil {
		return err
	}
	defer hangUp()
	var there []*conn
	for _, address := range others {
		conns, hangUp, err := dialAll(ctx, address, 1)
		if err != nil {
			return err
		}
		defer hangUp()
		there = append(there, conns...)
	}
	for i := range sessions {
		// An access token of the session, as any client has.
		body, err := here[0].exchange(refreshRequest(nil, "/auth/refresh", refresh[i]))
		if err != nil {
			return err
		}
		access, latest := member(body, "accessToken"), member(body, "refreshToken")
		for _, c := range there {
			if body, err := c.exchange(get("/guarded", access)); err != nil || expect(body, answer) != nil {
				return fmt.Errorf("another node does not take the token that is to end: %w", errors.Join(err, expect(body, answer)))
			}
		}
		// In no step with what nodes do by the clock.
		time.Sleep(rand.N(20 * time.Millisecond))
		if _, err := here[0].exchange(logoutRequest(latest)); err != nil {
			return err
		}
		if err := see(access, there); err != nil {
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

// refused asks until none of the nodes takes the token any more.
func refused(ctx context.Context, nodes []*conn, token string) (time.Duration, error) {
	begun := time.Now()
	request := get("/guarded", token)
	for _, c := range nodes {
		for {
			body, err := c.exchange(request)
			if err != nil {
				if strings.Contains(err.Error(), "TOKEN_REVOKED") {
					break
				}
				return 0, err
			}
			if err := expect(body, answer); err != nil {
				return 0, err
			}
			if ctx.Err() != nil || time.Since(begun) > noLonger {
				return 0, errors.Join(fmt.Errorf("a token was taken %s after its session had ended", noLonger), ctx.Err())
			}
		}
	}
	return time.Since(begun), nil
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

// sessionOf returns the sid of an access token.
func sessionOf(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("not an access token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return member(payload, "sid"), err
}
