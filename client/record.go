package client

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/doorward/doorward"
)

// record is what a store keeps of a session.
type record struct {
	Version      int    `json:"v"`
	Issuer       string `json:"issuer"` // no other server is sent the refresh token
	Line         string `json:"line"`   // random; stays the same from sign-in to sign-out
	RefreshToken string `json:"refreshToken,omitempty"`
	Attempt      string `json:"attempt,omitempty"` // the Idempotency-Key of the refresh that is not settled
	AccessToken  string `json:"accessToken,omitempty"`
	IssuedAt     int64  `json:"issuedAt,omitempty"`  // Unix time in ms, by the clock of whoever asked for it
	ExpiresIn    int64  `json:"expiresIn,omitempty"` // seconds from then; 0 for unknown
	User         User   `json:"user"`

	Left  bool   `json:"left,omitempty"` // signed out here; the issuer has not confirmed it
	Ended *ended `json:"ended,omitempty"`
}

// ended is left of a session that was ended elsewhere: how, and no secret. All
// who share the store learn it from there.
type ended struct {
	Code   doorward.Code `json:"code"`
	Detail string        `json:"detail,omitempty"`
	Status int           `json:"status,omitempty"`
	Denial string        `json:"denial,omitempty"`
	Help   string        `json:"help,omitempty"`
}

const recordVersion = 1

var errRecord = errors.New("it is not a record of this version, or was cut short")

// parseRecord reads a record; none is the zero record.
func parseRecord(raw []byte) (record, error) {
	var r record
	if raw == nil {
		return r, nil
	}
	if err := json.Unmarshal(raw, &r); err != nil || r.Version != recordVersion || r.Line == "" {
		return record{}, errRecord // not err, which may repeat some of the text
	}
	if r.ExpiresIn < 0 || r.ExpiresIn > int64(maxLife/time.Second) {
		return record{}, errRecord
	}
	if r.Ended == nil && (!isToken(r.RefreshToken) || !isToken(r.AccessToken)) {
		return record{}, errRecord
	}
	return r, nil
}

func (r record) text() []byte {
	r.Version = recordVersion
	raw, err := json.Marshal(r)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return raw
}

// live reports whether the record is of a session that goes on at issuer.
func (r record) live(issuer string) bool {
	return r.RefreshToken != "" && r.Issuer == issuer && !r.Left && r.Ended == nil
}

// left reports whether the issuer has not confirmed a sign-out yet.
func (r record) left(issuer string) bool { return r.Left && r.Issuer == issuer }

// with returns the record after an answer that came in response to a request
// sent at the given time. What an issuer leaves out stays as it is.
func (r record) with(t tokens, sent time.Time) record {
	r.AccessToken, r.IssuedAt, r.ExpiresIn = t.access, sent.UnixMilli(), int64(t.life/time.Second)
	r.Attempt = ""
	if t.refresh != "" {
		r.RefreshToken = t.refresh
	}
	if t.user != (User{}) {
		r.User = t.user
	}
	return r
}

// over returns what is left of the record when its session was ended.
func (r record) over(e *Error) record {
	return record{Issuer: r.Issuer, Line: r.Line, User: r.User, Ended: &ended{e.Code, e.Detail, e.Status, e.Denial, e.Help}}
}

func (e *ended) error() *Error {
	return &Error{Code: e.Code, Detail: e.Detail, Status: e.Status, Denial: e.Denial, Help: e.Help}
}
