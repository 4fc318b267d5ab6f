package hashpool

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/argon2"
)

// clientEnv makes this test binary the client of BenchmarkFlood: a program of
// its own, so that what it measures is not its own scheduling.
const clientEnv = "HASHPOOL_FLOOD_CLIENT"

func TestMain(m *testing.M) {
	if spec := os.Getenv(clientEnv); spec != "" {
		if err := client(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func hash() error {
	argon2.Sum(argon2.ID, []byte("correct horse battery staple"), []byte("0123456789abcdef"), argon2.Cost{Memory: 19456, Time: 2, Lanes: 1}, 32)
	return nil
}

// flood keeps the queue of p full until it is told to stop.
func flood(p *Pool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range MaxQueue {
		all.Go(func() {
			for ctx.Err() == nil {
				_ = p.Do(ctx, hash)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// guarded is about the work of a guarded route: who is asked for by the digest
// of a token, and a small JSON answer.
func guarded() http.Handler {
	known := map[[sha256.Size]byte]string{sha256.Sum256([]byte("Bearer token")): "01JD0000000000000000000000"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := known[sha256.Sum256([]byte(r.Header.Get("Authorization")))]
		if !ok {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"sub": who})
	})
}

// BenchmarkFlood measures a server that answers guarded requests, as many as
// it can or 10,000 a second, while more logins come than it can hash. The
// client runs on the same machine.
func BenchmarkFlood(b *testing.B) {
	workers := Workers()
	for _, setup := range []struct {
		name    string
		workers int // none: no flood
		procs   int // GOMAXPROCS
		prepare func()
	}{
		{"none", 0, workers, nil},
		{"pool", workers, Procs(workers), lowerPriority},
		{"same-procs", workers, workers, lowerPriority},
		{"same-priority", workers, Procs(workers), nothing},
		{"neither", workers, workers, nothing},
	} {
		for _, rate := range []int{0, 10_000} {
			name := setup.name + "/rate=max"
			if rate > 0 {
				name = setup.name + "/rate=" + strconv.Itoa(rate)
			}
			b.Run(name, func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(setup.procs))
				var p *Pool
				if setup.workers > 0 {
					p = start(setup.workers, setup.prepare)
					defer p.Close()
					defer flood(p)()
				}
				server := http.Server{Handler: guarded(), ReadHeaderTimeout: time.Minute}
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				go func() { _ = server.Serve(listener) }()
				defer server.Close()
				for b.Loop() {
					measure(b, listener.Addr().String(), rate, p)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func measure(b *testing.B, address string, rate int, p *Pool) {
	const lasting = 3 * time.Second
	var before Stats
	if p != nil {
		before = p.Stats()
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", clientEnv, address, rate, lasting), "GOGC=400")
	begun := time.Now()
	out, err := command.Output()
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(begun)
	for field := range strings.FieldsSeq(string(out)) {
		name, value, _ := strings.Cut(field, "=")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			b.Fatalf("the client said %q", out)
		}
		b.ReportMetric(n, name)
	}
	if p != nil {
		b.ReportMetric(float64(p.Stats().Done-before.Done)/took.Seconds(), "hashes/s")
	}
}

// client asks for as long as spec says, on 32 connections: one request after
// the other, or at a rate, each then timed from when it was due.
func client(spec string) error {
	var address, text string
	var rate int
	if _, err := fmt.Sscan(spec, &address, &rate, &text); err != nil {
		return err
	}
	lasting, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	const connections = 32
	var all []time.Duration
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	begun := time.Now()
	for i := range connections {
		wg.Go(func() {
			var period, offset time.Duration
			if rate > 0 {
				period = time.Second * connections / time.Duration(rate)
				offset = period * time.Duration(i) / connections
			}
			times, err := ask(address, begun.Add(offset), begun.Add(lasting), period)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, times...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	slices.Sort(all)
	at := func(part float64) float64 {
		return float64(all[int(part*float64(len(all)-1))]) / float64(time.Millisecond)
	}
	_, err = fmt.Printf("req/s=%.0f p50-ms=%.2f p99-ms=%.2f p99.9-ms=%.2f\n", float64(len(all))/lasting.Seconds(), at(.5), at(.99), at(.999))
	return err
}

func ask(address string, next, end time.Time, period time.Duration) (times []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	request := []byte("GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\n\r\n")
	for {
		if period == 0 {
			next = time.Now()
		}
		time.Sleep(time.Until(next))
		if !next.Before(end) {
			return times, nil
		}
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("status %d: %w", answer.StatusCode, err)
		}
		times = append(times, time.Since(next))
		next = next.Add(period)
	}
}

// BenchmarkLogin compares hashing in the pool with hashing without, on an
// otherwise idle machine.
func BenchmarkLogin(b *testing.B) {
	workers := Workers()
	report := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s") }
	b.Run("bare", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = hash()
			}
		})
		report(b)
	})
	b.Run("pool", func(b *testing.B) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(Procs(workers)))
		p := New(workers)
		defer p.Close()
		b.SetParallelism(4)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := p.Do(context.Background(), hash); err != nil {
					b.Error(err)
				}
			}
		})
		report(b)
	})
}
