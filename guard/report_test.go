package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ledger"
)

// desk is a server that takes reports, without a network.
type desk struct {
	taken  []ledger.Batch
	times  []time.Time
	fields []http.Header
	answer func(n int) (int, string, error) // to the n-th report
	block  chan struct{}                    // waited for, if there is one
}

func (d *desk) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.block != nil {
		select {
		case <-d.block:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var batch ledger.Batch
	if err := json.Unmarshal(body, &batch); err != nil || len(body) > ledger.MaxBatch {
		return nil, fmt.Errorf("%d bytes: %w", len(body), err)
	}
	d.taken, d.times, d.fields = append(d.taken, batch), append(d.times, time.Now()), append(d.fields, r.Header)
	status, text := 200, `{"kept":1}`
	if d.answer != nil {
		if status, text, err = d.answer(len(d.taken)); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (d *desk) reporter(t *testing.T, onError func(error)) *Reporter {
	t.Helper()
	r, err := NewReporter(ReporterConfig{
		Issuer: "https://auth.example.com/", APIKey: "dwk_test", Node: "api-1",
		Client: &http.Client{Transport: d}, OnError: onError,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func refuse(r *Reporter, path string, code doorward.Code) *doorward.Denial {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.RemoteAddr = "203.0.113.7:4711"
	d := doorward.NewDenial(code, time.Now(), doorward.Reason{Check: "exp", Text: "expired 1s ago"})
	r.Report(req, d)
	return d
}

func TestReporterSendsBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(desk)
		r := d.reporter(t, func(err error) { t.Error(err) })
		begin := time.Now()
		var ids []string
		for i := range 3 {
			ids = append(ids, refuse(r, fmt.Sprintf("/%d?secret=1", i), doorward.TokenExpired).ID)
			time.Sleep(reportEvery / 10)
		}
		r.Report(httptest.NewRequest(http.MethodGet, "/", nil), doorward.BadInput(doorward.InvalidRequest, "", ""))
		time.Sleep(reportEvery)
		synctest.Wait()
		if len(d.taken) != 1 || d.times[0].Sub(begin) != reportEvery {
			t.Fatalf("%d reports, %v, want one a second after the first denial", len(d.taken), d.times)
		}
		batch := d.taken[0]
		if batch.Node != "api-1" || len(batch.Denials) != 3 || len(batch.Counted) != 0 || !batch.Sent.Equal(d.times[0]) {
			t.Errorf("%+v", batch)
		}
		for i, got := range batch.Denials {
			if got.ID != ids[i] || got.Path != fmt.Sprintf("/%d", i) || got.Network != "203.0.113.7" || got.Private.Check != "exp" {
				t.Errorf("denial %d is %+v", i, got)
			}
		}
		if got := d.fields[0].Get("Authorization"); got != "Bearer dwk_test" {
			t.Errorf("Authorization: %s", got)
		}
		// What was sent is what a server takes.
		if records, _, refused, err := batch.Accept("k", time.Now()); err != nil || len(records) != 3 || len(refused) > 0 {
			t.Errorf("the server would take %d, and refuse %v, %v", len(records), refused, err)
		}
		if got := r.Stats(); got != (ReporterStats{Sent: 3}) {
			t.Errorf("%+v", got)
		}
	})
}

// TestReporterIsBounded: a flood while the server hangs takes bounded memory
// and nobody's time, and is counted.
func TestReporterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{block: make(chan struct{})}
		r := d.reporter(t, nil)
		const flood = 1000
		codes := doorward.Codes()
		begin, denied := time.Now(), 0
		for range flood {
			for _, info := range codes {
				if info.Class == doorward.ClassDenial {
					refuse(r, "/"+strings.Repeat("long/", 200), info.Code)
					denied++
				}
			}
		}
		if time.Since(begin) != 0 {
			t.Errorf("a request waited %s", time.Since(begin))
		}
		stats := r.Stats()
		if stats.Waiting != reportWaiting || stats.Waiting+int(stats.Counted) != denied {
			t.Errorf("%+v of %d", stats, denied)
		}
		close(d.block)
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, batch := range d.taken {
			got += len(batch.Denials)
			for _, f := range batch.Counted {
				got += int(f.Count)
			}
			if _, _, refused, err := batch.Accept("k", time.Now()); err != nil || len(refused) > 0 {
				t.Fatalf("the server would refuse %v, %v", refused, err)
			}
		}
		if got != denied {
			t.Errorf("%d denials were reported, of %d", got, denied)
		}
		time.Sleep(2 * longestPause) // what runs beside finds nothing to do, and ends
	})
}

// TestReporterTriesAgain: what the server does not take waits, and is tried
// again less and less often. Nothing is lost, and nothing is counted twice.
func TestReporterTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		d := &desk{answer: func(n int) (int, string, error) {
			switch n {
			case 1:
				return 503, `{"code":"UNAVAILABLE"}`, nil
			case 2:
				return 401, `{"code":"API_KEY_INVALID"}`, nil
			case 3:
				return 0, "", errors.New("connection reset") // it may have been taken
			default:
				return 200, `{"kept":1}`, nil
			}
		}}
		r := d.reporter(t, func(err error) { told = append(told, err) })
		id := refuse(r, "/", doorward.TokenExpired).ID
		r.mu.Lock()
		r.counts.Add(time.Now(), doorward.TokenMissing, 7)
		r.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		var pauses []time.Duration
		for i := range d.times[1:] {
			pauses = append(pauses, d.times[i+1].Sub(d.times[i]))
		}
		if got, want := fmt.Sprint(pauses), "[2s 4s 8s]"; got != want {
			t.Errorf("it paused %s, want %s", got, want)
		}
		for i, batch := range d.taken {
			if len(batch.Denials) != 1 || batch.Denials[0].ID != id {
				t.Errorf("report %d: %+v", i, batch)
			}
			if counted := len(batch.Counted) == 1; counted != (i < 3) {
				t.Errorf("report %d has the count: %v", i, counted)
			}
		}
		if len(told) != 3 || !strings.Contains(told[1].Error(), "API_KEY_INVALID") {
			t.Errorf("told: %v", told)
		}
		if got := r.Stats(); got != (ReporterStats{Sent: 1}) {
			t.Errorf("%+v", got)
		}
		// The next one is as quick as the first was.
		begin := time.Now()
		refuse(r, "/", doorward.TokenExpired)
		time.Sleep(time.Minute)
		synctest.Wait()
		if last := d.times[len(d.times)-1]; last.Sub(begin) != reportEvery {
			t.Errorf("it was sent after %s", last.Sub(begin))
		}
	})
}

// TestReporterGivesUpWhatIsNeverTaken: a report that the server cannot read is
// not in the way of the next.
func TestReporterGivesUpWhatIsNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		d := &desk{answer: func(n int) (int, string, error) {
			if n == 1 {
				return 400, `{"code":"INVALID_REQUEST"}`, nil
			}
			return 200, `{"kept":0,"refused":[{"id":"dn_x","reason":"id is of another time than at"}]}`, nil
		}}
		r := d.reporter(t, func(err error) { told = append(told, err) })
		refuse(r, "/1", doorward.TokenExpired)
		time.Sleep(10 * time.Second)
		refuse(r, "/2", doorward.TokenExpired)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(d.taken) != 2 || d.taken[1].Denials[0].Path != "/2" {
			t.Errorf("%+v", d.taken)
		}
		if len(told) != 2 || !strings.Contains(told[1].Error(), "another time") {
			t.Errorf("told: %v", told)
		}
		if got := r.Stats(); got != (ReporterStats{Lost: 2}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestFlushTellsWhatIsInTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{block: make(chan struct{})}
		r := d.reporter(t, nil)
		refuse(r, "/", doorward.TokenExpired)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := r.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		close(d.block)
		if err := r.Flush(t.Context()); err != nil || r.Stats().Sent != 1 {
			t.Errorf("%v, %+v", err, r.Stats())
		}
		time.Sleep(2 * longestPause)
	})
}

func TestNewReporterRefuses(t *testing.T) {
	for name, c := range map[string]ReporterConfig{
		"nothing":       {},
		"no key":        {Issuer: "https://auth.example.com"},
		"a key of two":  {Issuer: "https://auth.example.com", APIKey: "a\r\nb"},
		"over http":     {Issuer: "http://auth.example.com", APIKey: "dwk_x"},
		"with a path":   {Issuer: "https://auth.example.com/denials", APIKey: "dwk_x"},
		"no URL":        {Issuer: "auth.example.com", APIKey: "dwk_x"},
		"with a secret": {Issuer: "https://u:p@auth.example.com", APIKey: "dwk_x"},
	} {
		if _, err := NewReporter(c); err == nil || strings.Contains(err.Error(), "dwk_x") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewReporter(ReporterConfig{Issuer: "http://localhost:4010", APIKey: "dwk_x"}); err != nil {
		t.Error(err)
	}
}

// TestReporterFollowsNoRedirectElsewhere: the key goes to the server alone.
func TestReporterFollowsNoRedirectElsewhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the report went elsewhere") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	r, err := NewReporter(ReporterConfig{Issuer: server.URL, APIKey: "dwk_test"})
	if err != nil {
		t.Fatal(err)
	}
	refuse(r, "/", doorward.TokenExpired)
	if err := r.Flush(t.Context()); err == nil || r.Stats().Sent != 0 {
		t.Errorf("%v, %+v", err, r.Stats())
	}
}
