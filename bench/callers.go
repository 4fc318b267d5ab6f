package main

import (
	"bytes"
	"errors"
	"fmt"
)

// refresher refreshes sessions, one after the other and round again, each with
// the token that it got last and a key of its own, as clients do.
type refresher struct {
	tokens  []string // the latest of each session
	turn    int
	left    int // how many more; less than zero means without end
	request []byte
}

// refreshers deals sessions out to so many callers, each of which refreshes so
// often. A session belongs to one caller: a client never refreshes twice at once.
func refreshers(tokens []string, callers, times int) []caller {
	callers = min(callers, len(tokens))
	all := make([]caller, callers)
	for i := range all {
		r := &refresher{left: times}
		for j := i; j < len(tokens); j += callers {
			r.tokens = append(r.tokens, tokens[j])
		}
		all[i] = r
	}
	return all
}

func (r *refresher) next() []byte {
	if r.left == 0 {
		return nil
	}
	r.left--
	r.request = refreshRequest(r.request[:0], "/auth/refresh", r.tokens[r.turn])
	return r.request
}

// refreshRequest appends the request of a client that has a refresh token.
func refreshRequest(b []byte, path, token string) []byte {
	key := "Idempotency-Key: " + token[len(token)-22:] + "\r\n" // as random as the token's MAC
	return post(b, path, key, `{"refreshToken":"`+token+`"}`)
}

func (r *refresher) answered(body []byte) error {
	token := member(body, "refreshToken")
	if token == "" || token == r.tokens[r.turn] || !bytes.Contains(body, []byte(`"accessToken":"ey`)) {
		return errors.New("the answer to a refresh holds no new tokens")
	}
	r.tokens[r.turn] = token
	r.turn = (r.turn + 1) % len(r.tokens)
	return nil
}

// entrant signs in to accounts, one after the other and round again.
type entrant struct {
	requests [][]byte
	turn     int
}

// entrants deals accounts out to so many callers.
func entrants(emails []string, callers int) []caller {
	all := make([]caller, callers)
	for i := range all {
		e := &entrant{}
		for j := i; j < len(emails); j += callers {
			e.requests = append(e.requests, loginRequest(emails[j]))
		}
		all[i] = e
	}
	return all
}

func loginRequest(email string) []byte {
	return post(nil, "/auth/login", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, accountPassword))
}

func (e *entrant) next() []byte {
	e.turn = (e.turn + 1) % len(e.requests)
	return e.requests[e.turn]
}

func (e *entrant) answered(body []byte) error {
	if !bytes.Contains(body, []byte(`"accessToken":"ey`)) {
		return errors.New("the answer to a login holds no token")
	}
	return nil
}

// visitors ask for a path, each with a token of its own.
func visitors(path string, tokens []string) []caller {
	all := make([]caller, len(tokens))
	for i, token := range tokens {
		all[i] = &same{request: get(path, token), body: answer}
	}
	return all
}

// strangers ask for the guarded path with so many new tokens in all, each once.
func strangers(db *database, callers, tokens int) ([]caller, error) {
	fresh, err := db.accessTokens(tokens)
	if err != nil {
		return nil, err
	}
	all := make([]caller, callers)
	for i := range all {
		s := &series{body: answer}
		for j := i; j < tokens; j += callers {
			s.requests = append(s.requests, get("/guarded", fresh[j]))
		}
		all[i] = s
	}
	return all, nil
}
