package linear

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/doorward/doorward/internal/fleet"
)

// settle sees that every node refuses, in the end, the access tokens of all
// sessions that surely ended. It returns what is wrong, and the longest time
// that a token was taken after the end of its session had been acknowledged.
func (l *life) settle(h history) (wrong string, lag time.Duration) {
	for i := range l.sessions {
		s := l.sessions[i]
		ended, ok := h.acknowledged(s.number)
		if !ok {
			continue
		}
		for _, e := range h.events {
			if q := e.question; q.verb == guarded && q.session == s.number && e.answer.said == done && e.call > ended {
				lag = max(lag, e.call-ended)
			}
		}
		for _, n := range l.c.nodes {
			for begin := time.Now(); ; {
				sent := time.Now()
				taken, err := l.taken(n, s.access)
				if err == nil && !taken {
					break
				}
				if err == nil {
					lag = max(lag, sent.Sub(l.begin)-ended)
				}
				if time.Since(begin) > l.c.hearsay {
					return fmt.Sprintf("%s: %s still takes an access token of s%d, or gives no answer (%v), %s after its session ended", h.name, n.Name(), s.number, err, sent.Sub(l.begin)-ended), lag
				}
				pause(context.Background(), 5*time.Millisecond)
			}
		}
	}
	return "", lag
}

// acknowledged is when it was known to somebody that a session has ended.
func (h history) acknowledged(session int8) (at time.Duration, ok bool) {
	var begun time.Duration
	for _, e := range h.events {
		if e.question.verb == login && e.answer.said == granted && e.question.session == session {
			begun = e.ret
		}
	}
	for _, e := range h.events {
		s, ends := e.ends()
		ends = ends && s == session || e.question.verb == suspend && e.answer.said == done && e.call > begun
		if ends && (!ok || e.ret < at) {
			at, ok = e.ret, true
		}
	}
	return at, ok
}

// taken asks a node whether it takes an access token.
func (l *life) taken(n *fleet.Node, token string) (bool, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, n.URL()+fleet.Guarded, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := l.c.web.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var got struct{ Code string }
	switch resp.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusUnauthorized:
		err := json.NewDecoder(resp.Body).Decode(&got)
		if err == nil && got.Code == "TOKEN_NOT_ACTIVE" {
			err = fmt.Errorf("refused as %s", got.Code)
		}
		return false, err
	default:
		return false, fmt.Errorf("status %d", resp.StatusCode)
	}
}
