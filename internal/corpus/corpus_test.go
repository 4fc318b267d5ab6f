// Package corpus tries `doorward doctor` on stacks that refuse: one file of
// testdata each, which README.md tells how to write. The score is printed even
// where it is good enough.
package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	leastScore     = 95 // percent
	medianRequests = 6
	mostRequests   = 12
)

// result is what came of a scenario.
type result struct {
	scenario *scenario
	grade    grade
	said     string
	requests int
	took     time.Duration
	faults   []string // of the doctor's manners: they fail, whatever the score
}

func load(t *testing.T) []*scenario {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("there is no corpus (%v)", err)
	}
	var all []*scenario
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parse(strings.TrimSuffix(filepath.Base(name), ".txt"), data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all = append(all, s)
	}
	return all
}

// TestCorpus runs them all. With -v or SCENARIO=NAME it shows what was said.
func TestCorpus(t *testing.T) {
	all := load(t)
	if only := os.Getenv("SCENARIO"); only != "" {
		all = slices.DeleteFunc(all, func(s *scenario) bool { return !like(only, s.name) })
	}
	binary := build(t)
	results := make([]*result, len(all))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4*runtime.NumCPU())
	for i, s := range all {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r, err := run(t, binary, s)
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			results[i] = r
		})
	}
	wg.Wait()
	results = slices.DeleteFunc(results, func(r *result) bool { return r == nil })
	judgeAll(t, results)
}

// build makes the command; DOCTOR names another one to try.
func build(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("DOCTOR"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "doorward")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/doorward")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// run plays a scenario twice: for programs and for people.
func run(t *testing.T, binary string, s *scenario) (*result, error) {
	st, err := s.setUp()
	if err != nil {
		return nil, err
	}
	defer st.close()
	dir := t.TempDir()
	args, stdin, err := st.input(s, dir)
	if err != nil {
		return nil, err
	}
	for _, h := range st.hosts {
		go h.serve()
	}
	r := &result{scenario: s}
	report := filepath.Join(dir, "report.html")
	begun := time.Now()
	said, err := command(t.Context(), binary, dir, slices.Concat([]string{"doctor", "--json", "--report", report}, args), stdin)
	r.took = time.Since(begun)
	if err != nil {
		return nil, err
	}
	found, err := readDiagnosis(said.stdout)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s%s", err, said.stdout, said.stderr)
	}
	var reason string
	r.grade, reason = s.expect.judge(found)
	r.said = fmt.Sprint(found)
	if reason != "" {
		r.said += ": " + reason
	}
	if os.Getenv("SCENARIO") != "" {
		t.Logf("%s\n%s%s", s.name, said.stdout, said.stderr)
	}
	if healthy := found[0].Cause == "NONE"; healthy != (said.status == 0) {
		r.faults = append(r.faults, fmt.Sprintf("%s, with exit status %d", found[0].Cause, said.status))
	}
	html, err := os.ReadFile(report)
	if err != nil {
		r.faults = append(r.faults, "no report: "+err.Error())
	}
	arrived, err := st.arrivals()
	if err != nil {
		return nil, err
	}
	r.requests = len(arrived)
	st.manners(r, s, arrived, map[string][]byte{"standard output": said.stdout, "standard error": said.stderr, "the report": html})

	for _, h := range st.hosts {
		h.reset()
	}
	said, err = command(t.Context(), binary, dir, slices.Concat([]string{"doctor"}, args), stdin)
	if err != nil {
		return nil, err
	}
	if cause := found[0].Cause; familyOf[cause] != familyOf["NONE"] && familyOf[cause] != familyOf["UNKNOWN"] && !bytes.Contains(said.stdout, []byte(cause)) {
		r.faults = append(r.faults, "for people it does not name the cause")
	}
	if os.Getenv("SCENARIO") != "" {
		t.Logf("%s%s", said.stdout, said.stderr)
	}
	if arrived, err = st.arrivals(); err != nil {
		return nil, err
	}
	st.manners(r, s, arrived, map[string][]byte{"standard output for people": said.stdout, "standard error for people": said.stderr})
	return r, nil
}

// input is what follows `doorward doctor`.
func (st *stage) input(s *scenario, dir string) (args []string, stdin string, err error) {
	// A token may hold what ends a line: the lines are split before it is put in.
	words, err := words(s.args)
	if err != nil {
		return nil, "", err
	}
	if s.text != "" {
		words = append(words, s.text)
	}
	var texts []string
	for _, text := range append(words, s.stdin, s.har, s.netrc) {
		filled, err := st.fill(text)
		if err != nil {
			return nil, "", err
		}
		texts = append(texts, filled)
	}
	args, texts = texts[:len(words):len(words)], texts[len(words):]
	stdin, exchanges, netrc := texts[0], texts[1], texts[2]
	if s.har != "" {
		path := filepath.Join(dir, "recorded.har")
		har, err := writeHAR(st, s.style, exchanges)
		if err != nil {
			return nil, "", err
		}
		if err := os.WriteFile(path, har, 0o600); err != nil {
			return nil, "", err
		}
		args = append(args, "--har", path)
	}
	if err := os.WriteFile(filepath.Join(dir, ".netrc"), []byte(netrc), 0o600); err != nil {
		return nil, "", err
	}
	ca, err := certificatePEM()
	if err != nil {
		return nil, "", err
	}
	return args, stdin, os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600)
}

func (st *stage) arrivals() (all []arrival, err error) {
	for _, name := range slices.Sorted(maps.Keys(st.hosts)) {
		list, fault := st.hosts[name].arrivals()
		all, err = append(all, list...), errors.Join(err, fault)
	}
	return all, err
}

// manners looks at what the doctor must not do, whatever it finds.
func (st *stage) manners(r *result, s *scenario, arrived []arrival, written map[string][]byte) {
	st.mu.Lock()
	defer st.mu.Unlock()
	given := s.args + s.text + s.stdin + s.har
	for _, a := range arrived {
		if !slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, a.method) && !strings.Contains(given, "--send") {
			r.faults = append(r.faults, fmt.Sprintf("%s %s was sent, and nobody asked for it", a.method, a.path))
		}
		name := a.host.decl.name
		if strings.Contains(given, "@{"+name+"}") || strings.Contains(given, "@{"+name+".") {
			continue // an origin that the input names
		}
		for _, c := range st.canaries {
			if strings.Contains(a.raw, c) {
				r.faults = append(r.faults, fmt.Sprintf("a credential was sent to %s, which the input does not name", name))
				break
			}
		}
	}
	for where, text := range written {
		for _, c := range st.canaries {
			if bytes.Contains(text, []byte(c)) {
				r.faults = append(r.faults, "a credential is in "+where)
				break
			}
		}
	}
}

// spoken is what a command said.
type spoken struct {
	stdout, stderr []byte
	status         int
}

func command(ctx context.Context, binary, dir string, args []string, stdin string) (spoken, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	// What is not on loopback goes by a proxy, and there is none.
	cmd.Env = []string{
		"HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9",
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "SSL_CERT_FILE=" + filepath.Join(dir, "ca.pem"), "SSL_CERT_DIR=" + dir,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return spoken{}, err
	}
	status := cmd.ProcessState.ExitCode()
	if status != 0 && status != 1 {
		return spoken{}, fmt.Errorf("exit status %d\n%s%s", status, &stdout, &stderr)
	}
	return spoken{stdout.Bytes(), stderr.Bytes(), status}, nil
}

// judgeAll fails for a fault of manners and for a wrong cause with certainty,
// whatever the score; and for the score.
func judgeAll(t *testing.T, results []*result) {
	if len(results) == 0 {
		t.Fatal("nothing was run")
	}
	table := map[string]*[grades]int{}
	var requests []int
	var took []time.Duration
	for _, r := range results {
		for _, name := range []string{r.scenario.family(), "all"} {
			if table[name] == nil {
				table[name] = new([grades]int)
			}
			table[name][r.grade]++
		}
		requests, took = append(requests, r.requests), append(took, r.took)
		if r.grade >= unknown {
			text := fmt.Sprintf("%s: %v: expected %s, said %s", r.scenario.name, r.grade, strings.Join(r.scenario.expect.equal, "/"), r.said)
			if r.grade == wrongCertain {
				t.Error(text)
			} else {
				fmt.Println(text)
			}
		}
		for _, fault := range r.faults {
			t.Errorf("%s: %s", r.scenario.name, fault)
		}
		if r.requests > mostRequests {
			t.Errorf("%s: %d requests, want %d at most", r.scenario.name, r.requests, mostRequests)
		}
	}
	slices.Sort(requests)
	slices.Sort(took)
	all := table["all"]
	score := 100 * float64(all[right]+all[likelyOnly]) / float64(len(results))
	middle := len(results) / 2
	fmt.Print(scoreTable(table))
	fmt.Printf("doctor: %.1f %% of %d scenarios right; requests: median %d, most %d; time: median %v, longest %v\n\n",
		score, len(results), requests[middle], requests[len(results)-1],
		took[middle].Round(time.Millisecond), took[len(results)-1].Round(time.Millisecond))
	if score < leastScore {
		t.Errorf("the score is %.1f %%, want %d %% at least", score, leastScore)
	}
	if requests[middle] > medianRequests {
		t.Errorf("the median is %d requests, want %d at most", requests[middle], medianRequests)
	}
}

func scoreTable(table map[string]*[grades]int) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\t")
	for g := range grades {
		fmt.Fprintf(w, "%v\t", g)
	}
	fmt.Fprintln(w)
	for _, name := range append(slices.Sorted(maps.Keys(vocabulary)), "all") {
		row := table[name]
		if row == nil {
			continue
		}
		fmt.Fprintf(w, "%s\t", name)
		for _, n := range row {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // to a Builder
	return b.String()
}
