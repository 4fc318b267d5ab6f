// Package why turns a refused request into a cause and a next step. It holds
// what is remembered of a denial and how its story is told.
package why

import (
	"time"

	"github.com/doorward/doorward"
)

// Record is what is kept of one denial for the operator: the private side, and
// of the request what is no secret.
type Record struct {
	ID      string          `json:"id"`
	Code    doorward.Code   `json:"code"`
	Status  int             `json:"status"`
	At      time.Time       `json:"at"`
	Method  string          `json:"method"`
	Path    string          `json:"path"` // without the query, which may hold secrets
	Network string          `json:"network"`
	Agent   string          `json:"agent,omitempty"` // what the client calls itself, cut to 128 bytes
	Node    string          `json:"node,omitempty"`  // which server or guard refused
	Detail  string          `json:"detail"`          // the public sentence
	Private doorward.Reason `json:"private"`
}

// Flood counts the denials of one code in one minute that were not kept one by
// one.
type Flood struct {
	Minute time.Time     `json:"minute"`
	Code   doorward.Code `json:"code"`
	Count  int64         `json:"count"`
}
