package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	_ "modernc.org/sqlite" // the driver, as the floor of a commit

	"github.com/doorward/doorward/internal/hashpool"
	"github.com/doorward/doorward/internal/password"
	"github.com/doorward/doorward/internal/secret"
	"github.com/doorward/doorward/server"
)

// actServer is the process of the server under test. It does what it is asked
// for over its standard input until that ends.
func actServer(stdin io.ReadCloser, stdout io.WriteCloser, stderr io.Writer) int {
	signal.Ignore(os.Interrupt) // a terminal sends it to the bench too, which ends this
	t := &tested{log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	control := rpc.NewServer()
	if err := control.RegisterName("Server", t); err != nil {
		t.log.Error(err.Error())
		return 1
	}
	control.ServeConn(pipe{stdin, stdout})
	if err := t.close(); err != nil {
		t.log.Error(err.Error())
		return 1
	}
	return 0
}

// tested is the server under test and what it is compared with.
type tested struct {
	log     *slog.Logger
	closers []func() error // the last first
	commits *sql.DB
	profile *os.File // nil while none is written
}

func (t *tested) onClose(f func() error) { t.closers = append(t.closers, f) }

func (t *tested) close() (err error) {
	for i := len(t.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, t.closers[i]())
	}
	return err
}

// Setup is what a server starts with.
type Setup struct {
	Store     string // as openStore wants it
	MasterKey string
	Beside    string // a directory for the floor's own database
}

// Start starts the server as the command doorward serve does, with the routes
// to compare beside its own, and returns its address.
func (t *tested) Start(in Setup, address *string) error {
	ctx, cancel := context.WithCancel(context.Background())
	t.onClose(func() error { cancel(); return nil })
	store, err := openStore(ctx, in.Store)
	if err != nil {
		return err
	}
	t.onClose(store.Close)
	workers := hashpool.Workers()
	runtime.GOMAXPROCS(hashpool.Procs(workers))
	debug.SetGCPercent(server.GCPercent)
	srv, err := server.New(ctx, server.Config{
		Store: store, MasterKey: in.MasterKey, Issuer: issuer, HashWorkers: workers, Log: t.log,
	})
	if err != nil {
		return err
	}
	t.onClose(func() error { srv.Close(); return nil })
	context.AfterFunc(ctx, srv.EndStreams)
	mux, err := routes(srv)
	if err != nil {
		return err
	}
	if t.commits, err = openCommits(filepath.Join(in.Beside, "commits.db")); err != nil {
		return err
	}
	t.onClose(t.commits.Close)
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	*address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l, mux, t.log) }()
	t.onClose(func() error { cancel(); return <-served })
	return nil
}

// Profile writes a CPU profile of what is done until it is called again.
func (t *tested) Profile(path string, _ *struct{}) error {
	if t.profile != nil {
		pprof.StopCPUProfile()
		err := t.profile.Close()
		t.profile = nil
		return err
	}
	var err error
	if t.profile, err = os.Create(path); err != nil {
		return err
	}
	return pprof.StartCPUProfile(t.profile)
}

// answer is what each of the compared routes answers with.
const answer = `{"message":"Access granted"}`

// routes adds to the server's own routes a guarded one and bare ones: one that
// only answers, one that checks a signature and one that makes one.
func routes(srv *server.Server) (http.Handler, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	check, err := signatureChecks(key)
	if err != nil {
		return nil, err
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer) // a caller that is gone needs no answer
	})
	mux := http.NewServeMux()
	mux.Handle("/", srv)
	mux.Handle("GET /bare", bare)
	mux.Handle("GET /guarded", srv.Guard().Handler(bare))
	mux.HandleFunc("GET /checked", func(w http.ResponseWriter, r *http.Request) {
		if !check() {
			http.Error(w, "the signature is wrong", http.StatusInternalServerError)
			return
		}
		bare(w, r)
	})
	mux.HandleFunc("POST /signed", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			digest := sha256.Sum256(body)
			_, err = ecdsa.SignASN1(rand.Reader, key, digest[:])
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		bare(w, r)
	})
	return mux, nil
}

// signatureChecks returns a function that checks one of many ES256 signatures
// on digests that are there already: what is left of verifying a token if
// nothing is read of it.
func signatureChecks(key *ecdsa.PrivateKey) (check func() bool, err error) {
	type signed struct{ digest, signature []byte }
	all := make([]signed, 1024)
	for i := range all {
		digest := secret.Random(sha256.Size)
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		all[i] = signed{digest, signature}
	}
	var turn atomic.Uint64
	return func() bool {
		s := all[turn.Add(1)%uint64(len(all))]
		return ecdsa.VerifyASN1(&key.PublicKey, s.digest, s.signature)
	}, nil
}

// Usage returns what the process has used so far.
func (t *tested) Usage(_ struct{}, out *Usage) (err error) {
	*out, err = ownUsage()
	return err
}

// Work asks for a floor.
type Work struct {
	Parallel int
	For      time.Duration
}

// Done says what became of it.
type Done struct {
	N    int
	Wall time.Duration
}

// Hash computes Argon2id with the server's parameters, by the function that
// everybody has.
func (t *tested) Hash(in Work, out *Done) error {
	p := password.DefaultParams
	salt := secret.Random(password.SaltSize)
	return in.do(out, func() error {
		argon2.IDKey([]byte(accountPassword), salt, uint32(p.Time), uint32(p.Memory), uint8(p.Parallelism), 32)
		return nil
	})
}

// Commit changes one row in a durable transaction, by the driver that
// database/sql has for SQLite.
func (t *tested) Commit(in Work, out *Done) error {
	ctx := context.Background()
	update, err := t.commits.PrepareContext(ctx, "UPDATE t SET n = n + 1 WHERE id = ?")
	if err != nil {
		return err
	}
	defer update.Close() //nolint:errcheck // what it did is committed
	id := 0
	return in.do(out, func() error {
		id = id%commitRows + 1
		_, err := update.ExecContext(ctx, id)
		return err
	})
}

// do works until the time is over, and lets what has begun come to its end.
func (w Work) do(out *Done, work func() error) error {
	counts := make([]int, w.Parallel)
	wrong := make([]error, w.Parallel)
	begun := time.Now()
	var wg sync.WaitGroup
	for i := range w.Parallel {
		wg.Go(func() {
			for time.Since(begun) < w.For && wrong[i] == nil {
				wrong[i] = work()
				counts[i]++
			}
		})
	}
	wg.Wait()
	out.Wall = time.Since(begun)
	for _, n := range counts {
		out.N += n
	}
	return errors.Join(wrong...)
}

const commitRows = 1000

// openCommits makes a database with a table of a thousand rows, as durable as
// the server's: each commit is on the disk before it returns.
func openCommits(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(context.Background(), fmt.Sprintf(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, rest BLOB NOT NULL);
		WITH RECURSIVE i(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM i WHERE id < %d)
		INSERT INTO t SELECT id, 0, randomblob(100) FROM i`, commitRows))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
