package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward"
	"github.com/doorward/doorward/guard"
	"github.com/doorward/doorward/internal/apikey"
	"github.com/doorward/doorward/internal/auth"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/internal/ulid"
	"github.com/doorward/doorward/server"
)

// The scripts in testdata are the conversations that the server promises.
//
// A script is a list of exchanges, each a request and, below a line "---", what
// must come back; a line "===" ends an exchange. Of an answer the status, the
// named header fields and the named members are compared: "*" stands for
// anything, "" for nothing, "=name" keeps the value for ${name} later on. A
// line that begins with "@" acts on the server: @user EMAIL, @suspend EMAIL,
// @activate EMAIL, @deactivate EMAIL, @apikey NAME LIFE SCOPE..., which keeps the
// key for ${NAME}, @revoke NAME, @advance DURATION, @restart, @break, @mend.
// Lines that begin with "#" are for the reader.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			h := newHouse(t)
			h.run(t, string(text))
			h.lookForSecrets(t)
		})
	}
}

// TestEveryDenialHasAScript: a code that the server can answer is made to
// happen in some script.
func TestEveryDenialHasAScript(t *testing.T) {
	// What only a guard says, or what nothing asks for yet.
	elsewhere := map[doorward.Code]string{
		doorward.ValidationFailed: "a guard's, for tokens of another service; package guard tests it",
		doorward.TokenNotActive:   "no server signs such a token; package verify has vectors",
		doorward.MFARequired:      "there is no second factor yet",
		doorward.StepUpRequired:   "a guard's; package guard tests it",
	}
	scripts, _ := filepath.Glob("testdata/*.txt")
	var all strings.Builder
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, info := range doorward.Codes() {
		_, excused := elsewhere[info.Code]
		if scripted := strings.Contains(all.String(), `"`+string(info.Code)+`"`); scripted == excused {
			t.Errorf("%s: in a script: %v, excused: %v", info.Code, scripted, excused)
		}
	}
}

const testPassword = "correct horse battery staple"

// house is a server that a script acts on.
type house struct {
	place   string
	master  string
	store   auth.Store
	broken  *breakable
	server  *server.Server
	web     *httptest.Server
	offset  atomic.Int64
	vars    map[string]string
	secrets []string
	printed bytes.Buffer // all that was logged
	log     *slog.Logger
	config  func(*server.Config)
	closed  bool
}

// breakable is a real store that can be taken out of reach.
type breakable struct {
	auth.Store
	down  atomic.Bool
	looks atomic.Int64 // how often it was read
	deaf  atomic.Bool  // whether nothing is heard of the log
}

var errDown = fmt.Errorf("the disk is out of reach")

func (b *breakable) Follow(ctx context.Context, after int64, apply func([]auth.Revocation)) error {
	if b.deaf.Load() {
		<-ctx.Done()
		return nil
	}
	return b.Store.Follow(ctx, after, apply)
}

func (b *breakable) View(ctx context.Context, fn func(auth.Tx) error) error {
	if b.looks.Add(1); b.down.Load() {
		return errDown
	}
	return b.Store.View(ctx, fn)
}

func (b *breakable) Update(ctx context.Context, fn func(auth.Tx) error) error {
	if b.down.Load() {
		return errDown
	}
	return b.Store.Update(ctx, fn)
}

func (b *breakable) ReadSession(ctx context.Context, id ulid.ID) (auth.Standing, error) {
	if b.down.Load() {
		return auth.Standing{}, errDown
	}
	return b.Store.ReadSession(ctx, id)
}

func (b *breakable) Check(ctx context.Context) error {
	if b.down.Load() {
		return errDown
	}
	return b.Store.Check(ctx)
}

func newHouse(t *testing.T, options ...func(*server.Config)) *house {
	t.Helper()
	h := &house{
		place: emptyPlace(t), master: secret.NewMasterKey().Reveal(),
		vars: map[string]string{"password": testPassword, "large": strings.Repeat("x", 64<<10)},
	}
	h.log = slog.New(slog.NewJSONHandler(&h.printed, nil))
	h.config = func(c *server.Config) {
		for _, option := range options {
			option(c)
		}
	}
	h.web = httptest.NewUnstartedServer(nil)
	h.start(t)
	h.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		says := func(message string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]string{"message": message, "by": guard.PrincipalFrom(r.Context()).Name})
			})
		}
		switch r.URL.Path {
		case "/api/profile":
			h.server.Guard().Handler(says("Profile data")).ServeHTTP(w, r)
		case "/api/reports":
			h.server.Guard().Require("reports:read")(says("Reports")).ServeHTTP(w, r)
		case "/api/strict":
			h.server.Guard().Need(guard.Need{Strict: true})(says("Strict")).ServeHTTP(w, r)
		default:
			h.server.ServeHTTP(w, r)
		}
	})
	h.web.Start()
	t.Cleanup(func() { h.close(t) })
	return h
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.offset.Load())) }

func (h *house) settings() server.Config {
	cfg := server.Config{
		Store: h.broken, MasterKey: h.master, Issuer: "http://" + h.web.Listener.Addr().String(),
		Signup: true, AllowedOrigins: []string{"https://app.example.com"},
		Now: h.now, Log: h.log, Node: "test",
	}
	h.config(&cfg)
	return cfg
}

func (h *house) start(t *testing.T) {
	t.Helper()
	var err error
	if h.store, err = openStore(t.Context(), h.place); err != nil {
		t.Fatal(err)
	}
	h.broken = &breakable{Store: h.store}
	if h.server, err = server.New(t.Context(), h.settings()); err != nil {
		t.Fatal(err)
	}
}

func (h *house) close(t *testing.T) {
	t.Helper()
	if !h.closed {
		h.closed = true
		h.web.Close()
		h.stop(t)
	}
}

func (h *house) stop(t *testing.T) {
	t.Helper()
	h.server.Close()
	if err := h.store.Close(); err != nil {
		t.Error(err)
	}
}

// operate does what an operator's command does: beside the server, on a
// handle of its own.
func (h *house) operate(t *testing.T, act func(context.Context, *auth.Auth) error) {
	t.Helper()
	h.operateBy(t, func(c *server.Config) {}, act)
}

func (h *house) operateBy(t *testing.T, change func(*server.Config), act func(context.Context, *auth.Auth) error) {
	t.Helper()
	beside, err := openStore(t.Context(), h.place)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	cfg := h.settings()
	cfg.Store = struct{ auth.Store }{beside} // without its clock: the test sets the time
	change(&cfg)
	stories, done, err := server.Operate(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := act(t.Context(), stories); err != nil {
		t.Fatal(err)
	}
}

func (h *house) run(t *testing.T, script string) {
	t.Helper()
	for i, part := range strings.Split(script, "\n===\n") {
		var lines []string
		for line := range strings.Lines(part) {
			line = strings.TrimRight(line, "\n")
			switch {
			case strings.HasPrefix(line, "#"):
			case strings.HasPrefix(line, "@"):
				h.act(t, strings.Fields(line[1:]))
			default:
				lines = append(lines, line)
			}
		}
		exchange := strings.TrimSpace(strings.Join(lines, "\n"))
		if exchange == "" {
			continue
		}
		ask, want, ok := strings.Cut(exchange, "\n---\n")
		if !ok {
			t.Fatalf("exchange %d has no answer: %s", i+1, exchange)
		}
		h.exchange(t, i+1, h.expand(ask), h.expand(want))
	}
}

func (h *house) act(t *testing.T, words []string) {
	t.Helper()
	arg := func() string {
		if len(words) != 2 {
			t.Fatalf("@%s needs one word behind it", words[0])
		}
		return words[1]
	}
	switch words[0] {
	case "user":
		h.operate(t, func(ctx context.Context, a *auth.Auth) error {
			_, err := a.AddUser(ctx, auth.SignupRequest{Email: arg(), Name: "Ada", Password: secret.New(testPassword)})
			return err
		})
	case "suspend":
		h.operate(t, func(ctx context.Context, a *auth.Auth) error { _, err := a.Suspend(ctx, arg()); return err })
	case "deactivate":
		h.operate(t, func(ctx context.Context, a *auth.Auth) error {
			_, err := a.Deactivate(ctx, arg(), auth.ByUser)
			return err
		})
	case "activate":
		h.operate(t, func(ctx context.Context, a *auth.Auth) error { _, err := a.Activate(ctx, arg()); return err })
	case "apikey":
		h.apiKey(t, words[1], words[2], words[3:]...)
	case "revoke":
		h.revoke(t, h.vars[arg()])
	case "advance":
		d, err := time.ParseDuration(arg())
		if err != nil {
			t.Fatal(err)
		}
		h.offset.Add(int64(d))
	case "restart":
		h.stop(t)
		h.start(t)
	case "break":
		h.broken.down.Store(true)
	case "mend":
		h.broken.down.Store(false)
	default:
		t.Fatalf("unknown action @%s", words[0])
	}
}

// apiKey makes a key and keeps it under its name.
func (h *house) apiKey(t *testing.T, name, life string, scopes ...string) string {
	t.Helper()
	d, err := time.ParseDuration(life)
	if err != nil {
		t.Fatal(err)
	}
	h.operate(t, func(ctx context.Context, a *auth.Auth) error {
		_, text, err := a.CreateAPIKey(ctx, name, scopes, d)
		h.vars[name] = text.Reveal()
		return err
	})
	h.secrets = append(h.secrets, h.vars[name])
	return h.vars[name]
}

// revoke ends a key, beside the server.
func (h *house) revoke(t *testing.T, key string) {
	t.Helper()
	id, _, err := apikey.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	h.operate(t, func(ctx context.Context, a *auth.Auth) error { _, err := a.RevokeAPIKey(ctx, id); return err })
}

var variable = regexp.MustCompile(`\$\{(\w+)\}`)

func (h *house) expand(s string) string {
	return variable.ReplaceAllStringFunc(s, func(m string) string { return h.vars[variable.FindStringSubmatch(m)[1]] })
}

// eventually is how long the server may take to see what was committed beside
// it. It promises one second; a busy machine gets more.
const eventually = 10 * time.Second

func (h *house) exchange(t *testing.T, n int, ask, want string) {
	t.Helper()
	ask, patient := strings.CutPrefix(ask, "eventually ")
	head, body, _ := strings.Cut(ask, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("exchange %d: %q is no request line", n, lines[0])
	}
	wantHead, wantBody, _ := strings.Cut(want, "\n\n")
	wantLines := strings.Split(wantHead, "\n")
	if last := wantLines[len(wantLines)-1]; strings.HasPrefix(last, "{") {
		wantBody, wantLines = last, wantLines[:len(wantLines)-1]
	}
	resp, got := h.send(t, method, path, lines[1:], body)
	for begin := time.Now(); patient && fmt.Sprint(resp.StatusCode) != wantLines[0] && time.Since(begin) < eventually; {
		resp, got = h.send(t, method, path, lines[1:], body)
	}
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("exchange %d, %s:\n%s\ngot %d %s %s", n, lines[0], fmt.Sprintf(format, args...), resp.StatusCode, got, resp.Header)
	}
	if status, _ := strconv.Atoi(wantLines[0]); status != resp.StatusCode {
		fail("want status %s", wantLines[0])
	}
	for _, line := range wantLines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if !h.match(strings.TrimSpace(value), resp.Header.Get(name)) {
			fail("want the field %s", line)
		}
	}
	if wantBody != "" {
		var w, g any
		if err := json.Unmarshal([]byte(wantBody), &w); err != nil {
			t.Fatalf("exchange %d: %v in %s", n, err, wantBody)
		}
		if err := json.Unmarshal(got, &g); err != nil {
			fail("want JSON: %v", err)
		} else if diff := h.differ("", w, g); diff != "" {
			fail("%s", diff)
		}
	}
	if resp.StatusCode >= 400 {
		checkProblem(t, resp, got)
	}
}

func (h *house) send(t *testing.T, method, path string, fields []string, body string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.web.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ":")
		if value = strings.TrimSpace(value); name == "Content-Type" {
			req.Header.Del(name)
		}
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

// match compares a text with what a script wants of it.
func (h *house) match(want, got string) bool {
	if name, ok := strings.CutPrefix(want, "="); ok {
		h.vars[name] = got
		if len(got) > 40 {
			h.secrets = append(h.secrets, got)
		}
		return got != ""
	}
	if part, ok := strings.CutSuffix(want, "*"); ok {
		return strings.HasPrefix(got, part) && (got != "" || part == "")
	}
	return want == got
}

// differ says where an answer is not what a script wants, or "".
func (h *house) differ(at string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: want an object, got %v", at, got)
		}
		for name, wv := range w {
			gv, there := g[name]
			if wv == nil {
				if there {
					return fmt.Sprintf("%s.%s: want none, got %v", at, name, gv)
				}
				continue
			}
			if diff := h.differ(at+"."+name, wv, gv); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: want %d elements, got %v", at, len(w), got)
		}
		for i := range w {
			if diff := h.differ(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]); diff != "" {
				return diff
			}
		}
		return ""
	case string:
		if g, ok := got.(string); ok && h.match(w, g) {
			return ""
		}
	default:
		if reflect.DeepEqual(want, got) {
			return ""
		}
	}
	return fmt.Sprintf("%s: want %v, got %v", at, want, got)
}

// checkProblem holds every refusal to the one shape.
func checkProblem(t *testing.T, resp *http.Response, body []byte) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Code, Instance, Error, Message string
		Status                                              int
	}
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("a refusal is no JSON: %v: %s", err, body)
	}
	info, ok := doorward.Code(p.Code).Info()
	if !ok {
		t.Fatalf("unknown code in %s", body)
	}
	challenge := resp.Header.Get("WWW-Authenticate")
	for what, good := range map[string]bool{
		"content type":  resp.Header.Get("Content-Type") == "application/problem+json",
		"no-store":      resp.Header.Get("Cache-Control") == "no-store",
		"status":        p.Status == resp.StatusCode && p.Status == info.Status,
		"type":          strings.HasSuffix(p.Type, "/errors/"+p.Code),
		"title":         p.Title == info.Title() && p.Error == p.Title,
		"message":       p.Message == p.Detail && p.Detail != "",
		"id":            (info.Class == doorward.ClassInput) == (p.Instance == "") && p.Instance == resp.Header.Get("Doorward-Denial"),
		"challenge":     (challenge != "") == info.Challenged(),
		"error":         (info.Error != "") == strings.Contains(challenge, `error="`+info.Error+`"`) || info.Error == "" && !strings.Contains(challenge, "error="),
		"retry":         (resp.StatusCode == 429 || resp.StatusCode == 503) == (resp.Header.Get("Retry-After") != ""),
		"no stack here": !bytes.Contains(body, []byte("goroutine")),
	} {
		if !good {
			t.Errorf("the %s of a refusal is not right: %s %v", what, body, resp.Header)
		}
	}
}

// lookForSecrets looks for what was handed out in all that was logged and kept.
func (h *house) lookForSecrets(t *testing.T) {
	t.Helper()
	h.close(t)
	kept := h.printed.String()
	h.view(t, func(tx auth.Tx) error {
		records, err := tx.Denials(auth.DenialQuery{Limit: 1000})
		if err != nil {
			return err
		}
		events, err := tx.Events(ulid.ID{}, ulid.ID{}, 1000)
		if err != nil {
			return err
		}
		text, err := json.Marshal([]any{records, events})
		kept += string(text)
		return err
	})
	for _, s := range append(h.secrets, testPassword, h.master) {
		if strings.Contains(kept, s) {
			t.Errorf("a secret of %d bytes was written down", len(s))
		}
	}
}

// denials returns how many were kept and how many counted.
func (h *house) denials(t *testing.T) (kept, counted int) {
	t.Helper()
	h.view(t, func(tx auth.Tx) error {
		records, err := tx.Denials(auth.DenialQuery{Limit: 100_000})
		if err != nil {
			return err
		}
		kept, counted = len(records), 0
		for minute := h.now().Add(-5 * time.Minute).Truncate(time.Minute); minute.Before(h.now()); minute = minute.Add(time.Minute) {
			floods, err := tx.Floods(minute)
			if err != nil {
				return err
			}
			for _, f := range floods {
				counted += int(f.Count)
			}
		}
		return nil
	})
	return kept, counted
}

// view looks into the store of a server that has stopped.
func (h *house) view(t *testing.T, fn func(auth.Tx) error) {
	t.Helper()
	store, err := openStore(t.Context(), h.place)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
