package main

import "time"

// What Doorward does, by its contract.
const (
	accessLife = 15 * time.Minute
	renewAfter = 10 * time.Minute // clients renew when a third of the life is left, at most 5 minutes
	idleLife   = 7 * 24 * time.Hour
	remembered = 30 * time.Minute // an ending: the life of an access token, and 15 minutes for clocks that disagree
)

// What it costs, measured on two cores of an AMD EPYC that others used too: by
// `go run ./bench -rows postgres,compare`, and what concerns the stream by
// writing events of its size to 400 connections. Another machine has other
// figures, and hardly another ratio between them.
const (
	nodeCPU     = 110 * time.Microsecond // of a refresh, in a node
	databaseCPU = 30 * time.Microsecond  // of a refresh, in PostgreSQL
	walBytes    = 229                    // of a refresh
	imageBytes  = 6430                   // of the first one on a page since a checkpoint
	rowBytes    = 232                    // of a session, with its indexes
	pageRows    = 44                     // sessions on a page of the table
	eventBytes  = 160                    // of an ending, on the stream
	entryBytes  = 150                    // of an ending, in a guard's memory
	writeCPU    = 9 * time.Microsecond   // to send an event to one guard
	signInCPU   = 15 * time.Millisecond  // of a login: a password hash
)

// busy is how much of a processor may be used at the peak of an ordinary day:
// the rest is for the day that is not, and for the node that is down.
const busy = 0.4
