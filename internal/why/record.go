// Package why turns a refused request into a cause and a next step: how the
// story of a denial is told.
package why

import "github.com/doorward/doorward/internal/ledger"

// Record is what the ledger keeps of one denial.
type Record = ledger.Record

// Flood is what the ledger keeps of denials that it only counted.
type Flood = ledger.Flood
