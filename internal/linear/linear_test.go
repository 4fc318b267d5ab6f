package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/fleet"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/pgtest"
	"github.com/doorward/doorward/internal/secret"
)

func TestMain(m *testing.M) {
	fleet.Main(brokenStores)
	os.Exit(m.Run())
}

const (
	// patience bounds what must happen at some time.
	patience = time.Minute

	// The clock runs through minutes in a second. Access tokens must not expire
	// while it is seen whether they are refused for another reason.
	idleLife   = 24 * time.Hour
	accessLife = 12 * time.Hour
)

var rules = Rules{Grace: 30 * time.Second, Idle: idleLife}

// cluster is nodes on one store, all by one clock.
type cluster struct {
	t        testing.TB
	nodes    []*fleet.Node
	skew     map[string]time.Duration
	operator *auth.Auth
	clock    *timeline
	web      *http.Client
	hash     string        // of password 0
	apiKey   string        // of a service that introspects
	hearsay  time.Duration // within which every node must have heard of an ending
	users    atomic.Int64
}

// node returns any node.
func (c *cluster) node(rng *rand.Rand) *fleet.Node { return c.nodes[rng.IntN(len(c.nodes))] }

func newCluster(t *testing.T, url string, nodes int, skew time.Duration, broken string) *cluster {
	t.Helper()
	c := &cluster{
		t: t, hearsay: patience, clock: &timeline{}, skew: map[string]time.Duration{},
		web:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: patience},
		hash: password.Hash(passwordOf(0), password.DefaultParams, secret.Random(password.SaltSize)),
	}
	start := time.Now().Truncate(time.Millisecond)
	c.clock.set(start, func() {})
	cfg := fleet.Config{
		Store: url, MasterKey: secret.NewMasterKey().Reveal(), Issuer: "http://localhost:4010",
		AccessLife: accessLife, IdleLife: idleLife, Broken: broken,
	}
	for i := range nodes {
		cfg.Name = fmt.Sprintf("n%d", i+1)
		c.skew[cfg.Name] = time.Duration(i) * skew
		cfg.At = start.Add(c.skew[cfg.Name]).UnixMilli()
		c.nodes = append(c.nodes, fleet.Start(t, cfg))
	}
	c.operator = fleet.Operate(t, cfg, c.clock.now)
	_, key, err := c.operator.CreateAPIKey(t.Context(), "linear", []string{apikey.ScopeIntrospect}, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.apiKey = key.Reveal()
	return c
}

// walk puts the clock on, by less than the grace or by more, and now and then by
// so much that every session idles out.
func (c *cluster) walk(ctx context.Context, rng *rand.Rand) {
	for ctx.Err() == nil {
		by := time.Duration(1+rng.IntN(10)) * time.Second
		switch n := rng.IntN(100); {
		case n < 2:
			by = idleLife
		case n < 50:
			by += rules.Grace
		}
		at := c.clock.now().Add(by)
		c.clock.set(at, func() {
			for _, n := range c.nodes {
				if err := n.SetClock(at.Add(c.skew[n.Name()])); err != nil {
					c.t.Error(err)
				}
			}
		})
		pause(ctx, time.Duration(20+rng.IntN(80))*time.Millisecond)
	}
}

// kills kills a node now and then, and starts it again.
func (c *cluster) kills(ctx context.Context, rng *rand.Rand) {
	for {
		pause(ctx, time.Duration(500+rng.IntN(1500))*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
		n := c.node(rng)
		n.Kill()
		if err := n.Start(); err != nil {
			c.t.Error(err)
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// found is what a run came to.
type found struct {
	mu        sync.Mutex
	histories int
	undecided int // of them
	requests  int
	said      map[said]int
	verbs     map[verb]int
	lag       time.Duration // the longest from an ending to the last token taken
	wrong     []string
}

// run lets users live, some at a time, and checks each one's history, until it
// is told to stop or something is wrong.
func (c *cluster) run(ctx context.Context, seed uint64, disturb ...func(context.Context, *rand.Rand)) *found {
	f := &found{said: map[said]int{}, verbs: map[verb]int{}}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	seeds := rand.New(rand.NewPCG(seed, 0))
	var wg sync.WaitGroup
	for _, fn := range append(disturb, c.walk) {
		rng := rand.New(rand.NewPCG(seeds.Uint64(), 0))
		wg.Go(func() { fn(ctx, rng) })
	}
	const atOnce = 24
	for range atOnce {
		rng := rand.New(rand.NewPCG(seeds.Uint64(), 0))
		wg.Go(func() {
			for ctx.Err() == nil {
				if wrong := c.live(f, rng); wrong != "" {
					f.mu.Lock()
					f.wrong = append(f.wrong, wrong)
					f.mu.Unlock()
					stop()
				}
			}
		})
	}
	wg.Wait()
	return f
}

// live has one user live, and checks the history.
func (c *cluster) live(f *found, rng *rand.Rand) string {
	n := c.users.Add(1)
	email := fmt.Sprintf("user%d@example.com", n)
	if !c.addUser(email) {
		return ""
	}
	a := &asker{recorder: newRecorder(fmt.Sprintf("user %d", n), c.clock), c: c, network: fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)}
	l := &life{asker: a, email: email}
	l.live(rng)
	h := a.history(c.skew)
	wrong, decided := h.check(rules)
	if wrong == "" {
		wrong = h.checkAccess()
	}
	var lag time.Duration
	if wrong == "" {
		wrong, lag = l.settle(h)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.histories++
	if !decided {
		f.undecided++
	}
	f.lag = max(f.lag, lag)
	f.requests += len(h.events)
	for _, e := range h.events {
		f.said[e.answer.said]++
		f.verbs[e.question.verb]++
	}
	return wrong
}

// addUser makes a user; where the store cannot be asked it tries again for a
// while.
func (c *cluster) addUser(email string) bool {
	var err error
	for begin := time.Now(); time.Since(begin) < patience; {
		if _, err = c.operator.ImportUser(context.Background(), email, "", c.hash); err == nil {
			return true
		}
		var refused *auth.Refusal
		if errors.As(err, &refused) {
			return false // a try before, whose outcome was not known, has done it
		}
		pause(context.Background(), 50*time.Millisecond)
	}
	c.t.Error(err)
	return false
}

// report prints what was seen, and fails where histories are wrong.
func (f *found) report(t *testing.T) {
	t.Helper()
	for _, wrong := range f.wrong {
		t.Error(wrong)
	}
	text := ""
	for i, n := range saids {
		text += fmt.Sprintf(" %s %d,", n, f.said[said(i)])
	}
	t.Logf("%d histories, of which %d were not decided, of %d requests:%s a token was taken for %s after its session had ended, at the longest", f.histories, f.undecided, f.requests, text, f.lag.Round(time.Millisecond))
	if f.histories <= 2*f.undecided {
		t.Error("too little was decided")
	}
}

// length is how long a run goes on.
func length(t *testing.T, usual time.Duration) time.Duration {
	switch {
	case os.Getenv("SOAK") != "":
		return 10 * time.Minute
	case testing.Short():
		return usual / 10
	}
	return usual
}

func seedOf(t *testing.T) uint64 {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return seed
}

// restarts stops the database as a crash does, now and then, and starts it again.
func (c *cluster) restarts(db *pgtest.Cluster) func(context.Context, *rand.Rand) {
	return func(ctx context.Context, rng *rand.Rand) {
		for {
			pause(ctx, 3*time.Second+time.Duration(rng.IntN(3000))*time.Millisecond)
			if ctx.Err() != nil {
				return
			}
			err := db.Stop(pgtest.Immediate)
			if err == nil {
				err = db.Start()
			}
			if err != nil {
				c.t.Error(err)
				return
			}
		}
	}
}

// TestPostgres: three nodes, whose clocks are a little apart, on one database.
// Nodes are killed, the database is stopped, and both come back.
func TestPostgres(t *testing.T) {
	db := pgtest.Start(t)
	url, err := db.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, url, 3, 5*time.Second, "")
	ctx, cancel := context.WithTimeout(t.Context(), length(t, 28*time.Second))
	defer cancel()
	c.run(ctx, seedOf(t), c.kills, c.restarts(db)).report(t)
}

// TestSQLite: one node on one file, killed now and then.
func TestSQLite(t *testing.T) {
	c := newCluster(t, "sqlite:"+filepath.Join(t.TempDir(), "doorward.db"), 1, 0, "")
	ctx, cancel := context.WithTimeout(t.Context(), length(t, 24*time.Second))
	defer cancel()
	c.run(ctx, seedOf(t), c.kills).report(t)
}
