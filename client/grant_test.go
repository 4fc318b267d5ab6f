package client

import (
	"testing"
	"time"
)

// The wall clock can bring a renewal forward. It can neither put one off nor
// condemn a token.
func TestStages(t *testing.T) {
	for _, c := range []struct {
		name                  string
		life, monotonic, wall time.Duration
		want                  stage
	}{
		{"new", 15 * time.Minute, 0, 0, fresh},
		{"before its time", 15 * time.Minute, 10*time.Minute - 1, 10*time.Minute - 1, fresh},
		{"in its time", 15 * time.Minute, 10 * time.Minute, 10 * time.Minute, due},
		{"its last moment", 15 * time.Minute, 15*time.Minute - 1, 15*time.Minute - 1, due},
		{"over", 15 * time.Minute, 15 * time.Minute, 15 * time.Minute, dead},
		{"over, and the wall clock was set back", 15 * time.Minute, 15 * time.Minute, -time.Hour, dead},
		{"in its time, and the wall clock was set back", 15 * time.Minute, 10 * time.Minute, -time.Hour, due},
		{"the wall clock was set forward", 15 * time.Minute, time.Minute, time.Hour, spent},
		{"the machine slept a little", 15 * time.Minute, time.Minute, 11 * time.Minute, due},
		{"a short life", 6 * time.Second, 4 * time.Second, 0, due},
		{"a short life, new", 6 * time.Second, 4*time.Second - 1, 0, fresh},
		{"a long life", 24 * time.Hour, 24*time.Hour - 5*time.Minute, 0, due},
		{"a long life, new", 24 * time.Hour, 24*time.Hour - 5*time.Minute - 1, 0, fresh},
		{"nobody knows", 0, 1000 * time.Hour, 1000 * time.Hour, fresh},
	} {
		g := &grant{life: c.life}
		if got := g.stageAt(c.monotonic, c.wall); got != c.want {
			t.Errorf("%s: stage %d, want %d", c.name, got, c.want)
		}
	}
}

// A record's age by a wrong clock costs one early renewal; the token serves where
// there is none to be had.
func TestRestoredStages(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name string
		age  time.Duration
		want stage
	}{
		{"new", 0, fresh},
		{"before its time", 10*time.Minute - time.Second, fresh},
		{"in its time", 10 * time.Minute, due},
		{"over", 15 * time.Minute, spent},
		{"over for long, or so it seems", 1000 * time.Hour, spent},
		{"from the future", -time.Hour, due},
	} {
		r := record{AccessToken: "a", ExpiresIn: 15 * 60, IssuedAt: now.Add(-c.age).UnixMilli()}
		g := restored(r, now)
		if got := g.stage(now); got != c.want {
			t.Errorf("%s: stage %d, want %d", c.name, got, c.want)
		}
		if got := g.stage(now.Add(15 * time.Minute)); got != dead {
			t.Errorf("%s: stage %d a life later", c.name, got)
		}
	}
}
