package main

import "time"

// What Doorward does, by its contract.
const (
	accessLife = 15 * time.Minute
	renewAfter = 10 * time.Minute // clients renew when a third of the life is left, at most 5 minutes
	idleLife   = 7 * 24 * time.Hour
	remembered = 30 * time.Minute // an ending: the life of an access token, and 15 minutes for clocks that disagree
)

// What it costs, measured by `make bench` on two cores of an AMD EPYC; see
// docs/performance.md. Another machine has other figures, and hardly another
// ratio between them.
const (
	nodeCPU     = 75 * time.Microsecond // of a refresh, in a node
	databaseCPU = 30 * time.Microsecond // of a refresh, in PostgreSQL
	walBytes    = 330                   // of a refresh
	rowBytes    = 230                   // of a session, with its indexes
	eventBytes  = 170                   // of an ending, on the stream
	entryBytes  = 150                   // of an ending, in a guard's memory
	writeCPU    = 9 * time.Microsecond  // to send an event to one guard
	signInCPU   = 20 * time.Millisecond // of a login: a password hash
)

// busy is how much of a processor may be used at the peak of an ordinary day:
// the rest is for the day that is not, and for the node that is down.
const busy = 0.4
