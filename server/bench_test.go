//go:build unix

package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/doorwardtest"
)

// BenchmarkRefresh is a durable refresh without the network, each goroutine
// with a session of its own. bench/ measures it from outside.
func BenchmarkRefresh(b *testing.B) {
	const parallelism = 16
	srv := doorwardtest.New(b)
	tokens := make(chan string, parallelism*runtime.GOMAXPROCS(0))
	for i := range cap(tokens) {
		tokens <- srv.Login(b, fmt.Sprintf("user%d", i)).RefreshToken
	}
	b.Run("sqlite", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(parallelism)
		b.ResetTimer()
		used := cpu()
		b.RunParallel(func(pb *testing.PB) {
			token := <-tokens
			for pb.Next() {
				token = refresh(b, srv, token)
			}
			tokens <- token
		})
		b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(b.N), "µs-cpu/op")
	})
}

// cpu returns the processor time of this process so far.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func refresh(b *testing.B, srv *doorwardtest.Server, token string) string {
	r := httptest.NewRequest(http.MethodPost, "/auth/refresh", strings.NewReader(`{"refreshToken":"`+token+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "key")
	w := httptest.NewRecorder()
	srv.Handler().ServeHTTP(w, r)
	var answer struct{ RefreshToken string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		b.Fatal(w.Code, err)
	}
	return answer.RefreshToken
}

// BenchmarkIntrospect is what a question about one credential costs the server,
// without the network; BenchmarkGuard is the check that asks nobody, for
// comparison.
func BenchmarkIntrospect(b *testing.B) {
	srv := doorwardtest.New(b)
	asker, key := srv.APIKey(b, "doorward:introspect"), srv.APIKey(b, "reports:read")
	for name, credential := range map[string]string{"token": srv.Login(b, "ada").AccessToken, "key": key} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequest(http.MethodPost, "/auth/introspect", strings.NewReader("token="+credential))
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					r.Header.Set("Authorization", "Bearer "+asker)
					w := httptest.NewRecorder()
					srv.Handler().ServeHTTP(w, r)
					if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), `{"active":true`) {
						b.Fatal(w.Code, w.Body)
					}
				}
			})
		})
	}
}

func BenchmarkGuard(b *testing.B) {
	srv := doorwardtest.New(b)
	for name, credential := range map[string]string{"token": srv.Login(b, "ada").AccessToken, "key": srv.APIKey(b, "reports:read")} {
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, d := srv.Guard().Verify(b.Context(), credential); d != nil {
						b.Fatal(d)
					}
				}
			})
		})
	}
}
