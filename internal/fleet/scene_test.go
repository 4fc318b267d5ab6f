//go:build unix

package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/client"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
)

func TestMain(m *testing.M) {
	Main(Broken{"freezes": func(s server.Store) server.Store { return freezing{s} }})
	os.Exit(m.Run())
}

const (
	// patience bounds what must happen at some time.
	patience = time.Minute

	people  = 8
	leavers = 6

	testPassword = "correct horse battery staple"
)

// scene is a fleet with people who use it: nodes on one store behind a balancer,
// a resource server with a guard, and clients that follow the rules for clients.
type scene struct {
	t        *testing.T
	ctx      context.Context
	cfg      Config
	nodes    []*Node
	balancer *Balancer
	resource *httptest.Server
	stream   *guard.Stream // of revocations, to the resource server
	operator *auth.Auth
	web      *http.Client

	people  []*person
	probe   *raw
	spare   *raw   // for what a test wants to ask
	leavers []*raw // who sign out, a third of them before anything happens

	mu       sync.Mutex
	failures map[string]int // and what they were, all of which a client gets over
	answers  atomic.Int64   // of guarded routes
	renewals atomic.Int64
}

// person is a user with a client.
type person struct {
	session *client.Session
	web     *http.Client
}

// newScene starts nodes on a store; each may change the node's settings.
func newScene(t *testing.T, store string, change ...func(i int, c *Config)) *scene {
	t.Helper()
	s := &scene{
		t: t, ctx: t.Context(), failures: map[string]int{}, balancer: Balance(t),
		web: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: 10 * time.Second},
	}
	s.cfg = Config{Store: store, MasterKey: secret.NewMasterKey().Reveal(), Issuer: s.balancer.URL}
	for i := range 3 {
		cfg := s.cfg
		cfg.Name = fmt.Sprintf("n%d", i+1)
		for _, fn := range change {
			fn(i, &cfg)
		}
		s.nodes = append(s.nodes, Start(t, cfg))
	}
	s.balancer.Use(t.Context(), s.nodes...)
	s.operator = Operate(t, s.cfg, time.Now)
	s.startResource()
	if err := s.stream.Ready(s.ctx); err != nil {
		t.Fatal(err)
	}
	hash := password.Hash(testPassword, password.DefaultParams, secret.Random(password.SaltSize))
	for i := range people {
		s.people = append(s.people, s.newPerson(i, hash))
	}
	for i := range leavers + 2 {
		r := s.newRaw(fmt.Sprintf("leaver%d@example.com", i), hash)
		s.leavers = append(s.leavers, r)
	}
	s.probe, s.spare, s.leavers = s.leavers[leavers], s.leavers[leavers+1], s.leavers[:leavers]
	return s
}

// startResource starts a server of another program's, which trusts the issuer:
// it fetches its keys and follows its revocations.
func (s *scene) startResource() {
	_, key, err := s.operator.CreateAPIKey(s.ctx, "resource", []string{apikey.ScopeRevocations}, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.stream, err = guard.NewStream(s.ctx, guard.StreamConfig{Issuer: s.balancer.URL, APIKey: key.Reveal()})
	if err != nil {
		s.t.Fatal(err)
	}
	g, err := guard.New(guard.Config{Issuer: s.balancer.URL, Audience: []string{s.balancer.URL}, Revocations: s.stream})
	if err != nil {
		s.t.Fatal(err)
	}
	s.resource = httptest.NewServer(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "resource")
	})))
	s.t.Cleanup(s.resource.Close)
}

func (s *scene) addUser(email, hash string) {
	s.t.Helper()
	if _, err := s.operator.ImportUser(s.ctx, email, "", hash); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) newPerson(i int, hash string) *person {
	s.t.Helper()
	email := fmt.Sprintf("user%d@example.com", i)
	s.addUser(email, hash)
	session, err := client.New(client.Config{
		Issuer: s.balancer.URL, Origins: []string{s.resource.URL}, Timeout: 3 * time.Second,
		Transport: from{s.web.Transport, fmt.Sprintf("10.0.0.%d", i)},
		OnEnd:     func(err *client.Error) { s.t.Errorf("%s was signed out: %v", email, err) },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := session.Login(s.ctx, email, testPassword); err != nil {
		s.t.Fatal(err)
	}
	return &person{session, session.Client()}
}

// from is a transport by way of a proxy that says where a request comes from.
type from struct {
	base    http.RoundTripper
	network string
}

func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.network)
	return f.base.RoundTrip(r)
}

// failed notes what a client gets over.
func (s *scene) failed(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[what]++
}

// use has everybody work until ctx ends: they renew their tokens far more often
// than anybody does, and use them here and at the resource server.
func (s *scene) use(ctx context.Context, wg *sync.WaitGroup) {
	for _, p := range s.people {
		wg.Go(func() {
			for ctx.Err() == nil {
				s.renew(ctx, p)
				s.get(ctx, p, s.balancer.URL+Guarded)
				s.get(ctx, p, s.resource.URL)
				pause(ctx, 10*time.Millisecond)
			}
		})
	}
}

func (s *scene) renew(ctx context.Context, p *person) {
	err := p.session.Renew(ctx)
	var e *client.Error
	switch {
	case err == nil:
		s.renewals.Add(1)
	case ctx.Err() != nil:
	case errors.As(err, &e) && e.Temporary():
		s.failed("a renewal: " + string(e.Code))
	default:
		s.t.Errorf("a renewal: %v", err)
	}
}

func (s *scene) get(ctx context.Context, p *person, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	resp, err := p.web.Do(req)
	if ctx.Err() != nil && err != nil {
		return
	}
	if err != nil {
		s.failed("a guarded route: no answer")
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	switch {
	case resp.StatusCode == http.StatusOK:
		s.answers.Add(1)
	case resp.StatusCode >= 500:
		s.failed(fmt.Sprintf("a guarded route: %d", resp.StatusCode))
	default:
		s.t.Errorf("%s: status %d", url, resp.StatusCode)
	}
}

// place is where guarded routes are: a node, or the resource server.
type place struct {
	name string
	url  func() string
}

func at(n *Node) place { return place{n.Name(), func() string { return n.URL() + Guarded }} }

// places are all of them.
func (s *scene) places() []place {
	all := []place{{"the resource server", func() string { return s.resource.URL }}}
	for _, n := range s.nodes {
		all = append(all, at(n))
	}
	return all
}

// ask sends a token of somebody to a guarded route.
func (s *scene) ask(p place, access string) (int, string, error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, p.url(), nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := s.web.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var denial struct{ Code string }
	if resp.StatusCode != http.StatusOK {
		_ = json.NewDecoder(resp.Body).Decode(&denial)
	}
	return resp.StatusCode, denial.Code, nil
}

// guardEvery asks everywhere all the time whether the token of one who is signed
// in is taken and that of one who has signed out is refused. steady says that no
// node goes away: then each must always answer.
func (s *scene) guardEvery(ctx context.Context, wg *sync.WaitGroup, steady bool) {
	good, over := s.probe.access, s.leavers[0].access
	for _, p := range s.places() {
		wg.Go(func() {
			for ctx.Err() == nil {
				status, code, err := s.ask(p, good)
				if ctx.Err() != nil {
					return
				}
				switch {
				case err != nil && steady:
					s.t.Errorf("%s gave no answer on a guarded route: %v", p.name, err)
				case err != nil:
					s.failed("a node: no answer on a guarded route")
				case status != http.StatusOK:
					s.t.Errorf("%s answered %d %s on a guarded route", p.name, status, code)
				}
				if status, code, err = s.ask(p, over); err == nil && code != "TOKEN_REVOKED" {
					s.t.Errorf("%s answered %d %s for a session that has ended", p.name, status, code)
				}
				pause(ctx, 20*time.Millisecond)
			}
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// play has the people use the fleet while something happens to it. After it, the
// fleet is as well as before: everybody can renew, and whoever signed out before
// or meanwhile stays so, everywhere.
func (s *scene) play(steady bool, happens func()) {
	s.t.Helper()
	third := len(s.leavers) / 3
	before, during, after := s.leavers[:third], s.leavers[third:2*third], s.leavers[2*third:]
	s.leave(before)
	s.gone(before)
	ctx, stop := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	s.use(ctx, &wg)
	s.guardEvery(ctx, &wg, steady)
	probe := s.watch(ctx, &wg)
	pause(ctx, 300*time.Millisecond)

	var leaving sync.WaitGroup
	leaving.Go(func() {
		pause(ctx, 200*time.Millisecond)
		s.leave(during)
	})
	happens()
	over := time.Now()
	s.recovered()
	all := time.Since(over)
	leaving.Wait()
	s.leave(after)
	pause(ctx, 300*time.Millisecond)
	stop()
	wg.Wait()
	s.gone(s.leavers)
	for _, p := range s.people {
		if err := p.session.Renew(s.ctx); err != nil {
			s.t.Errorf("after all: %v", err)
		}
	}
	s.report(probe, over, all)
}

// recovered waits until every person has renewed once more.
func (s *scene) recovered() {
	s.t.Helper()
	for _, p := range s.people {
		ctx, cancel := context.WithTimeout(s.ctx, patience)
		for ctx.Err() == nil && p.session.Renew(ctx) != nil {
			pause(ctx, 10*time.Millisecond)
		}
		if ctx.Err() != nil {
			s.t.Error("somebody cannot renew")
		}
		cancel()
	}
}

// probing is how refreshes went that were asked for one after another.
type probing struct {
	mu   sync.Mutex
	good []time.Time // when one was answered with tokens
}

// watch refreshes the probe's session as fast as it is answered.
func (s *scene) watch(ctx context.Context, wg *sync.WaitGroup) *probing {
	p := &probing{good: []time.Time{time.Now()}}
	wg.Go(func() {
		for ctx.Err() == nil {
			ok, err := s.probe.refresh(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				s.t.Errorf("the probe: %v", err)
				return
			}
			if ok {
				p.mu.Lock()
				p.good = append(p.good, time.Now())
				p.mu.Unlock()
			} else {
				s.failed("the probe: not now")
			}
			pause(ctx, 5*time.Millisecond)
		}
	})
	return p
}

// report prints how long it took until all was well: over is when nothing was
// wrong any more, and all how long it took until every client knew.
func (s *scene) report(p *probing, over time.Time, all time.Duration) {
	var longest, back time.Duration
	for i := 1; i < len(p.good); i++ {
		longest = max(longest, p.good[i].Sub(p.good[i-1]))
		if back == 0 && p.good[i].After(over) {
			back = p.good[i].Sub(over)
		}
	}
	var kinds []string
	for _, what := range slices.Sorted(maps.Keys(s.failures)) {
		kinds = append(kinds, fmt.Sprintf("%d × %s", s.failures[what], what))
	}
	s.t.Logf("%d renewals and %d guarded answers; no refresh succeeded for %s at the longest; when all was well again, the next one did after %s, and every client had a new token after %s; what they got over: %s",
		s.renewals.Load(), s.answers.Load(), longest.Round(time.Millisecond), back.Round(time.Millisecond), all.Round(time.Millisecond), strings.Join(kinds, ", "))
}

// raw is a client that keeps its refresh token and the key of the attempt that
// is not settled, and does nothing beside: what it gets is what was answered.
type raw struct {
	s          *scene
	network    string
	token, key string
	access     string
	attempts   int
}

func (s *scene) newRaw(email, hash string) *raw {
	s.t.Helper()
	s.addUser(email, hash)
	r := &raw{s: s, network: fmt.Sprintf("10.0.1.%d", len(s.leavers))}
	status, got, err := r.post(s.ctx, "/auth/login", map[string]string{"email": email, "password": testPassword})
	if err != nil || status != http.StatusOK {
		s.t.Fatal(status, err)
	}
	r.token, r.access = got.RefreshToken, got.AccessToken
	return r
}

type tokens struct{ AccessToken, RefreshToken, Code string }

func (r *raw) post(ctx context.Context, path string, body map[string]string) (int, tokens, error) {
	return r.postTo(ctx, r.s.balancer.URL, path, body)
}

func (r *raw) postTo(ctx context.Context, base, path string, body map[string]string) (int, tokens, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, tokens{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(data))
	if err != nil {
		return 0, tokens{}, err
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", r.network)
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	resp, err := r.s.web.Do(req)
	if err != nil {
		return 0, tokens{}, err
	}
	defer resp.Body.Close()
	var got tokens
	if resp.StatusCode < 500 && resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			return 0, tokens{}, err
		}
	}
	return resp.StatusCode, got, nil
}

// refresh takes one step. It reports whether there are new tokens; an error
// says that the session is lost.
func (r *raw) refresh(ctx context.Context) (bool, error) {
	if r.key == "" {
		r.attempts++
		r.key = fmt.Sprintf("attempt-%d", r.attempts)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status, got, err := r.post(ctx, "/auth/refresh", map[string]string{"refreshToken": r.token})
	switch {
	case err != nil || status >= 500:
		return false, nil // not settled: the same again
	case status == http.StatusOK:
		r.token, r.access, r.key = got.RefreshToken, got.AccessToken, ""
		return true, nil
	default:
		return false, fmt.Errorf("%d %s", status, got.Code)
	}
}

// leave signs people out, and returns when all of that is acknowledged.
func (s *scene) leave(all []*raw) {
	var wg sync.WaitGroup
	for _, r := range all {
		wg.Go(func() {
			for begin := time.Now(); ; pause(s.ctx, 10*time.Millisecond) {
				status, got, err := r.post(s.ctx, "/auth/logout", map[string]string{"refreshToken": r.token})
				switch {
				case err == nil && status == http.StatusNoContent:
					return
				case err == nil && status < 500:
					s.t.Errorf("a sign-out: %d %s", status, got.Code)
					return
				case time.Since(begin) > 2*patience:
					s.t.Errorf("a sign-out: %d %v", status, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// gone sees that nothing of who signed out is good for anything.
func (s *scene) gone(all []*raw) {
	s.t.Helper()
	for i, r := range all {
		status, got, err := r.post(s.ctx, "/auth/refresh", map[string]string{"refreshToken": r.token})
		if err != nil || got.Code != "INVALID_REFRESH_TOKEN" {
			s.t.Errorf("leaver %d: a refresh after the sign-out: %d %s %v", i, status, got.Code, err)
		}
	}
	for _, p := range s.places() {
		s.goneAt(p, all)
	}
}

// goneAt sees that the access tokens of who signed out are refused somewhere, in
// the end.
func (s *scene) goneAt(p place, all []*raw) {
	s.t.Helper()
	for i, r := range all {
		for begin := time.Now(); ; pause(s.ctx, 5*time.Millisecond) {
			status, code, err := s.ask(p, r.access)
			if code == "TOKEN_REVOKED" {
				break
			}
			if time.Since(begin) > patience {
				s.t.Fatalf("leaver %d: %s answers %d %s %v", i, p.name, status, code, err)
			}
		}
	}
}
