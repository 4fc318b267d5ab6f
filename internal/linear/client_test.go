package linear

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/fleet"
)

// Faults on the way, each in so many of a thousand requests.
const (
	lost    = 50 // the answer, after the server was done
	doubled = 40 // the request, which comes again, now or a little later
	late    = 40 // the request
	cut     = 40 // the connection, at any time
)

// asker asks for one user, and has it recorded.
type asker struct {
	*recorder
	c       *cluster
	network string // where the user is, as the server sees it
}

// call is one request as it is to be sent.
type call struct {
	question question
	node     *fleet.Node
	method   string
	path     string
	body     map[string]string
	form     url.Values
	key      string
	token    string // an access token, or an API key
}

// reply is what a client gets to know.
type reply struct {
	answer  answer
	session int8
	refresh string
	access  string
	unsent  bool // nobody was there: nothing has happened
}

// ask sends a request on a network with faults. What the client gets to know
// may be less than what is recorded: an answer that was lost on the way was
// given all the same, and must be right.
func (a *asker) ask(rng *rand.Rand, client int, c call) reply {
	ctx := context.Background()
	switch n := rng.IntN(1000); {
	case n < lost:
		a.send(ctx, client, c)
		return reply{}
	case n < lost+doubled:
		again := make(chan struct{})
		wait := time.Duration(rng.IntN(20)) * time.Millisecond * time.Duration(rng.IntN(2))
		go func() {
			defer close(again)
			time.Sleep(wait) // on its way
			a.send(ctx, client+100, c)
		}()
		r := a.send(ctx, client, c)
		<-again
		return r
	case n < lost+doubled+late:
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond) // on its way
		return a.send(ctx, client, c)
	case n < lost+doubled+late+cut:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(4000))*time.Microsecond)
		defer cancel()
		return a.send(ctx, client, c)
	default:
		return a.send(ctx, client, c)
	}
}

// send sends a request once, and records it.
func (a *asker) send(ctx context.Context, client int, c call) reply {
	var body io.Reader
	kind := "application/json"
	if c.form != nil {
		body, kind = strings.NewReader(c.form.Encode()), "application/x-www-form-urlencoded"
	}
	if c.body != nil {
		data, err := json.Marshal(c.body)
		if err != nil {
			panic(err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, c.node.URL()+c.path, body)
	if err != nil {
		panic(err)
	}
	req.GetBody = nil // or it would be sent twice, unseen, because of its key
	req.Header.Set("X-Forwarded-For", a.network)
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if c.key != "" {
		req.Header.Set("Idempotency-Key", c.key)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	begin := time.Now()
	resp, err := a.c.web.Do(req)
	var data []byte
	if err == nil {
		data, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	end := time.Now()
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return reply{unsent: true}
		}
		a.add(client, c.question, answer{}, begin, end, nil)
		return reply{}
	}
	r, sids := a.read(c.question, resp.StatusCode, data)
	if c.question.verb == login && r.answer.said == granted {
		c.question.session = r.answer.session
	}
	a.add(client, c.question, r.answer, begin, end, sids)
	return r
}

// read turns an answer into what the rules speak of.
func (a *asker) read(q question, status int, data []byte) (r reply, sids []string) {
	var got struct {
		Code, AccessToken, RefreshToken string
		Sessions                        []struct{ SID string }
		Active                          *bool
	}
	if len(data) > 0 && q.verb != guarded {
		if err := json.Unmarshal(data, &got); err != nil {
			a.c.t.Errorf("%s: %d %q: %v", q, status, data, err)
		}
	} else if len(data) > 0 && status != http.StatusOK {
		_ = json.Unmarshal(data, &got)
	}
	codes := map[string]said{
		"INVALID_REFRESH_TOKEN": invalid, "REFRESH_TOKEN_REUSED": reused, "ACCOUNT_SUSPENDED": suspended,
		"INVALID_CREDENTIALS": credentials, "TOKEN_REVOKED": revoked,
		"TOKEN_EXPIRED": offClock, "TOKEN_NOT_ACTIVE": offClock,
	}
	switch {
	case status == http.StatusServiceUnavailable:
		return reply{}, nil
	case got.RefreshToken != "":
		r.session = a.session(claimsOf(got.AccessToken).SID)
		r.refresh, r.access = got.RefreshToken, got.AccessToken
		r.answer = answer{said: granted, session: r.session, token: a.token(got.RefreshToken)}
		if q.verb == refresh && r.session != q.session {
			a.c.t.Errorf("%s was answered with tokens of another session", q)
		}
	case got.Active != nil && !*got.Active:
		r.answer.said = inactive
	case status == http.StatusOK || status == http.StatusNoContent:
		r.answer.said = done
		for _, s := range got.Sessions {
			sids = append(sids, s.SID)
		}
	default:
		known, ok := codes[got.Code]
		if !ok {
			a.c.t.Errorf("%s: %d %s", q, status, data)
		}
		r.answer.said = known
	}
	return r, sids
}

// claims are what an access token says.
type claims struct {
	SID      string
	IAT, EXP int64
}

func claimsOf(token string) (c claims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		panic(fmt.Sprintf("an access token of %d parts", len(parts)))
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		panic(err)
	}
	return c
}
