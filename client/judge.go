package client

import (
	"net/http"
	"strings"
	"time"

	"github.com/doorward/doorward"
)

// verdict is what is to be done about a 401.
type verdict uint8

const (
	stand verdict = iota // nothing here can help: it is the caller's
	renew                // send it again with another token
	wait                 // send it again in a moment
)

// judge decides by the code, where the answer names one of the table, and else
// by the challenge. A bare 401, or one with a code of the API's own, is worth a
// renewal; a challenge for other credentials is not.
func judge(why *Error, h http.Header) verdict {
	if _, ok := why.Code.Info(); ok {
		return judgeCode(why.Code)
	}
	c, ok := bearerChallenge(h)
	if !ok {
		if len(h.Values("WWW-Authenticate")) > 0 {
			return stand
		}
		return renew
	}
	reason, _ := c.Param("error")
	if code, ok := codeOfChallenge[reason]; ok {
		return judgeCode(code)
	}
	return renew
}

func judgeCode(code doorward.Code) verdict {
	info, _ := code.Info()
	switch {
	case info.Recovery == doorward.RecoverRenew:
		return renew
	case info.Recovery == doorward.RecoverClock:
		return wait
	case info.Recovery == doorward.RecoverSignIn && info.Error == "invalid_token":
		// The service cannot read the token, or says that its session is over.
		// It may know less than the issuer: the refresh is the judge.
		return renew
	}
	return stand
}

// bearerChallenge returns the challenge that the token is to answer.
func bearerChallenge(h http.Header) (doorward.Challenge, bool) {
	all, _ := doorward.ParseChallenges(h.Values("WWW-Authenticate")) // those before an error count
	for _, c := range all {
		if strings.EqualFold(c.Scheme, "Bearer") {
			return c, true
		}
	}
	return doorward.Challenge{}, false
}

// codeOfChallenge gives each `error` of a Bearer challenge the code that says
// as much (RFC 6750 §3.1, RFC 9470 §3).
var codeOfChallenge = map[string]doorward.Code{
	"":                                 doorward.TokenMissing,
	"invalid_request":                  doorward.InvalidRequest,
	"invalid_token":                    doorward.TokenInvalid,
	"insufficient_scope":               doorward.InsufficientScope,
	"insufficient_user_authentication": doorward.StepUpRequired,
}

const (
	// A token that is not active yet is sent again after this, or after what
	// Retry-After says, but no later than longestPause.
	usualPause   = time.Second
	longestPause = 5 * time.Second

	// calm is how long a 401 causes no renewal if it is for a token that was
	// itself got because of a 401, or a quarter of that token's life if that is
	// less. A route that refuses everybody must not make a program renew with
	// each call.
	calm = 10 * time.Second
)

func pauseFor(why *Error) time.Duration {
	if why.RetryAfter > 0 {
		return min(why.RetryAfter, longestPause)
	}
	return usualPause
}

func (s *Session) noteMended(g *grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mended, s.mendedAt = g, s.now()
}

func (s *Session) justMended(g *grant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := calm
	if g.life > 0 {
		wait = min(wait, g.life/4)
	}
	return s.mended == g && s.now().Sub(s.mendedAt) < wait
}
