package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/doorwardtest"
)

// BenchmarkRefresh is a durable refresh without the network, each goroutine
// with a session of its own. bench/ measures it from outside.
func BenchmarkRefresh(b *testing.B) {
	srv := doorwardtest.New(b)
	var next atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		token := srv.Login(b, fmt.Sprintf("user%d", next.Add(1))).RefreshToken
		for pb.Next() {
			r := httptest.NewRequest(http.MethodPost, "/auth/refresh", bytes.NewReader([]byte(`{"refreshToken":"`+token+`"}`)))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "key")
			w := httptest.NewRecorder()
			srv.Handler().ServeHTTP(w, r)
			var answer struct{ RefreshToken string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
				b.Fatal(w.Code, err)
			}
			token = answer.RefreshToken
		}
	})
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
