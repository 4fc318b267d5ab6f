// Package why turns a refused request into a cause and a next step: how the
// story of a denial is told.
package why

import "github.com/doorward/doorward/internal/ledger"

// Record and Flood are what the ledger keeps and a story is made of.
type (
	Record = ledger.Record
	Flood  = ledger.Flood
)
