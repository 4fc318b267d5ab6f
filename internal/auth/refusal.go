package auth

import (
	"strings"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/throttle"
)

// Cause is why a story refused. The edge has the one table from causes to
// public codes.
type Cause uint8

// The causes.
const (
	_ Cause = iota
	NoRefreshToken
	RefreshTokenForged
	SessionUnknown
	SessionOver
	AccessRevoked // the session of an access token that was genuine
	SessionIdledOut
	SessionAgedOut
	RefreshTokenSuperseded
	AccountInactive
	AccountSuspended
	CredentialsWrong
	APIKeyBad
	TooManyFailures
	HashingBusy
	InputBad
	NothingThere
	SignupOff
)

// Refusal is a story's "no". As an error it holds nothing but its private
// sentence, which names no secret; any other error of a story means that the
// machinery failed and that the answer is not known.
type Refusal struct {
	Cause   Cause
	Private doorward.Reason

	Member string // for InputBad: the member, and what is wrong with it
	Detail string

	RetryAfter time.Duration   // for TooManyFailures and HashingBusy
	Limit      *throttle.Limit // for TooManyFailures

	// Ended tells the holder of a genuine refresh token how its session ended.
	Ended *doorward.SessionEnd
}

func (r *Refusal) Error() string { return r.Private.Text }

func refuse(cause Cause, private doorward.Reason) *Refusal {
	return &Refusal{Cause: cause, Private: private}
}

func badInput(member, detail string) *Refusal {
	return &Refusal{Cause: InputBad, Member: member, Detail: detail}
}

// command writes a command for an operator to copy. An address may hold what a
// shell would act on.
func command(words, operand string) string {
	if strings.Trim(operand, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+-") != "" || operand == "" || operand[0] == '-' {
		operand = "'" + strings.ReplaceAll(operand, "'", `'\''`) + "'"
	}
	return "doorward " + words + " " + operand
}
