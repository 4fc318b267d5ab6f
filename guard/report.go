package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/internal/ledger"
)

// ReporterConfig says where a guard's denials are told. Issuer and APIKey are
// required.
type ReporterConfig struct {
	// Issuer is the URL of the Doorward server.
	Issuer string

	// APIKey is an API key of that server with the scope doorward:denials. It is a
	// secret.
	APIKey string

	// Node is what this program calls itself in the story of a denial; empty
	// means the host's name.
	Node string

	// ClientAddr returns the address that a request comes from. Nil means that
	// of the connection, which behind a proxy is the proxy's.
	ClientAddr func(*http.Request) netip.Addr

	// Client sends the reports; nil means one with http.DefaultTransport. It
	// follows no redirect to another origin, whatever it would do otherwise.
	Client *http.Client

	// OnError is told of every report that the server did not take, or not
	// whole; nil means nobody is.
	OnError func(error)

	// Now is the clock of the guards; nil means time.Now.
	Now func() time.Time
}

const (
	// reportEvery is how long a denial waits for others to be sent with.
	reportEvery = time.Second
	// reportWaiting is how many denials wait at most, about 1 KiB each.
	reportWaiting = 1000
	// reportRoom is for what a batch holds beside its denials, in bytes.
	reportRoom = 16 << 10

	reportTimeout    = 10 * time.Second
	firstReportPause = time.Second // after a report that failed; doubles each time
	longestPause     = time.Minute
)

// Reporter tells a Doorward server of the denials of guards in this program, so
// that `doorward why` knows them beside the server's own. Give its method
// [Reporter.Report] to [Config.OnDenial].
//
// Denials are sent in batches, a second after the first; no request waits for
// that. A thousand wait at most, and of a flood of one code 200 and then at most
// one a second are kept; the rest is counted, and the counts are sent. Nothing that
// looks like a secret is sent. It is safe for concurrent use and needs no
// closing; a program that ends calls [Reporter.Flush].
type Reporter struct {
	endpoint   string
	key        string
	node       string
	clientAddr func(*http.Request) netip.Addr
	client     *http.Client
	onError    func(error)
	now        func() time.Time

	turn chan struct{} // held by who sends

	mu      sync.Mutex
	measure ledger.Measure
	waiting []ledger.Record
	counts  ledger.Counts
	running bool
	stats   ReporterStats
}

// ReporterStats is what became of the denials that a [Reporter] was given.
type ReporterStats struct {
	Waiting int   // to be sent
	Sent    int64 // one by one
	Counted int64 // because they were too many
	Lost    int64 // the server did not take them
}

// NewReporter returns a reporter. It makes no request before the first denial.
func NewReporter(c ReporterConfig) (*Reporter, error) {
	u, err := secureURL("issuer", c.Issuer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("guard: %w", err)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return nil, fmt.Errorf("guard: issuer %q: want one without a path", c.Issuer)
	case c.APIKey == "" || strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("guard: a reporter needs an API key with the scope doorward:denials")
	}
	if c.Node == "" {
		c.Node, _ = os.Hostname() // a host without a name is a node without one
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ClientAddr == nil {
		c.ClientAddr = connAddr
	}
	return &Reporter{
		endpoint: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/denials"}).String(),
		key:      c.APIKey, node: c.Node, clientAddr: c.ClientAddr,
		client: sameOriginClient(c.Client), onError: c.OnError, now: c.Now,
		turn: make(chan struct{}, 1),
	}, nil
}

func connAddr(r *http.Request) netip.Addr {
	conn, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return conn.Addr().Unmap()
}

// Report takes a denial to be sent; see [Config.OnDenial]. It takes some
// microseconds and waits for nothing.
func (r *Reporter) Report(req *http.Request, d *doorward.Denial) {
	if d.ID == "" {
		return // bad input: the answer said all there is
	}
	r.mu.Lock()
	fits := r.measure.Take(d.Code, d.At) && len(r.waiting) < reportWaiting
	if !fits {
		r.counts.Add(d.At, d.Code, 1)
		r.stats.Counted++
		r.wake()
	}
	r.mu.Unlock()
	if !fits {
		return
	}
	record := ledger.NewRecord(req, d)
	record.At = d.At.UTC()
	if addr := r.clientAddr(req); addr.IsValid() {
		record.Network = addr.String()
	}
	record = record.Masked()
	r.mu.Lock()
	r.waiting = append(r.waiting, record)
	r.wake()
	r.mu.Unlock()
}

// wake sees that what waits is sent. The caller holds r.mu.
func (r *Reporter) wake() {
	if !r.running {
		r.running = true
		go r.run()
	}
}

// run sends until nothing waits.
func (r *Reporter) run() {
	pause := reportEvery
	for {
		time.Sleep(pause)
		err := r.send(context.Background())
		if err == nil {
			pause = reportEvery
		} else {
			pause = min(max(firstReportPause, 2*pause), longestPause)
			r.report(err)
		}
		r.mu.Lock()
		if r.idle() {
			r.running = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

// idle reports whether nothing waits. The caller holds r.mu.
func (r *Reporter) idle() bool { return len(r.waiting) == 0 && r.counts.Empty() }

// Flush sends what waits, at once, and returns when that is done. An error says
// why it could not be.
func (r *Reporter) Flush(ctx context.Context) error {
	for {
		r.mu.Lock()
		idle := r.idle()
		r.mu.Unlock()
		if idle {
			return nil
		}
		if err := r.send(ctx); err != nil {
			return err
		}
	}
}

// Stats returns what became of the denials so far.
func (r *Reporter) Stats() ReporterStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := r.stats
	stats.Waiting = len(r.waiting)
	return stats
}

func (r *Reporter) report(err error) {
	if r.onError != nil {
		r.onError(err)
	}
}

// send sends one batch, if anything waits.
func (r *Reporter) send(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	records, floods, err := r.take()
	if len(records) == 0 && len(floods) == 0 {
		return err
	}
	batch, err := json.Marshal(ledger.Batch{Node: r.node, Sent: r.now().UTC(), Denials: records, Counted: floods})
	if err != nil {
		return err // strings, times and numbers always marshal
	}
	refused, err := r.post(ctx, batch)
	r.settle(records, floods, refused, err)
	if err == nil && len(refused) > 0 {
		r.report(fmt.Errorf("guard: the server did not take %d of %d denials: %.200q", len(refused), len(records)+len(floods), refused[0].Reason))
	}
	return err
}

// take takes as much of what waits as fits into one batch.
func (r *Reporter) take() ([]ledger.Record, []ledger.Flood, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, size := 0, 0
	for n < len(r.waiting) && n < ledger.MaxDenials {
		text, err := json.Marshal(r.waiting[n])
		if err != nil {
			return nil, nil, err // strings, times and numbers always marshal
		}
		if size += len(text) + 1; n > 0 && size > ledger.MaxBatch-reportRoom {
			break
		}
		n++
	}
	records := r.waiting[:n:n]
	r.waiting = r.waiting[n:]
	floods := r.counts.Floods()
	r.counts = ledger.Counts{}
	for _, f := range floods[min(len(floods), ledger.MaxCounted):] {
		r.counts.Add(f.Minute, f.Code, f.Count)
	}
	return records, floods[:min(len(floods), ledger.MaxCounted)], nil
}

// rejected is an answer by which the server says that it took nothing.
type rejected struct {
	status int
	code   string
}

func (e *rejected) Error() string {
	text := fmt.Sprintf("guard: the server did not take a report of denials: %d %s", e.status, http.StatusText(e.status))
	if e.code != "" {
		text += ", " + e.code
	}
	return text
}

// settle notes what became of a batch. What may yet be taken waits again: a
// record whose fate is not known is sent twice and kept once. A count is sent
// again only where the server said that it did not take it, since it would be
// added twice.
func (r *Reporter) settle(records []ledger.Record, floods []ledger.Flood, refused []ledger.Refused, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	no, said := errors.AsType[*rejected](err)
	if err == nil || said && (no.status == http.StatusBadRequest || no.status == http.StatusRequestEntityTooLarge) {
		lost := len(refused)
		if err != nil {
			lost = len(records) // it will not be taken the next time either
		}
		r.stats.Lost += int64(lost)
		r.stats.Sent += int64(max(0, len(records)-lost))
		return
	}
	if said {
		for _, f := range floods {
			r.counts.Add(f.Minute, f.Code, f.Count)
		}
	}
	kept := min(len(records), max(0, reportWaiting-len(r.waiting)))
	r.waiting = append(records[:kept:kept], r.waiting...)
	for _, late := range records[kept:] {
		r.counts.Add(late.At, late.Code, 1)
		r.stats.Counted++
	}
}

func (r *Reporter) post(ctx context.Context, batch []byte) ([]ledger.Refused, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint, bytes.NewReader(batch))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "doorward-guard")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("guard: denials could not be reported: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, ledger.MaxBatch))
	if err != nil {
		return nil, fmt.Errorf("guard: denials could not be reported: %w", err)
	}
	var answer struct {
		Code    string           `json:"code"`
		Refused []ledger.Refused `json:"refused"`
	}
	fault := json.Unmarshal(body, &answer)
	if resp.StatusCode != http.StatusOK || fault != nil {
		return nil, &rejected{resp.StatusCode, ledger.Cut(ledger.Mask(answer.Code), 64)}
	}
	return answer.Refused, nil
}
