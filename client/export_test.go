package client

import "time"

// SetClock gives a session another wall clock; it must not be in use yet.
func SetClock(s *Session, now func() time.Time) { s.now = now }
