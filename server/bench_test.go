package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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
