package auth

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/why"
)

// brief is a log that can be followed for a page, after ten minutes, and then
// not at all.
type brief struct {
	Store
	followed bool
}

func (b *brief) Follow(ctx context.Context, _ int64, apply func([]Revocation)) error {
	if b.followed {
		<-ctx.Done()
		return nil
	}
	b.followed = true
	time.Sleep(10 * time.Minute)
	apply([]Revocation{logged(1, "a"), logged(2, "a")})
	return errors.New("the connection is lost again, and there is more in the log")
}

func (b *brief) View(context.Context, func(Tx) error) error { return nil }

// TestSilence: a node that was told a part of the log has not seen its end.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Store: new(brief), AccessLife: time.Minute, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		go a.follow(ctx)
		time.Sleep(10*time.Minute + 2*time.Second)
		if _, ended := a.Revoked().Ended("a2"); !ended {
			t.Error("what it was told it does not know")
		}
		if silence := a.Recent().Silence(); silence < 10*time.Minute {
			t.Errorf("it says that it saw the end of the log %s ago", silence)
		}
		stop()
		synctest.Wait()
	})
}

// TestReportsLeaveRoom: however many keys report, the server's own denials are
// kept.
func TestReportsLeaveRoom(t *testing.T) {
	l := newLedger(Config{Log: slog.New(slog.DiscardHandler)})
	now := time.Now()
	for _, key := range []string{"k1", "k2", "k3", "k4"} {
		for _, c := range doorward.Codes() {
			records := make([]why.Record, 200)
			for i := range records {
				records[i] = why.Record{Code: c.Code, At: now}
			}
			l.Join(Report{Key: key, Records: records}, now)
		}
	}
	l.Record(why.Record{ID: "own", Code: doorward.RefreshTokenReused, At: now})
	if _, kept := l.unwritten("own"); !kept || len(l.waiting) < ledgerReported {
		t.Errorf("kept %v, %d wait", kept, len(l.waiting))
	}
}
