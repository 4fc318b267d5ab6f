package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/ledger"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/internal/why"
	"github.com/doorward/doorward/verify"
)

// reporting returns a guard in another program that reports to the house, with the
// clock set off from it.
func (h *house) reporting(t *testing.T, off time.Duration) (*guard.Guard, *guard.Reporter) {
	t.Helper()
	now := func() time.Time { return h.now().Add(off) }
	reporter, err := guard.NewReporter(guard.ReporterConfig{
		Issuer: h.web.URL, APIKey: h.apiKey(t, "reports", "720h", "doorward:denials"), Node: "api-1",
		OnError: func(err error) { t.Error(err) }, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New(guard.Config{Issuer: h.web.URL, Audience: []string{h.web.URL}, OnDenial: reporter.Report, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return g, reporter
}

// askGuard sends a request to a guarded route, as from a network, and returns the
// denial's id.
func askGuard(t *testing.T, g *guard.Guard, token string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/api/orders?token=query-secret", nil)
	r.RemoteAddr = "203.0.113.7:4711"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	g.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	id := w.Header().Get(doorward.DenialHeader)
	if id == "" {
		t.Fatalf("it was let through: %d %s", w.Code, w.Body)
	}
	return id
}

func (h *house) flush(t *testing.T, r *guard.Reporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestDenialsOfAGuardElsewhere: what a guard in another program refused is told
// as the server's own is, with the session that it concerned.
func TestDenialsOfAGuardElsewhere(t *testing.T) {
	h := newHouse(t, behindProxy)
	h.addUser(t, "ada@example.com")
	g, reporter := h.reporting(t, 0)
	ada := h.login(t, "ada@example.com")
	h.offset.Add(int64(20 * time.Minute))
	expired := askGuard(t, g, ada.AccessToken)
	missing := askGuard(t, g, "")
	secret := askGuard(t, g, "dwr_a-refresh-token-of-somebody")
	h.flush(t, reporter)
	if got := reporter.Stats(); got != (guard.ReporterStats{Sent: 3}) {
		t.Errorf("%+v", got)
	}
	// The page knows it as well.
	if _, page := h.page(t, "/errors/TOKEN_EXPIRED", expired, here); !strings.HasPrefix(told(t, page), "The access token had expired 5 minutes") {
		t.Errorf("told %q", told(t, page))
	}
	story := h.story(t, expired)
	wantLines(t, story, "TOKEN_EXPIRED (401)", "Request   GET /api/orders from 203.0.113.7",
		`Node      api-1, a guard that reports with the API key "reports"`, "Check     exp", "missed by 5 minutes", ", kid "+keyID(t, ada.AccessToken)+",",
		"Session   ", "never renewed", "Account   ada@example.com", "signed in, by the user")
	if strings.Contains(story, "Clock ") || strings.Contains(story, "query-secret") {
		t.Errorf("%s", story)
	}
	wantLines(t, h.story(t, missing), "TOKEN_MISSING", "there is no Authorization field")
	wantLines(t, h.story(t, secret), "TOKEN_INVALID", "a refresh token was sent in place of the access token")
	if log := h.printed.String(); !strings.Contains(log, `"denial":"`+expired+`"`) || !strings.Contains(log, `"node":"api-1"`) {
		t.Error("the server's log does not tell of it")
	}
}

// TestDenialsOfAWrongClock: a guard whose clock is wrong refuses good tokens,
// and that is the story.
func TestDenialsOfAWrongClock(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	ahead, reporter := h.reporting(t, time.Hour)
	id := askGuard(t, ahead, h.login(t, "ada@example.com").AccessToken)
	h.flush(t, reporter)
	wantLines(t, h.story(t, id), "TOKEN_EXPIRED", "Clock     the clock of api-1 was 1 hour ahead of this server's",
		"Next      The clock of api-1 is 1 hour off and refuses good tokens: set it.")
}

// TestReportsAreBounded: one key cannot fill the ledger, nor write over what is
// there, nor into a time to come.
func TestReportsAreBounded(t *testing.T) {
	h := newHouse(t)
	own := h.refusedAs(t, doorward.TokenMissing, http.MethodGet, "/auth/me", nil, "")
	key := h.apiKey(t, "reports", "720h", "doorward:denials")
	post := func(b ledger.Batch) (taken int, refused []ledger.Refused) {
		t.Helper()
		body, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		resp, answer := h.send(t, http.MethodPost, "/denials", []string{"Authorization: Bearer " + key}, string(body))
		var got struct {
			Taken   int
			Refused []ledger.Refused
		}
		if err := json.Unmarshal(answer, &got); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", resp.Status, answer)
		}
		return got.Taken, got.Refused
	}
	record := func(at time.Time) ledger.Record {
		return ledger.Record{ID: "dn_" + ulid.New(at).String(), Code: doorward.TokenMissing, At: at, Method: "GET", Path: "/x", Network: "192.0.2.1"}
	}

	id, err := ulid.Parse(strings.TrimPrefix(own, "dn_"))
	if err != nil {
		t.Fatal(err)
	}
	over := record(id.Time())
	over.ID, over.Path = own, "/written-over"
	future := record(h.now().Add(time.Hour))
	taken, refused := post(ledger.Batch{Node: "api-1", Sent: h.now(), Denials: []ledger.Record{over, future}})
	if taken != 1 || len(refused) != 1 || refused[0].ID != future.ID || !strings.Contains(refused[0].Reason, "after") {
		t.Errorf("taken %d, refused %v", taken, refused)
	}
	// Six thousand more than are kept.
	for range 60 {
		b := ledger.Batch{Node: "api-1", Sent: h.now()}
		for range ledger.MaxDenials {
			b.Denials = append(b.Denials, record(h.now()))
		}
		if taken, _ := post(b); taken != ledger.MaxDenials {
			t.Errorf("taken %d", taken)
		}
	}
	post(ledger.Batch{Sent: h.now(), Counted: []ledger.Flood{{Minute: h.now(), Code: doorward.TokenMissing, Count: 100_000}}})
	wantLines(t, h.story(t, own), "GET /auth/me")
	kept, counted := h.denials(t)
	if kept < 200 || kept > 400 || counted != 6001+100_000-kept {
		t.Errorf("%d kept, %d counted", kept, counted)
	}
	h.view(t, func(tx auth.Tx) error {
		if _, err := tx.Denial(future.ID); err == nil {
			t.Error("a denial that is still to come was kept")
		}
		return nil
	})
}

// TestReportsKeepNoSecret: whatever a guard says, nothing that looks like a
// secret is kept of it.
func TestReportsKeepNoSecret(t *testing.T) {
	h := newHouse(t)
	h.addUser(t, "ada@example.com")
	key := h.apiKey(t, "reports", "720h", "doorward:denials")
	ada := h.login(t, "ada@example.com")
	at := h.now()
	r := ledger.Record{
		ID: "dn_" + ulid.New(at).String(), Code: doorward.TokenInvalid, At: at, Method: "GET", Path: "/reset/" + ada.RefreshToken,
		Network: "not an address", Agent: ada.AccessToken, Detail: "the token " + ada.AccessToken,
		Private: doorward.Reason{Check: "form", Text: "it was " + ada.AccessToken, Next: "send " + ada.RefreshToken, User: ada.AccessToken, Session: key},
	}
	body, err := json.Marshal(ledger.Batch{Node: key, Sent: at, Denials: []ledger.Record{r}})
	if err != nil {
		t.Fatal(err)
	}
	resp, answer := h.send(t, http.MethodPost, "/denials", []string{"Authorization: Bearer " + key}, string(body))
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"taken":1`) {
		t.Fatalf("%s: %s", resp.Status, answer)
	}
	h.secrets = append(h.secrets, ada.AccessToken, ada.RefreshToken, key)
	h.lookForSecrets(t)
	var facts why.Facts
	h.view(t, func(tx auth.Tx) error { rec, err := tx.Denial(r.ID); facts.Record = &rec; return err })
	if facts.Record.Network != "unknown" || facts.Record.Private.Text != "it was [masked]" {
		t.Errorf("%+v", facts.Record)
	}
	if story := why.Story(facts, at); strings.Contains(story, "eyJ") || strings.Contains(story, "dw") {
		t.Errorf("%s", story)
	}
}

// keyID returns the name of the key that a token was signed by.
func keyID(t *testing.T, token string) string {
	t.Helper()
	kid, err := verify.KeyID(token)
	if err != nil {
		t.Fatal(err)
	}
	return kid
}
